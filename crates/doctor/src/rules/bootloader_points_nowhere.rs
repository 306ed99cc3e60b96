//! `root=` of what is started by default names a device that does not exist, or GRUB's own folder is looked for on one.

use crate::bootloader::{self, Entry};
use crate::devices::Meaning;
use crate::efi;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    patient.system()?;
    let mut evidence: Vec<String> =
        lost(patient).into_iter().map(|(entry, root)| format!("{}: root={root}", entry.place())).collect();
    evidence.extend(efi::lost(patient).into_iter().map(|search| {
        format!(
            "{} line {} on the EFI system partition looks for {}",
            search.file,
            search.line,
            crate::tools::clean(&search.name)
        )
    }));
    Ok(evidence)
}

/// Entries with the name that leads nowhere. Only if the first one is among them: later ones may be stale.
pub fn lost(patient: &Patient) -> Vec<(Entry, String)> {
    let Some(system) = &patient.system else { return Vec::new() };
    let mut found = Vec::new();
    for (number, entry) in bootloader::entries(system).into_iter().enumerate() {
        let root = entry
            .option("root")
            .map(crate::tools::clean)
            .filter(|root| patient.devices.meaning(root) == Meaning::Missing);
        match root {
            Some(root) => found.push((entry, root)),
            None if number == 0 => return Vec::new(),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_root_that_is_named_has_to_exist() {
        let folder = Folder::new();
        for (root, found) in
            [("LABEL=root", 0), ("UUID=aaaa", 0), ("/dev/vda1", 0), ("UUID=bbbb", 1), ("/dev/vdb1", 1), ("zfs:x", 0)]
        {
            folder.put("boot/grub/grub.cfg", format!("linux /boot/vmlinuz root={root} ro\n"));
            assert_eq!(probe(&folder.patient()).unwrap().len(), found, "{root}");
        }
        let esp = Folder::new();
        esp.put("EFI/debian/grub.cfg", "search.fs_uuid gone root\nconfigfile $prefix/grub.cfg\n");
        let mut patient = folder.patient();
        patient.esp = Some(esp.system().tree);
        assert!(probe(&patient).unwrap().is_empty(), "a firmware that reads no such partition does not care");
        patient.uefi = true;
        assert_eq!(
            probe(&patient).unwrap(),
            ["/EFI/debian/grub.cfg line 1 on the EFI system partition looks for UUID=gone"]
        );
        folder.put("boot/grub/grub.cfg", "linux /boot/a root=UUID=aaaa\nlinux /boot/b root=UUID=stale\n");
        assert!(probe(&folder.patient()).unwrap().is_empty());
    }
}
