//! An initramfs that an entry of the boot loader names, and that is not there.

use std::collections::BTreeMap;

use crate::bootloader::{self, Entry};
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    patient.system()?;
    Ok(missing(patient)
        .into_iter()
        .map(|(path, entry)| format!("{path}, named in {}, is not there", entry.place()))
        .collect())
}

/// Those of entries whose kernel is there, or of the one that starts by default.
pub fn missing(patient: &Patient) -> BTreeMap<String, Entry> {
    let Some(system) = &patient.system else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for (number, entry) in bootloader::entries(system).into_iter().enumerate() {
        if number > 0 && system.tree.size(&entry.kernel).is_none() {
            continue;
        }
        for path in entry.initramfs.iter().filter(|path| system.tree.size(path).is_none() && !path.contains("ucode")) {
            found.entry(path.clone()).or_insert_with(|| entry.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn it_has_to_be_where_the_boot_loader_looks() {
        let folder = Folder::new();
        folder
            .put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1\ninitrd /boot/initrd.img-6.1\n")
            .put("boot/vmlinuz-6.1", "x");
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/boot/initrd.img-6.1, named in /boot/grub/grub.cfg line 1, is not there"]
        );
        folder.put("boot/initrd.img-6.1", "x");
        assert!(probe(&folder.patient()).unwrap().is_empty());
        // A link that leads nowhere is as good as nothing.
        std::fs::remove_file(folder.path("boot/initrd.img-6.1")).unwrap();
        folder.link("boot/initrd.img-6.1", "initrd.img-gone");
        assert_eq!(probe(&folder.patient()).unwrap().len(), 1);
    }
}
