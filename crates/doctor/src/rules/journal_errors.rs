//! Telling lines of the machine's own text logs and of its journal, of the last boot that they know of.

use crate::journal;
use crate::patient::Patient;
use crate::tools;
use crate::tree::Tree;

const LOGS: [&str; 4] = ["/var/log/kern.log", "/var/log/syslog", "/var/log/messages", "/var/log/dmesg"];
/// Bytes of the end of a log that are read.
const TAIL: u64 = 256 * 1024;
const MOST: usize = 8;
/// What no sound machine logs.
const TELLING: [&str; 16] = [
    "EXT4-fs error",
    "XFS (",
    "BTRFS error",
    "BTRFS critical",
    "I/O error",
    "Buffer I/O error",
    "critical medium error",
    "Out of memory: Kill",
    "invoked oom-killer",
    "Kernel panic",
    "Remounting filesystem read-only",
    "Failed to mount ",
    "Dependency failed for ",
    "emergency mode",
    "Corruption of in-memory data",
    "No space left on device",
];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let mut found: Vec<String> = Vec::new();
    for log in LOGS {
        let text = end_of(&system.tree, log).unwrap_or_default();
        found.extend(
            last_boot(&text)
                .lines()
                .filter(|line| is_telling(line))
                .map(|line| format!("{log}: {}", tools::clean(line))),
        );
    }
    for line in journal::last_boot(&system.tree).into_iter().filter(|line| is_telling(line)) {
        found.push(format!("journal: {}", tools::clean(&line)));
    }
    let from = found.len().saturating_sub(MOST);
    Ok(found.split_off(from))
}

/// From where the kernel last told its version; all of it where it did not: the boot began before.
fn last_boot(text: &str) -> &str {
    const BEGIN: &str = "Linux version ";
    let is_kernels = |before: &str| {
        let before = before.rsplit('\n').next().unwrap_or_default().trim_end();
        before.is_empty() || before.ends_with(']') || before.ends_with("kernel:")
    };
    let begin = text.rmatch_indices(BEGIN).map(|(at, _)| at).find(|at| is_kernels(&text[..*at]));
    &text[begin.unwrap_or(0)..]
}

fn is_telling(line: &str) -> bool {
    TELLING.iter().any(|word| line.contains(word))
        && !(line.contains("XFS (") && !line.contains("orrupt") && !line.contains("rror"))
}

fn end_of(tree: &Tree, path: &str) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = tree.open_file(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn only_telling_lines_of_the_end_are_shown() {
        let folder = Folder::new();
        folder.put(
            "var/log/syslog",
            "kernel: XFS (vda1): Mounting V5 Filesystem\nkernel: EXT4-fs error (device vda1): bad\x1b[2J\n",
        );
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/var/log/syslog: kernel: EXT4-fs error (device vda1): bad [2J"]
        );
        let many = "systemd: Failed to mount /data\n".repeat(30);
        folder.put("var/log/syslog", many);
        assert_eq!(probe(&folder.patient()).unwrap().len(), MOST);
        folder.put("var/log/syslog", "all is well\n");
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }

    #[test]
    fn what_an_earlier_boot_logged_is_not_shown() {
        let folder = Folder::new();
        let [old, new] = ["old", "new"].map(|what| format!("web1 kernel: I/O error, {what}\n"));
        for begin in
            ["web1 kernel: [    0.000000] Linux version 6.1\n", "web1 kernel: Linux version 6.1\n", "Linux version 6\n"]
        {
            folder.put("var/log/syslog", format!("{begin}{old}{begin}{new}"));
            assert_eq!(probe(&folder.patient()).unwrap(), ["/var/log/syslog: web1 kernel: I/O error, new"], "{begin}");
            folder.put("var/log/syslog", format!("{begin}{old}{begin}"));
            assert!(probe(&folder.patient()).unwrap().is_empty());
        }
        // Only the kernel's own word is a boot.
        folder.put("var/log/syslog", format!("{old}web1 app: on Linux version 6.1\n{new}"));
        assert_eq!(probe(&folder.patient()).unwrap().len(), 2);
    }
}
