//! Drivers that this machine needs to reach its root, and that are neither in its kernel nor in its initramfs. Which they are is
//! seen from the rescue system: it runs on the same devices.

use std::collections::BTreeSet;

use crate::bootloader;
use crate::initramfs;
use crate::patient::{Patient, System};

use super::initramfs_truncated::{content, files};

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let needed = needed(patient, system);
    let mut evidence = Vec::new();
    let mut closed = Vec::new();
    for path in files(system) {
        let content = content(system, &path, patient.deadline)?;
        if content.fault.is_some() {
            continue;
        }
        if let Some(why) = content.closed {
            closed.push(format!("{path}: {why}"));
            continue;
        }
        match version(system, &path, &content.names) {
            Some(version) => {
                let absent = absent(system, &version, &content.names, &needed);
                if !absent.is_empty() {
                    evidence.push(format!("{path}: without {}", absent.into_iter().collect::<Vec<_>>().join(", ")));
                }
            }
            None => closed.push(format!("{path}: of no kernel whose modules are there")),
        }
    }
    if evidence.is_empty() && !closed.is_empty() { Err(closed.join("; ")) } else { Ok(evidence) }
}

/// Modules by name: of the bus, the disk, what is between disk and root, and the file system.
pub fn needed(patient: &Patient, system: &System) -> BTreeSet<String> {
    let device = &system.device;
    let mut names: BTreeSet<String> = BTreeSet::new();
    let disk = device.parent.as_deref().unwrap_or(&device.name);
    match patient.devices.drivers.get(disk) {
        Some(drivers) if device.mapper.is_empty() => names.extend(drivers.iter().cloned()),
        // A volume lies on some disk; all are taken that hold members.
        _ => {
            let members = patient.devices.all.iter().filter(|device| device.is_member());
            let disks = members
                .filter_map(|member| patient.devices.drivers.get(member.parent.as_deref().unwrap_or(&member.name)));
            names.extend(disks.flatten().cloned());
            names.insert("dm_mod".into());
        }
    }
    // Disks on SCSI, SATA and USB need the layer above their bus; the kernel shows that driver as `sd`.
    if names.remove("sd") || disk.starts_with("sd") {
        names.insert("sd_mod".into());
    }
    names.insert(if device.filesystem.starts_with("ext") { "ext4".into() } else { device.filesystem.clone() });
    names
}

/// The kernel that the initramfs is for: by its modules, else by its name.
fn version(system: &System, path: &str, names: &BTreeSet<String>) -> Option<String> {
    let inside = names.iter().find_map(|name| {
        let rest = name.strip_prefix("usr/").unwrap_or(name).strip_prefix("lib/modules/")?;
        rest.split('/').next().filter(|version| !version.is_empty()).map(String::from)
    });
    let by_name = || {
        let entry =
            bootloader::entries(system).into_iter().find(|entry| entry.initramfs.iter().any(|file| file == path))?;
        Some(bootloader::version_of(&entry.kernel)).filter(|version| !version.is_empty())
    };
    let has_list = |version: &String| list(system, version).is_some();
    inside.filter(has_list).or_else(|| by_name().filter(has_list))
}

/// What is built into a kernel of that version.
fn list(system: &System, version: &str) -> Option<BTreeSet<String>> {
    let text = system.tree.text(&format!("/lib/modules/{version}/modules.builtin"))?;
    Some(text.lines().filter_map(initramfs::module_name).collect())
}

fn absent(system: &System, version: &str, names: &BTreeSet<String>, needed: &BTreeSet<String>) -> BTreeSet<String> {
    let built_in = list(system, version).unwrap_or_default();
    let inside = initramfs::modules(names);
    // What this kernel has not even as a module goes by another name there, and is not judged.
    let exists = |name: &String| {
        let order = system
            .tree
            .text(&format!("/lib/modules/{version}/modules.order"))
            .or_else(|| system.tree.text(&format!("/lib/modules/{version}/modules.dep")));
        order.is_some_and(|text| {
            text.lines()
                .any(|line| initramfs::module_name(line.split(':').next().unwrap_or(line)).as_ref() == Some(name))
        })
    };
    needed.iter().filter(|name| !built_in.contains(*name) && !inside.contains(*name) && exists(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initramfs::tests::{cpio, packed};
    use crate::patient::Folder;

    fn folder(inside: &[&str]) -> Folder {
        let folder = Folder::new();
        folder
            .put("boot/vmlinuz-6.1", "x")
            .put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1\ninitrd /boot/initrd.img-6.1\n")
            .put("boot/initrd.img-6.1", packed("gzip", &cpio(inside)))
            .put("lib/modules/6.1/modules.builtin", "kernel/fs/ext4/ext4.ko\n")
            .put(
                "lib/modules/6.1/modules.dep",
                "kernel/virtio/virtio_pci.ko: kernel/x.ko\nkernel/drivers/block/virtio_blk.ko:\n",
            );
        folder
    }

    #[test]
    fn each_driver_is_built_in_or_in_the_initramfs() {
        let both = ["init", "lib/modules/6.1/kernel/virtio/virtio_pci.ko", "lib/modules/6.1/kernel/virtio-blk.ko.xz"];
        assert!(probe(&folder(&both).patient()).unwrap().is_empty());
        assert_eq!(probe(&folder(&both[..2]).patient()).unwrap(), ["/boot/initrd.img-6.1: without virtio_blk"]);
        assert_eq!(
            probe(&folder(&both[..1]).patient()).unwrap(),
            ["/boot/initrd.img-6.1: without virtio_blk, virtio_pci"]
        );
    }

    #[test]
    fn a_kernel_whose_modules_are_not_there_is_not_judged() {
        let folder = folder(&["init"]);
        std::fs::remove_dir_all(folder.path("lib/modules")).unwrap();
        assert!(probe(&folder.patient()).is_err());
    }

    #[test]
    fn a_disk_on_scsi_needs_the_layer_above() {
        let folder = folder(&["init"]);
        let mut patient = folder.patient();
        patient.devices.drivers = [("vda".to_owned(), ["virtio_scsi".to_owned(), "sd".to_owned()].into())].into();
        let needed = needed(&patient, patient.system.as_ref().unwrap());
        assert_eq!(needed.iter().map(String::as_str).collect::<Vec<_>>(), ["ext4", "sd_mod", "virtio_scsi"]);
    }
}
