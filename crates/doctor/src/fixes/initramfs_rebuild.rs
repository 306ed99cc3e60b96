//! Lets the system's own tool make the initramfs again, with the drivers of this machine's disk where they are missing.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bootloader;
use crate::patient::{Patient, System};
use crate::rules::{initramfs_missing, initramfs_truncated, initramfs_without_root_driver};
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Make the initramfs again with the system's own tool";
/// Under emulation it takes minutes.
const LIMIT: Duration = Duration::from_secs(1200);
const MODULES: &str = "/etc/initramfs-tools/modules";
const DRACUT: &str = "/etc/dracut.conf.d/rescue-drivers.conf";

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    surgery.system()?;
    let (versions, drivers) = wanted(surgery.patient);
    if versions.is_empty() {
        return Err(Stop::Nothing("every initramfs that is started is there and whole".into()));
    }
    let tree = &surgery.system()?.tree;
    let has = |path: &str| tree.exists(&format!("/usr{path}")) || tree.exists(path);
    let (debian, dracut, arch) = (has("/sbin/update-initramfs"), has("/bin/dracut"), has("/bin/mkinitcpio"));
    if !debian && !dracut && !arch {
        return Err(Stop::Refused(
            "the system has no tool that makes an initramfs (update-initramfs, dracut, mkinitcpio)".into(),
        ));
    }
    let drivers: Vec<String> = drivers.into_iter().collect();
    if !drivers.is_empty() && debian {
        let old = tree.text(MODULES).unwrap_or_default();
        let new = drivers.iter().filter(|name| !old.lines().any(|line| line.trim() == name.as_str()));
        let text = new.fold(old.clone(), |text, name| text + name + "\n");
        surgery.write(MODULES, &text, 0o644)?;
    } else if !drivers.is_empty() && dracut {
        surgery.write(DRACUT, &format!("add_drivers+=\" {} \"\n", drivers.join(" ")), 0o644)?;
    }
    for version in &versions {
        if debian {
            // -c makes it whether or not one is there; dpkg's state is not asked.
            surgery.chroot(&["update-initramfs", "-c", "-k", version], LIMIT)?;
        } else if dracut {
            let file = format!("/boot/initramfs-{version}.img");
            surgery.chroot(&["dracut", "--force", &file, version], LIMIT)?;
        } else {
            surgery.chroot(&["mkinitcpio", "-P"], LIMIT)?;
        }
    }
    if !surgery.dry_run {
        let (left, _) = wanted(surgery.patient);
        if let Some(version) = left.iter().next() {
            return Err(Stop::Failed(format!(
                "the tool ended well, but the initramfs of {version} still can't be used"
            )));
        }
    }
    let with = if drivers.is_empty() { String::new() } else { format!(" with {}", drivers.join(", ")) };
    Ok(format!("initramfs of {}{with}", versions.into_iter().collect::<Vec<_>>().join(", ")))
}

/// Kernel versions whose initramfs is missing, damaged, or without drivers, and those drivers.
fn wanted(patient: &Patient) -> (BTreeSet<String>, BTreeSet<String>) {
    let Some(system) = &patient.system else { return Default::default() };
    let mut files: BTreeSet<String> = initramfs_missing::missing(patient).into_keys().collect();
    for path in initramfs_truncated::files(system) {
        if initramfs_truncated::content(system, &path, patient.deadline).is_ok_and(|content| content.fault.is_some()) {
            files.insert(path);
        }
    }
    let bare = initramfs_without_root_driver::probe(patient).unwrap_or_default();
    let mut drivers = BTreeSet::new();
    for line in &bare {
        if let Some((path, names)) = line.split_once(": without ") {
            files.insert(path.to_owned());
            drivers.extend(names.split(", ").map(String::from));
        }
    }
    (files.iter().filter_map(|path| version(system, path)).collect(), drivers)
}

/// The version of the kernel that is started with it: by its name, its link's, or the kernel's.
fn version(system: &System, path: &str) -> Option<String> {
    let entry = bootloader::entries(system).into_iter().find(|entry| entry.initramfs.iter().any(|file| file == path));
    let kernel = entry.map(|entry| entry.kernel).unwrap_or_default();
    let target = system.tree.link(&kernel).unwrap_or_default();
    let modules = system.tree.names("/lib/modules");
    let named = [kernel, target, path.to_owned()].into_iter().find_map(|name| {
        modules
            .iter()
            .find(|version| name.ends_with(version.as_str()) || name.contains(&format!("-{version}.")))
            .cloned()
    });
    // A kernel without a version in its name is the only one.
    named.or_else(|| (modules.len() == 1).then(|| modules[0].clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    fn folder() -> Folder {
        let folder = Folder::new();
        folder
            .put("boot/grub/grub.cfg", "linux /vmlinuz root=LABEL=root\ninitrd /initrd.img\n")
            .put("boot/vmlinuz-6.1.0-1-amd64", "k")
            .link("vmlinuz", "boot/vmlinuz-6.1.0-1-amd64")
            .link("initrd.img", "boot/initrd.img-6.1.0-1-amd64")
            .put("lib/modules/6.1.0-1-amd64/modules.dep", "")
            .put("lib/modules/5.10.0/modules.dep", "");
        folder
    }

    #[test]
    fn the_version_is_found_through_links_and_the_tool_is_called() {
        let folder = folder();
        let mut patient = folder.patient();
        assert!(matches!(run(&mut Surgery::new(&mut patient, true)), Err(Stop::Refused(_))));
        folder.put("usr/sbin/update-initramfs", "");
        let mut surgery = Surgery::new(&mut patient, true);
        run(&mut surgery).unwrap();
        assert_eq!(surgery.log, ["would run in the machine's own system: update-initramfs -c -k 6.1.0-1-amd64"]);
    }

    #[test]
    fn a_whole_one_is_left_alone() {
        use crate::initramfs::tests::{cpio, packed};
        let folder = folder();
        folder.put("boot/initrd.img-6.1.0-1-amd64", packed("gzip", &cpio(&["init"])));
        let mut patient = folder.patient();
        assert!(matches!(run(&mut Surgery::new(&mut patient, true)), Err(Stop::Nothing(_))));
    }

    #[test]
    fn missing_drivers_are_added_to_the_systems_own_list() {
        use crate::initramfs::tests::{cpio, packed};
        let folder = folder();
        folder
            .put("usr/sbin/update-initramfs", "")
            .put("etc/initramfs-tools/modules", "# list\next4\n")
            .put("boot/initrd.img-6.1.0-1-amd64", packed("gzip", &cpio(&["init", "lib/modules/6.1.0-1-amd64/ext4.ko"])))
            .put("lib/modules/6.1.0-1-amd64/modules.builtin", "")
            .put(
                "lib/modules/6.1.0-1-amd64/modules.dep",
                "kernel/virtio_blk.ko:\nkernel/virtio_pci.ko:\nkernel/ext4.ko:\n",
            );
        let mut patient = folder.patient();
        let mut surgery = Surgery::new(&mut patient, true);
        assert_eq!(run(&mut surgery).unwrap(), "initramfs of 6.1.0-1-amd64 with virtio_blk, virtio_pci");
        assert!(surgery.planned[0].diff.as_ref().unwrap().contains("+virtio_blk\n+virtio_pci\n"));
    }
}
