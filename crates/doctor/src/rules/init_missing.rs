//! /sbin/init, or what `init=` of the kernel's command line names: there, executable, and a program.

use crate::bootloader;
use crate::patient::{Patient, System};
use crate::tree::Tree;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    Ok(fault(&system.tree, &init(system)).into_iter().collect())
}

/// The path that is started first.
pub fn init(system: &System) -> String {
    let entries = bootloader::entries(system);
    entries.first().and_then(|entry| entry.option("init")).map_or_else(|| "/sbin/init".into(), String::from)
}

/// What keeps a program from being started.
pub fn fault(tree: &Tree, path: &str) -> Option<String> {
    if !tree.exists(path) {
        return Some(match tree.link(path) {
            Some(target) => format!("{path} is a link to {}, which is not there", crate::tools::clean(&target)),
            None => format!("{path} is not there"),
        });
    }
    let stat = tree.stat(path)?;
    let Some(size) = tree.size(path) else { return Some(format!("{path} is no file")) };
    if size == 0 {
        return Some(format!("{path} is empty"));
    }
    if stat.st_mode & 0o111 == 0 {
        return Some(format!("{path} is not executable"));
    }
    let mut start = [0; 4];
    let read = tree.open_file(path).and_then(|file| std::os::unix::fs::FileExt::read_at(&file, &mut start, 0));
    let known = read.is_ok() && (&start == b"\x7fELF" || start.starts_with(b"#!"));
    (!known).then(|| format!("{path} is no program"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn every_way_it_can_be_gone_is_told() {
        let folder = Folder::new();
        let found = || probe(&folder.patient()).unwrap().join("");
        folder.put("sbin/keep", "");
        assert_eq!(found(), "/sbin/init is not there");
        folder.link("sbin/init", "/lib/systemd/systemd");
        assert_eq!(found(), "/sbin/init is a link to /lib/systemd/systemd, which is not there");
        folder.put("lib/systemd/systemd", "");
        assert_eq!(found(), "/sbin/init is empty");
        folder.put("lib/systemd/systemd", "text").mode("lib/systemd/systemd", 0o755);
        assert_eq!(found(), "/sbin/init is no program");
        folder.put("lib/systemd/systemd", "\x7fELF...").mode("lib/systemd/systemd", 0o644);
        assert_eq!(found(), "/sbin/init is not executable");
        folder.mode("lib/systemd/systemd", 0o755);
        assert_eq!(found(), "");
        folder.put("boot/grub/grub.cfg", "linux /boot/vmlinuz init=/opt/init\n");
        assert_eq!(found(), "/opt/init is not there");
    }
}
