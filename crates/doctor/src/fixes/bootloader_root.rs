//! Corrects `root=` in the boot loader's configuration, and where GRUB on the EFI system partition looks for that.

use std::collections::BTreeMap;

use crate::devices::Device;
use crate::efi;
use crate::patient::Patient;
use crate::rules::bootloader_points_nowhere::lost;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Point the boot loader at the root file system, and at the /boot, that are there";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    // Refused before anything is written, or not at all.
    let home = if efi::lost(surgery.patient).is_empty() { None } else { Some(home(surgery.patient)?) };
    let mut said = entries(surgery)?;
    if let Some(home) = home {
        said.extend(searches(surgery, &home)?);
    }
    if said.is_empty() {
        return Err(Stop::Nothing("the boot loader goes by file systems that are there".into()));
    }
    Ok(said.join("; "))
}

fn entries(surgery: &mut Surgery<'_>) -> Result<Vec<String>, Stop> {
    let lost = lost(surgery.patient);
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let device = &surgery.system()?.device;
    let name = match (&device.mapper, &device.uuid) {
        (mapper, _) if !mapper.is_empty() => format!("/dev/mapper/{mapper}"),
        (_, uuid) if !uuid.is_empty() => format!("UUID={uuid}"),
        _ => return Err(Stop::Refused(format!("{} has no UUID that it could be named by", device.path()))),
    };
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (entry, root) in lost {
        files.entry(entry.file).or_default().push(root);
    }
    let mut said = Vec::new();
    for (file, roots) in files {
        let old = surgery.system()?.tree.text(&file).unwrap_or_default();
        let new = roots.iter().fold(old, |text, root| replace(&text, root, &name));
        surgery.write(&file, &new, 0o600)?;
        said.push(format!("{file}: root={} is now root={name}", roots.first().map_or("", String::as_str)));
    }
    Ok(said)
}

/// The file system that GRUB's own folder is on.
fn home(patient: &Patient) -> Result<Device, Stop> {
    let device = efi::home(patient).map(|(device, _)| device.clone()).filter(|device| !device.uuid.is_empty());
    device.ok_or_else(|| Stop::Refused("it is not known on which file system GRUB's own folder is".into()))
}

/// The line that looks is written anew, by UUID, for the same variable; what follows it stays.
fn searches(surgery: &mut Surgery<'_>, home: &Device) -> Result<Vec<String>, Stop> {
    let mut said = Vec::new();
    for search in efi::lost(surgery.patient) {
        let old = surgery.patient.esp.as_ref().and_then(|esp| esp.text(&search.file)).unwrap_or_default();
        let line = format!("search.fs_uuid {} {}", home.uuid, search.variable);
        let new: Vec<&str> =
            old.lines().enumerate().map(|(n, text)| if n + 1 == search.line { line.as_str() } else { text }).collect();
        surgery.write_esp(&search.file, (new.join("\n") + "\n").as_bytes())?;
        said.push(format!("{} looks for UUID={} now, which is {}", search.file, home.uuid, home.path()));
    }
    Ok(said)
}

/// Each word `root=OLD` of the text, quotes around it aside.
fn replace(text: &str, old: &str, new: &str) -> String {
    let wanted = format!("root={old}");
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive([' ', '\t', '\n']) {
        let word = piece.trim_end();
        if word.trim_matches(['"', '\'']) == wanted {
            out += &piece.replacen(&wanted, &format!("root={new}"), 1);
        } else {
            out += piece;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn only_the_name_of_the_root_changes() {
        let folder = Folder::new();
        folder.put(
            "boot/grub/grub.cfg",
            "linux /vmlinuz root=UUID=bb ro quiet\n# root=UUID=bbc\nlinux /old root=UUID=bb\n",
        );
        let mut patient = folder.patient();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(
            folder.read("boot/grub/grub.cfg"),
            "linux /vmlinuz root=UUID=aaaa ro quiet\n# root=UUID=bbc\nlinux /old root=UUID=aaaa\n"
        );
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn grub_on_the_efi_system_partition_looks_where_its_folder_is() {
        let (folder, esp) = (Folder::new(), Folder::new());
        folder.put("boot/grub/grub.cfg", "linux /vmlinuz root=UUID=aaaa\n");
        let text = "search --label --set=root old\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n";
        esp.put("EFI/debian/grub.cfg", text);
        let mut patient = folder.patient();
        (patient.uefi, patient.esp) = (true, Some(esp.system().tree));
        let mut dry = Surgery::new(&mut patient, true);
        run(&mut dry).unwrap();
        assert!(dry.planned[0].diff.as_ref().unwrap().contains("\n+search.fs_uuid aaaa root\n"));
        assert_eq!(esp.read("EFI/debian/grub.cfg"), text);
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert_eq!(
            esp.read("EFI/debian/grub.cfg"),
            "search.fs_uuid aaaa root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
        );
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
    }
    /// As Fedora writes it; and where the target is not known, nothing at all is written.
    #[test]
    fn the_variable_stays_and_a_refusal_changes_nothing() {
        let (folder, esp) = (Folder::new(), Folder::new());
        folder.put("boot/grub2/grub.cfg", "linux /vmlinuz root=UUID=bb\n");
        let text = "search --no-floppy --root-dev-only --fs-uuid --set=dev bb\nset prefix=($dev)/boot/grub2\nconfigfile $prefix/grub.cfg\n";
        esp.put("EFI/fedora/grub.cfg", text);
        let mut patient = folder.patient();
        (patient.uefi, patient.esp) = (true, Some(esp.system().tree));
        patient.system.as_mut().unwrap().device.filesystem = "btrfs".into();
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Refused(_))));
        assert_eq!(folder.read("boot/grub2/grub.cfg"), "linux /vmlinuz root=UUID=bb\n");
        patient.system.as_mut().unwrap().device.filesystem = "ext4".into();
        run(&mut Surgery::new(&mut patient, false)).unwrap();
        assert!(esp.read("EFI/fedora/grub.cfg").starts_with("search.fs_uuid aaaa dev\nset prefix=($dev)/boot/grub2\n"));
        assert_eq!(folder.read("boot/grub2/grub.cfg"), "linux /vmlinuz root=UUID=aaaa\n");
    }
}
