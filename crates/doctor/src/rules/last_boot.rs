//! What the machine's own system last printed on its serial console, as the host kept it.

use crate::patient::Patient;
use crate::tools;

/// What a boot that has failed prints.
const STOPPED: [&str; 22] = [
    "Kernel panic",
    "emergency mode",
    "Out of memory",
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
    "Entering emergency",
    "Freezing execution",
];
/// Where a boot begins.
const BEGINS: [&str; 5] = ["SeaBIOS", "BdsDxe: starting", "GRUB loading", "Linux version", "Welcome to GRUB"];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    if patient.serial_log.trim().is_empty() {
        return Err("no serial log of the machine's own boot was given".into());
    }
    Ok(signs(&patient.serial_log))
}

/// Telling lines of the last boot in the log; none if it came to a login prompt.
fn signs(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let begin = lines.iter().rposition(|line| BEGINS.iter().any(|word| line.contains(word))).unwrap_or(0);
    let boot = &lines[begin..];
    if boot.iter().any(|line| line.ends_with("login:")) {
        return Vec::new();
    }
    let telling = boot.iter().filter(|line| STOPPED.iter().any(|word| line.contains(word)));
    telling.take(6).map(|line| tools::clean(line)).collect()
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
}
