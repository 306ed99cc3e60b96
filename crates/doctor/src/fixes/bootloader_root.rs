//! Corrects `root=` in the boot loader's configuration.

use std::collections::BTreeMap;

use crate::rules::bootloader_points_nowhere::lost;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Point the boot loader's entries at the root file system that is there";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let lost = lost(surgery.patient);
    if lost.is_empty() {
        return Err(Stop::Nothing("what is started names a root file system that is there".into()));
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
    Ok(said.join("; "))
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
}
