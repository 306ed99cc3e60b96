//! Lines of sshd_config(5) that the server refuses to start with: unknown keywords, and keywords without a value.

use crate::patient::{Patient, System};

/// sshd_config(5) up to OpenSSH 10, names in lower case, with those that are obsolete and ignored, and what distributions add.
const KEYWORDS: &str = "acceptenv addressfamily allowagentforwarding allowgroups allowstreamlocalforwarding allowtcpforwarding allowusers \
    authenticationmethods authorizedkeyscommand authorizedkeyscommanduser authorizedkeysfile authorizedkeysfile2 authorizedprincipalscommand \
    authorizedprincipalscommanduser authorizedprincipalsfile banner casignaturealgorithms challengeresponseauthentication channeltimeout \
    chrootdirectory ciphers clientalivecountmax clientaliveinterval compression denygroups denyusers disableforwarding \
    exposeauthinfo fingerprinthash forcecommand gatewayports gssapiauthentication gssapicleanupcredentials gssapienablek5users \
    gssapikexalgorithms gssapikeyexchange gssapistorecredentialsonrekey gssapistrictacceptorcheck hostbasedacceptedalgorithms \
    hostbasedacceptedkeytypes hostbasedauthentication hostbasedusesnamefrompacketonly hostcertificate hostdsakey hostkey hostkeyagent \
    hostkeyalgorithms ignorerhosts ignoreuserknownhosts include ipqos kbdinteractiveauthentication kerberosauthentication kerberosgetafstoken \
    kerberosorlocalpasswd kerberosticketcleanup kerberosticketauthentication kerberostgtpassing kerberosuniqueccache kerberosusekuserok kexalgorithms \
    keyregenerationinterval keepalive listenaddress logingracetime loglevel logverbose lpkauth macs match maxauthtries maxsessions maxstartups \
    modulifile moduli pamauthenticationviakbdint pamservicename passwordauthentication permitemptypasswords permitlisten permitopen permitrootlogin \
    permittty permittunnel permituserenvironment permituserrc persourcemaxstartups persourcenetblocksize persourcepenalties \
    persourcepenaltyexemptlist pidfile port printlastlog printmotd protocol pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication \
    pubkeyauthoptions rdomain refuseconnection rekeylimit requiredrsasize reversemappingcheck revokedkeys rhostsauthentication \
    rhostsrsaauthentication rsaauthentication rsaminsize securitykeyprovider serverkeybits setenv showpatchlevel skeyauthentication \
    sshdauthpath sshdsessionpath streamlocalbindmask streamlocalbindunlink strictmodes subsystem syslogfacility tcpkeepalive trustedusercakeys \
    unusedconnectiontimeout usedns uselogin usepam useprivilegeseparation verifyreversemapping versionaddendum debianbanner \
    x11displayoffset x11forwarding x11maxdisplays x11uselocalhost xauthlocation afstokenpassing dsaauthentication";

const FILE: &str = "/etc/ssh/sshd_config";

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    if !system.tree.exists("/usr/sbin/sshd") {
        return Ok(Vec::new());
    }
    if !system.tree.exists(FILE) {
        return Ok(vec![format!("{FILE} is not there")]);
    }
    Ok(faults(system).into_iter().map(|(file, number, what)| format!("{file} line {number}: {what}")).collect())
}

/// File, line from 1, and what is wrong there.
pub fn faults(system: &System) -> Vec<(String, usize, String)> {
    let mut files = vec![FILE.to_owned()];
    let folder = "/etc/ssh/sshd_config.d";
    let included = system.tree.text(FILE).unwrap_or_default().contains("/etc/ssh/sshd_config.d");
    if included {
        files.extend(
            system
                .tree
                .names(folder)
                .into_iter()
                .filter(|name| name.ends_with(".conf"))
                .map(|name| format!("{folder}/{name}")),
        );
    }
    let mut found = Vec::new();
    for file in files {
        let text = system.tree.text(&file).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            found.extend(fault(line).map(|what| (file.clone(), index + 1, what)));
        }
    }
    found
}

fn fault(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(line.len());
    let (word, value) = (&line[..end], line[end..].trim_matches(|c: char| c.is_ascii_whitespace() || c == '='));
    let lower = word.trim_matches('"').to_ascii_lowercase();
    if !KEYWORDS.split_ascii_whitespace().any(|known| known == lower) {
        return Some(format!("unknown keyword '{}'", crate::tools::clean(word)));
    }
    if value.is_empty() {
        return Some(format!("'{word}' without a value"));
    }
    match lower.as_str() {
        "port" if value.parse::<u16>().is_err() => Some(format!("'{}' is no port", crate::tools::clean(value))),
        "permitrootlogin" => {
            choice(value, &["yes", "no", "prohibit-password", "without-password", "forced-commands-only"])
        }
        "passwordauthentication" | "pubkeyauthentication" | "usepam" | "strictmodes" | "permitemptypasswords" => {
            choice(value, &["yes", "no"])
        }
        _ => None,
    }
}

fn choice(value: &str, allowed: &[&str]) -> Option<String> {
    let word = value.split_ascii_whitespace().next().unwrap_or_default().trim_matches('"');
    let good = allowed.iter().any(|allowed| word.eq_ignore_ascii_case(allowed));
    (!good).then(|| format!("'{}' is none of {}", crate::tools::clean(word), allowed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_the_server_refuses_is_named_with_its_place() {
        let folder = Folder::new();
        folder.put("etc/ssh/sshd_config", "Whatever yes\n");
        assert!(probe(&folder.patient()).unwrap().is_empty(), "no server is installed");
        folder.put("usr/sbin/sshd", "");
        folder.put(
            "etc/ssh/sshd_config",
            "# x\nInclude /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin maybe\nPort=2222\nPasswordAuthentcation no\nMatch User x\n  PasswordAuthentication no # why\nUsePAM\n",
        );
        folder.put("etc/ssh/sshd_config.d/a.conf", "Port 99999\n").put("etc/ssh/sshd_config.d/readme", "Nonsense\n");
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            [
                "/etc/ssh/sshd_config line 3: 'maybe' is none of yes, no, prohibit-password, without-password, forced-commands-only",
                "/etc/ssh/sshd_config line 5: unknown keyword 'PasswordAuthentcation'",
                "/etc/ssh/sshd_config line 8: 'UsePAM' without a value",
                "/etc/ssh/sshd_config.d/a.conf line 1: '99999' is no port",
            ]
        );
    }
}
