//! Makes the EFI system partition's file system anew, under the name that /etc/fstab knows it by. Its loaders are another fix's to copy.

use std::path::Path;
use std::time::Duration;

use crate::devices::{Device, Meaning};
use crate::patient::Patient;
use crate::surgery::{Step, Stop};
use crate::tools;

pub const TITLE: &str = "Make a FAT file system on an EFI system partition that has none";

const LIMIT: Duration = Duration::from_secs(10);

/// Smaller ones are left to mkfs.fat, which makes FAT16 of them.
const FAT32: u64 = 64 << 20;

pub fn run(patient: &Patient) -> Result<Vec<Step>, Stop> {
    if !patient.uefi || patient.esp.is_some() {
        return Err(Stop::Nothing("this machine has an EFI system partition, or needs none".into()));
    }
    let typed = patient.devices.all.iter().filter(|device| patient.devices.esp_typed.contains(&device.name));
    let blank: Vec<&Device> = typed.filter(|device| device.is_blank() && !device.read_only).collect();
    let device = match blank[..] {
        [device] => device,
        [] => {
            let why = "no partition of the type of an EFI system partition is without a file system";
            return Err(Stop::Refused(why.into()));
        }
        _ => return Err(Stop::Refused(format!("there are {} partitions that it could be", blank.len()))),
    };
    if tools::find("mkfs.fat").is_none() {
        return Err(Stop::Refused("this rescue image has no mkfs.fat; use the image std".into()));
    }
    let path = device.path();
    let backup = is_backup_whole(Path::new(&path));
    match tools::run("blkid", &["-p", "-s", "TYPE", "-o", "value", &path], LIMIT) {
        Ok(ended) if ended.code == Some(2) && !backup.unwrap_or(true) => {}
        Ok(ended) if ended.code == Some(2) => {
            return Err(Stop::Refused(format!(
                "the backup of a FAT boot sector is on {path}: what the file system holds may be saved (fsck.fat, or dd \
                 if={path} of={path} skip=6 count=1 conv=notrunc)"
            )));
        }
        _ => return Err(Stop::Refused(format!("it is not sure that there is nothing on {path}"))),
    }
    Ok(vec![Step { program: "mkfs.fat", args: arguments(patient, device), good: &[0] }])
}

/// Whether the sixth sector holds what mkfs.fat and others put there for FAT32: a copy of the boot sector.
fn is_backup_whole(device: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut sector = [0; 512];
    std::fs::File::open(device)?.read_exact_at(&mut sector, 6 * 512)?;
    Ok(sector[510..] == [0x55, 0xaa] && &sector[82..87] == b"FAT32")
}

fn arguments(patient: &Patient, device: &Device) -> Vec<String> {
    let mut args = Vec::new();
    if device.size >= FAT32 {
        args.extend(["-F", "32"].map(String::from));
    }
    let lines = patient.fstab();
    let line = lines.iter().find(|line| {
        matches!(line.point.as_str(), "/boot/efi" | "/efi") && patient.devices.meaning(&line.device) == Meaning::Missing
    });
    match line.and_then(|line| line.device.split_once('=')) {
        Some(("UUID", uuid)) if is_serial(uuid) => args.extend(["-i".into(), uuid.replace('-', "")]),
        Some(("LABEL", label)) if is_label(label) => args.extend(["-n".into(), label.to_owned()]),
        _ => {}
    }
    args.push(device.path());
    args
}

/// FAT's serial number, as blkid shows it: `1A2B-3C4D`.
fn is_serial(uuid: &str) -> bool {
    uuid.len() == 9 && uuid.bytes().enumerate().all(|(at, b)| if at == 4 { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_label(label: &str) -> bool {
    (1..=11).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_".contains(&b))
        && !label.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    fn patient(folder: &Folder) -> Patient {
        let mut patient = folder.patient();
        patient.uefi = true;
        let part = Device { name: "vda2".into(), parent: Some("vda".into()), size: FAT32, ..Device::default() };
        patient.devices.all.push(part);
        patient.devices.esp_typed.insert("vda2".into());
        patient
    }

    #[test]
    fn it_gets_the_name_that_fstab_knows() {
        let folder = Folder::new();
        for (name, wanted) in [
            ("UUID=1A2B-3C4D", "-F 32 -i 1A2B3C4D /dev/vda2"),
            ("LABEL=GUESTESP", "-F 32 -n GUESTESP /dev/vda2"),
            ("LABEL=-x", "-F 32 /dev/vda2"),
            ("/dev/vda2", "-F 32 /dev/vda2"),
        ] {
            folder.put("etc/fstab", format!("{name} /boot/efi vfat umask=0077 0 1\n"));
            let patient = patient(&folder);
            assert_eq!(arguments(&patient, &patient.devices.all[2]).join(" "), wanted);
        }
    }

    #[test]
    fn a_boot_sector_that_can_be_brought_back_is_seen() {
        let folder = Folder::new();
        let mut image = vec![0_u8; 4096];
        folder.put("image", &image);
        let path = folder.path("image");
        assert!(!is_backup_whole(&path).unwrap());
        image[6 * 512 + 82..6 * 512 + 87].copy_from_slice(b"FAT32");
        image[7 * 512 - 2..7 * 512].copy_from_slice(&[0x55, 0xaa]);
        std::fs::write(&path, &image).unwrap();
        assert!(is_backup_whole(&path).unwrap());
    }

    #[test]
    fn nothing_that_holds_something_is_touched() {
        let folder = Folder::new();
        let mut patient = patient(&folder);
        patient.devices.all[2].filesystem = "vfat".into();
        assert!(matches!(run(&patient), Err(Stop::Refused(_))));
        patient.devices.all[2].filesystem.clear();
        patient.devices.all[2].is_unread = true;
        assert!(matches!(run(&patient), Err(Stop::Refused(_))));
        patient.devices.all[2].is_unread = false;
        patient.esp = Some(folder.system().tree);
        assert!(matches!(run(&patient), Err(Stop::Nothing(_))));
        patient.esp = None;
        let mut second = patient.devices.all[2].clone();
        second.name = "vda3".into();
        patient.devices.all.push(second);
        patient.devices.esp_typed.insert("vda3".into());
        assert!(run(&patient).is_err_and(|stop| matches!(stop, Stop::Refused(why) if why.contains("2 partitions"))));
    }
}
