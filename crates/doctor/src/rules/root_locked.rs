//! root's account: there, with a shell that exists, and not locked after it had a password.
//!
//! A root that never had one (`*`, `!`, `!*`) is how most cloud images come, and no finding.

use crate::patient::{Patient, System};

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    Ok(faults(system))
}

/// root's fields in a file in the manner of passwd(5).
pub fn fields(system: &System, file: &str) -> Option<Vec<String>> {
    let text = system.tree.text(file)?;
    let line = text.lines().find(|line| line.starts_with("root:"))?;
    Some(line.split(':').map(String::from).collect())
}

fn faults(system: &System) -> Vec<String> {
    let mut found = Vec::new();
    match fields(system, "/etc/passwd") {
        None => found.push("/etc/passwd has no line for root".into()),
        Some(fields) => {
            let shell = fields.get(6).map_or("", |shell| shell.trim());
            if !shell.is_empty() && (shell.ends_with("/nologin") || shell.ends_with("/false")) {
                found.push(format!("root's shell in /etc/passwd is {}", crate::tools::clean(shell)));
            } else if !shell.is_empty() && !system.tree.exists(shell) {
                found.push(format!("root's shell {} is not there", crate::tools::clean(shell)));
            }
        }
    }
    match fields(system, "/etc/shadow") {
        None if system.tree.exists("/etc/shadow")
            || fields(system, "/etc/passwd").is_some_and(|fields| fields[1] == "x") =>
        {
            found.push("/etc/shadow has no line for root".into());
        }
        Some(fields) => {
            let hash = fields.get(1).map_or("", String::as_str);
            if hash.starts_with("!$") || hash.starts_with("!!$") {
                found.push("root's password in /etc/shadow was locked".into());
            }
            if fields.get(7).is_some_and(|day| !day.is_empty()) {
                found.push("root's account in /etc/shadow has a day on which it expires".into());
            }
        }
        None => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_was_taken_from_root_is_told_but_not_what_it_never_had() {
        let folder = Folder::new();
        folder.put("bin/sh", "");
        let found = |passwd: &str, shadow: &str| {
            folder.put("etc/passwd", passwd).put("etc/shadow", shadow);
            probe(&folder.patient()).unwrap().join("; ")
        };
        let good = "root:x:0:0:root:/root:/bin/sh\n";
        for never in ["*", "!", "!*", "!!", "$6$salt$hash"] {
            assert_eq!(found(good, &format!("root:{never}:19000:0:99999:7:::\n")), "");
        }
        assert!(found(good, "root:!$6$salt$hash:19000:0:99999:7:::\n").contains("was locked"));
        assert!(!found(good, "root:!$6$salt$hash:1::::::\n").contains("hash"));
        assert!(found(good, "root:*:19000:0:99999:7::1:\n").contains("expires"));
        assert!(found(good, "daemon:*:1::::::\n").contains("/etc/shadow has no line"));
        assert!(found("root:x:0:0::/root:/usr/sbin/nologin\n", "root:*:1::::::\n").contains("nologin"));
        assert!(found("root:x:0:0::/root:/bin/zsh\n", "root:*:1::::::\n").contains("/bin/zsh is not there"));
        assert!(found("", "root:*:1::::::\n").contains("/etc/passwd has no line"));
    }
}
