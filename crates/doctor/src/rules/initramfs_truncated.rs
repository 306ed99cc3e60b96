//! Archives that end too early, or are none.

use std::collections::BTreeSet;

use crate::bootloader;
use crate::initramfs::{self, Content};
use crate::patient::{Patient, System};
use crate::tools::Deadline;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let mut evidence = Vec::new();
    let mut closed = Vec::new();
    for path in files(system) {
        let content = content(system, &path, patient.deadline)?;
        if let Some(fault) = content.fault {
            evidence.push(format!("{path}: {fault}"));
        } else if let Some(why) = content.closed.filter(|why| !why.contains("zstd")) {
            closed.push(format!("{path}: {why}"));
        }
    }
    if evidence.is_empty() && !closed.is_empty() { Err(closed.join("; ")) } else { Ok(evidence) }
}

/// What the boot loader loads, of kernels that are there.
pub fn files(system: &System) -> BTreeSet<String> {
    let entries = bootloader::entries(system);
    let started = entries.iter().filter(|entry| system.tree.size(&entry.kernel).is_some());
    started.flat_map(|entry| entry.initramfs.clone()).filter(|path| system.tree.size(path).is_some()).collect()
}

/// # Errors
/// When the file can't be read.
pub fn content(system: &System, path: &str, deadline: Deadline) -> Result<Content, String> {
    let file = system.tree.open_file(path);
    file.and_then(|file| initramfs::read(file, deadline.within(initramfs::LIMIT)))
        .map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initramfs::tests::{cpio, packed};
    use crate::patient::Folder;

    #[test]
    fn a_whole_one_is_told_from_a_cut_one() {
        let folder = Folder::new();
        let whole = packed("gzip", &cpio(&["init", "etc/passwd"]));
        folder
            .put("boot/vmlinuz-1", "x")
            .put("boot/grub/grub.cfg", "linux /boot/vmlinuz-1\ninitrd /boot/i\n")
            .put("boot/i", &whole);
        assert!(probe(&folder.patient()).unwrap().is_empty());
        folder.put("boot/i", &whole[..whole.len() / 2]);
        assert_eq!(probe(&folder.patient()).unwrap(), ["/boot/i: it ends in the middle of its archive"]);
        folder.put("boot/i", "");
        assert_eq!(probe(&folder.patient()).unwrap(), ["/boot/i: it is empty"]);
    }
}
