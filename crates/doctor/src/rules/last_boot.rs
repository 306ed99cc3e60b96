//! What the machine's own system last printed on its serial console, as the host kept it.

use crate::patient::Patient;
use crate::tools;

/// What a system prints that has failed, be it after its login prompt.
const FELL: [&str; 5] = ["Kernel panic", "emergency mode", "Entering emergency", "Out of memory", "Freezing execution"];
/// What else a boot prints that does not come to its prompt.
const STOPPED: [&str; 17] = [
    "Dependency failed for",
    "Unable to mount root fs",
    "No working init found",
    "doesn't have requested",
    "ALERT!",
    "Gave up waiting for root",
    "dracut-initqueue",
    "(initramfs)",
    "grub rescue>",
    "grub>",
    "no such device",
    "not found.",
    "Failed to execute /sbin/init",
    "error while loading shared libraries",
    "Boot failed",
    "No bootable device",
    "Not a bootable disk",
];
/// Where a boot begins.
const BEGINS: [&str; 5] = ["SeaBIOS", "BdsDxe: starting", "GRUB loading", "Linux version", "Welcome to GRUB"];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    if patient.serial_log.trim().is_empty() {
        return Err("no serial log of the machine's own boot was given".into());
    }
    Ok(signs(&patient.serial_log))
}

/// Telling lines of the last boot in the log. Once it has asked for a login, only what follows the last time counts.
fn signs(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let begin = lines.iter().rposition(|line| BEGINS.iter().any(|word| line.contains(word))).unwrap_or(0);
    let boot = &lines[begin..];
    let asked = boot.iter().rposition(|line| behind_prompt(line).is_some());
    let behind = asked.and_then(|at| behind_prompt(boot[at]));
    let rest = &boot[asked.map_or(0, |at| at + 1)..];
    let words = if asked.is_some() { &[][..] } else { &STOPPED[..] };
    let is_telling = |line: &&&str| FELL.iter().chain(words).any(|word| line.contains(word));
    behind.iter().chain(rest).filter(is_telling).take(6).map(|line| tools::clean(line)).collect()
}

/// What follows `web1 login:` on its line: the kernel prints behind a prompt, which has no end of line.
/// `Last login:` greets who came in.
fn behind_prompt(line: &str) -> Option<&str> {
    let (host, behind) = line.split_once("login:")?;
    let is_prompt = host.is_empty() || (host.ends_with(' ') && host.trim() != "Last" && !host.trim().contains(' '));
    is_prompt.then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_boot_counts_and_only_if_it_failed() {
        let failed = "SeaBIOS (version 1)\nLinux version 6.1\n[FAILED] Dependency failed for /data\nYou are in emergency mode.\n";
        let well = "SeaBIOS (version 1)\nDependency failed for nothing much\nguest login:\n";
        assert_eq!(signs(failed), ["[FAILED] Dependency failed for /data", "You are in emergency mode."]);
        assert!(signs(well).is_empty());
        assert_eq!(signs(&format!("{well}{failed}")).len(), 2);
        assert!(signs(&format!("{failed}{well}")).is_empty());
    }

    #[test]
    fn what_fails_after_its_login_prompt_has_failed_too() {
        let boot = "SeaBIOS (version 1)\nLinux version 6.1\nOut of memory: early\nDebian GNU/Linux\n\nweb1 login:";
        for (after, wanted) in [
            (" ", vec![]),
            (" root\nPassword: \nLast login: Mon\nroot@web1:~# grub>\n", vec![]),
            ("\n[ 9.1] Out of memory: Killed process 7\n", vec!["[ 9.1] Out of memory: Killed process 7"]),
            (" [ 9.1] Kernel panic - not syncing: x\n", vec![" [ 9.1] Kernel panic - not syncing: x"]),
            (" root\nLast login: Mon\nYou are in emergency mode.\n", vec!["You are in emergency mode."]),
            (" [ 9.1] Kernel panic - x\nSeaBIOS\nLinux version 6.1\nweb1 login: ", vec![]),
            (" [ 9.1] Out of memory: y\nweb1 login: ", vec![]),
        ] {
            assert_eq!(signs(&format!("{boot}{after}")), wanted, "{after}");
        }
        // What another program says of a login is no prompt.
        let log = "Linux version 6.1\nOut of memory: z\nlogin[7]: pam_unix(login:session): x\nfor a login: see y\n";
        assert_eq!(signs(log), ["Out of memory: z"]);
    }
}
