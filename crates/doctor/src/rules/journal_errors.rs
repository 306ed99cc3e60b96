//! Telling lines of the machine's own text logs and of its journal, of their end only.

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
        found.extend(text.lines().filter(|line| is_telling(line)).map(|line| format!("{log}: {}", tools::clean(line))));
    }
    for line in journal::last_boot(&system.tree).into_iter().filter(|line| is_telling(line)) {
        found.push(format!("journal: {}", tools::clean(&line)));
    }
    let from = found.len().saturating_sub(MOST);
    Ok(found.split_off(from))
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
}
