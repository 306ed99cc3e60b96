//! Puts a loader where every UEFI firmware looks.

use crate::efi;
use crate::patient::Patient;
use crate::rules::esp_missing::{is_fallback, loaders};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Copy an installed EFI boot loader to EFI/BOOT, where every firmware looks";

#[cfg(target_arch = "aarch64")]
const NAME: &str = "BOOTAA64.EFI";
#[cfg(not(target_arch = "aarch64"))]
const NAME: &str = "BOOTX64.EFI";
/// In a vendor's folder, or in the system, where GRUB's package leaves one that needs no installation.
const CHOICES: [&str; 5] =
    ["grubx64.efi", "grubaa64.efi", "systemd-bootx64.efi", "systemd-bootaa64.efi", "shimx64.efi"];
const IN_SYSTEM: [&str; 3] = [
    "/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi",
    "/usr/lib/grub/arm64-efi/monolithic/grubaa64.efi",
    "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
];

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let patient = &*surgery.patient;
    if !patient.uefi {
        return Err(Stop::Nothing("this machine does not start by UEFI".into()));
    }
    let Some(esp) = &patient.esp else {
        return Err(Stop::Refused("there is no EFI system partition to copy to".into()));
    };
    let there = loaders(esp);
    if there.iter().any(|path| is_fallback(path)) {
        return Err(Stop::Nothing("EFI/BOOT holds a loader".into()));
    }
    let (from, bytes) = source(patient, &there)?;
    let to = format!("/EFI/BOOT/{NAME}");
    let way = way(patient, &bytes);
    surgery.note(format!("{from} goes to {to} on the EFI system partition"));
    if !surgery.dry_run {
        // What is there under that name is empty, or it would be a loader.
        let _ = surgery.patient.esp.as_ref().map(|esp| esp.remove(&to));
    }
    surgery.write_esp(&to, &bytes)?;
    let mut said = format!("{to} is a copy of {from}");
    if let Some((file, text)) = way {
        surgery.write_esp(&file, text.as_bytes())?;
        said += &format!("; {file} tells it where GRUB's folder is");
    }
    Ok(said)
}

/// The configuration that the loader looks for on the partition, where it is gone as well.
fn way(patient: &Patient, loader: &[u8]) -> Option<(String, String)> {
    let file = efi::built_for(loader)? + "/grub.cfg";
    let (device, folder) = efi::home(patient)?;
    let there = patient.esp.as_ref().is_some_and(|esp| esp.size(&file).is_some_and(|size| size > 0));
    if there { None } else { Some((file, efi::stub(device, &folder)?)) }
}

fn source(patient: &Patient, there: &[String]) -> Result<(String, Vec<u8>), Stop> {
    let on_esp = CHOICES.iter().find_map(|name| there.iter().find(|path| path.to_ascii_lowercase().ends_with(name)));
    if let (Some(path), Some(esp)) = (on_esp, &patient.esp) {
        let bytes = esp.whole(path).map_err(|error| Stop::Failed(format!("{path} can't be read: {error}")))?;
        return Ok((path.clone(), bytes));
    }
    let system = patient.system.as_ref();
    let found = IN_SYSTEM.iter().find_map(|path| Some((path.to_string(), system?.tree.whole(path).ok()?)));
    found.ok_or_else(|| {
        Stop::Refused("no loader is installed that could be copied; install one with grub-install in a chroot".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn the_systems_loader_is_copied_and_nothing_is_replaced() {
        let (folder, esp) = (Folder::new(), Folder::new());
        esp.put("EFI/debian/grubx64.efi", "MZ-loader");
        let mut patient = folder.patient();
        (patient.uefi, patient.esp) = (true, Some(esp.system().tree));
        run(&mut Surgery::new(&mut patient, true)).unwrap();
        assert!(!esp.path("EFI/BOOT").exists());
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(esp.read(&format!("EFI/BOOT/{NAME}")), "MZ-loader");
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn without_any_loader_it_is_refused() {
        let (folder, esp) = (Folder::new(), Folder::new());
        esp.put("EFI/debian/grub.cfg", "x");
        let mut patient = folder.patient();
        (patient.uefi, patient.esp) = (true, Some(esp.system().tree));
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Refused(_))));
        folder.put("usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", "MZ");
        run(&mut Surgery::new(&mut patient, false)).unwrap();
    }

    #[test]
    fn an_emptied_partition_gets_the_loaders_configuration_too() {
        let (folder, esp) = (Folder::new(), Folder::new());
        folder
            .put("usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", "MZ\0/EFI/debian\0")
            .put("boot/grub/grub.cfg", "x");
        let mut patient = folder.patient();
        (patient.uefi, patient.esp) = (true, Some(esp.system().tree));
        run(&mut Surgery::new(&mut patient, true)).unwrap();
        assert!(!esp.path("EFI").exists());
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(esp.read(&format!("EFI/BOOT/{NAME}")), "MZ\0/EFI/debian\0");
        assert!(esp.read("EFI/debian/grub.cfg").starts_with("search.fs_uuid aaaa root\n"));
    }
}
