//! On machines that start by UEFI: an EFI system partition with a loader on it.

use crate::patient::Patient;
use crate::tree::Tree;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    if !patient.uefi {
        return Ok(Vec::new());
    }
    let Some(esp) = &patient.esp else {
        if let Some(device) = patient.devices.leaves().find(|device| device.is_unread) {
            return Err(format!("{} can't be read: the EFI system partition may be there", device.path()));
        }
        let fat = patient.devices.leaves().filter(|device| device.filesystem == "vfat").map(|device| device.path());
        let fat: Vec<String> = fat.collect();
        let seen = if let Some(name) = patient.devices.esp_typed.iter().next().filter(|_| fat.is_empty()) {
            format!("there is no file system on /dev/{name}, the EFI system partition")
        } else if fat.is_empty() {
            "there is no FAT partition".into()
        } else {
            format!("{} has no folder EFI", fat.join(", "))
        };
        return Ok(vec![seen]);
    };
    let loaders = loaders(esp);
    let fallback = loaders.iter().any(|path| is_fallback(path));
    Ok(match (loaders.is_empty(), fallback) {
        (true, _) => vec!["the EFI system partition holds no loader".into()],
        // The variables that would name another are made anew where a machine is copied or restored.
        (false, false) => vec![format!("EFI/BOOT holds no loader; elsewhere there are {}", loaders.join(", "))],
        (false, true) => Vec::new(),
    })
}

pub fn is_fallback(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.starts_with("/efi/boot/boot") && path.ends_with(".efi")
}

/// Files `*.efi` below EFI, in folders one deep, that are not empty.
pub fn loaders(esp: &Tree) -> Vec<String> {
    let folders = esp.names("/EFI");
    let files = folders.iter().flat_map(|folder| {
        esp.names(&format!("/EFI/{folder}")).into_iter().map(move |file| format!("/EFI/{folder}/{file}"))
    });
    files
        .filter(|path| path.to_ascii_lowercase().ends_with(".efi") && esp.size(path).is_some_and(|size| size > 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_machine_that_starts_by_uefi_needs_a_loader() {
        let folder = Folder::new();
        let mut patient = folder.patient();
        assert!(probe(&patient).unwrap().is_empty(), "this one does not start by UEFI");
        patient.uefi = true;
        assert_eq!(probe(&patient).unwrap(), ["there is no FAT partition"]);
        let esp = Folder::new();
        esp.put("EFI/debian/grubx64.efi", "MZ");
        patient.esp = Some(esp.system().tree);
        assert_eq!(probe(&patient).unwrap(), ["EFI/BOOT holds no loader; elsewhere there are /EFI/debian/grubx64.efi"]);
        esp.put("EFI/BOOT/BOOTX64.EFI", "MZ");
        assert!(probe(&patient).unwrap().is_empty());
        esp.put("EFI/BOOT/BOOTX64.EFI", "").put("EFI/debian/grubx64.efi", "");
        assert_eq!(probe(&patient).unwrap(), ["the EFI system partition holds no loader"]);
    }
}
