//! What else belongs to the system: the lines of its fstab(5) that are safe to follow here. Only local file systems on devices that are
//! there, each at a place below the root; of the options only those count that say which part of a device is meant.

use std::path::Path;

use serde::Deserialize;

use crate::mount::options::{self, Access};
use crate::mount::{Device, Problem};

/// A line to follow.
#[derive(Debug)]
pub struct Entry {
    /// Below the root, from its own point of view: `/boot/efi`.
    pub place: String,
    /// The device, or why there is none.
    pub device: Result<Device, Problem>,
    pub options: String,
}

/// The names of a disk.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownDisk {
    /// Here: `vda`.
    pub name: String,
    /// In the guest's own kernel; empty if that is not known.
    #[serde(default)]
    pub normal_name: String,
    /// Below /dev/disk/by-id.
    #[serde(default)]
    pub by_id: String,
}

/// Entries in the order to mount them. `disks`: a file with the disks of the ready report.
pub fn wanted(root: &Path, devices: &[Device], disks: &Path) -> Vec<Entry> {
    let read = |name: &str| inside_text(root, name);
    let disks: Vec<KnownDisk> =
        std::fs::read(disks).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    entries(&read("etc/fstab"), &read("etc/crypttab"), devices, &disks)
}

/// A small file of the guest; a link there leads somewhere else here, and is not followed.
fn inside_text(root: &Path, name: &str) -> String {
    let path = root.join(name);
    let small = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() < 1024 * 1024);
    if small {
        std::fs::read(path).map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it).into())
    } else {
        String::new()
    }
}

fn entries(fstab: &str, crypttab: &str, devices: &[Device], disks: &[KnownDisk]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = fstab.lines().filter_map(|line| entry(line, crypttab, devices, disks)).collect();
    entries.sort_by_key(|entry| entry.place.matches('/').count());
    entries
}

fn entry(line: &str, crypttab: &str, devices: &[Device], disks: &[KnownDisk]) -> Option<Entry> {
    let fields: Vec<&str> = line.split('#').next()?.split_ascii_whitespace().collect();
    let [spec, place, kind, rest @ ..] = fields.as_slice() else { return None };
    let said: Vec<&str> = rest.first().unwrap_or(&"").split(',').collect();
    let place = place.replace("\\040", " ").trim_end_matches('/').to_owned();
    let local = *kind == "auto" || options::options(kind, Access::Write).is_some();
    let own = ["/proc", "/sys", "/dev", "/run"].iter().any(|it| place == *it || place.starts_with(&format!("{it}/")));
    let wanted = place.starts_with('/')
        && !own
        && local
        && !said.iter().any(|option| matches!(*option, "bind" | "rbind" | "loop" | "_netdev"))
        && (!said.contains(&"noauto") || place.starts_with("/boot") || place == "/efi");
    if !wanted {
        return None;
    }
    let chosen = said.iter().filter(|option| option.starts_with("subvol=") || option.starts_with("subvolid="));
    let device = find(spec, crypttab, devices, disks)
        .cloned()
        .ok_or_else(|| Problem::new(format!("{spec} is not here (as /etc/fstab has it)")));
    Some(Entry { place, device, options: chosen.copied().collect::<Vec<_>>().join(",") })
}

/// The device that fstab means. Names of the guest's own kernel are turned into those of this one.
fn find<'a>(spec: &str, crypttab: &str, devices: &'a [Device], disks: &[KnownDisk]) -> Option<&'a Device> {
    let by = |want: &dyn Fn(&Device) -> bool| devices.iter().find(|device| want(device));
    let path = |path: &str| by(&|device| device.path == path);
    if let Some((tag, value)) = spec.split_once('=') {
        let value = value.trim_matches('"');
        return match tag {
            "UUID" => by(&|device| device.uuid.eq_ignore_ascii_case(value)),
            "LABEL" => by(&|device| device.label == value),
            "PARTUUID" => by(&|device| device.part_uuid.eq_ignore_ascii_case(value)),
            "PARTLABEL" => by(&|device| device.part_label == value),
            _ => None,
        };
    }
    let name = spec.strip_prefix("/dev/")?;
    for (folder, tag) in [
        ("disk/by-uuid/", "UUID="),
        ("disk/by-label/", "LABEL="),
        ("disk/by-partuuid/", "PARTUUID="),
        ("disk/by-partlabel/", "PARTLABEL="),
    ] {
        if let Some(value) = name.strip_prefix(folder) {
            return find(&format!("{tag}{value}"), "", devices, disks);
        }
    }
    if let Some(id) = name.strip_prefix("disk/by-id/") {
        let disk = disks.iter().find(|disk| !disk.by_id.is_empty() && id.starts_with(&disk.by_id))?;
        let part = id[disk.by_id.len()..].strip_prefix("-part").unwrap_or_default();
        return path(&format!("/dev/{}", part_of(&disk.name, part)));
    }
    if let Some(mapped) = name.strip_prefix("mapper/") {
        let found = path(spec).or_else(|| unlocked(mapped, crypttab, devices, disks));
        return found;
    }
    if let Some((group, volume)) = name.split_once('/') {
        // Device mapper doubles the hyphens of names.
        let mapped = format!("/dev/mapper/{}-{}", group.replace('-', "--"), volume.replace('-', "--"));
        return path(&mapped);
    }
    let disk = disks.iter().find(|disk| !disk.normal_name.is_empty() && starts_disk(name, &disk.normal_name));
    match disk {
        Some(disk) => path(&format!("/dev/{}{}", disk.name, &name[disk.normal_name.len()..])),
        None => path(spec),
    }
}

/// `vda1` is of `vda`, `vdaa` is not.
fn starts_disk(name: &str, disk: &str) -> bool {
    name.strip_prefix(disk).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn part_of(disk: &str, number: &str) -> String {
    let between = if disk.ends_with(|last: char| last.is_ascii_digit()) && !number.is_empty() { "p" } else { "" };
    format!("{disk}{between}{number}")
}

/// crypttab(5): name, device. Here the device is open under a name of its UUID.
fn unlocked<'a>(name: &str, crypttab: &str, devices: &'a [Device], disks: &[KnownDisk]) -> Option<&'a Device> {
    let line = crypttab.lines().find(|line| line.split_ascii_whitespace().next() == Some(name))?;
    let locked = find(line.split_ascii_whitespace().nth(1)?, "", devices, disks)?;
    let open = format!("/dev/mapper/luks-{}", locked.uuid);
    devices.iter().find(|device| device.path == open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(path: &str, kind: &str, uuid: &str) -> Device {
        Device { path: path.into(), kind: kind.into(), uuid: uuid.into(), ..Device::default() }
    }

    fn disk(name: &str, normal: &str, by_id: &str) -> KnownDisk {
        KnownDisk { name: name.into(), normal_name: normal.into(), by_id: by_id.into() }
    }

    fn devices() -> Vec<Device> {
        vec![
            device("/dev/vda1", "vfat", "AAAA-BBBB"),
            device("/dev/sdb2", "ext4", "u-boot"),
            device("/dev/nvme0n1p3", "xfs", "u-srv"),
            device("/dev/sdb3", "crypto_LUKS", "u-luks"),
            device("/dev/mapper/luks-u-luks", "ext4", "u-home"),
            device("/dev/mapper/my--vg-var", "xfs", "u-var"),
        ]
    }

    fn followed(fstab: &str, crypttab: &str) -> Vec<String> {
        let disks = [disk("sdb", "sda", "ata-X_1"), disk("nvme0n1", "", "nvme-Y_2")];
        let shown = |entry: Entry| match entry.device {
            Ok(device) => format!("{} {} {}", entry.place, device.path, entry.options).trim_end().to_owned(),
            Err(problem) => format!("{}: {problem}", entry.place),
        };
        entries(fstab, crypttab, &devices(), &disks).into_iter().map(shown).collect()
    }

    #[test]
    fn each_way_to_name_a_device_is_understood() {
        for (spec, path) in [
            ("UUID=aaaa-bbbb", "/dev/vda1"),
            ("UUID=\"AAAA-BBBB\"", "/dev/vda1"),
            ("/dev/disk/by-uuid/u-boot", "/dev/sdb2"),
            ("/dev/sda2", "/dev/sdb2"),
            ("/dev/disk/by-id/ata-X_1-part2", "/dev/sdb2"),
            ("/dev/disk/by-id/nvme-Y_2-part3", "/dev/nvme0n1p3"),
            ("/dev/my-vg/var", "/dev/mapper/my--vg-var"),
            ("/dev/mapper/my--vg-var", "/dev/mapper/my--vg-var"),
            ("/dev/mapper/home", "/dev/mapper/luks-u-luks"),
            ("/dev/vda1", "/dev/vda1"),
        ] {
            let line = format!("{spec} /x auto defaults 0 0");
            assert_eq!(followed(&line, "home UUID=u-luks none luks"), [format!("/x {path}")], "{spec}");
        }
    }

    #[test]
    fn only_what_is_local_and_safe_is_followed_outermost_first() {
        let fstab = "# a comment\n\
            UUID=AAAA-BBBB /boot/efi vfat umask=0077,noauto 0 1\n\
            UUID=u-boot /boot ext4 defaults 0 2\n\
            UUID=u-srv / xfs defaults 0 1\n\
            nas:/home /home nfs defaults 0 0\n\
            /swapfile none swap sw 0 0\n\
            tmpfs /tmp tmpfs size=1g 0 0\n\
            /srv/a /srv/b none bind 0 0\n\
            UUID=u-var /var xfs noauto 0 0\n\
            UUID=gone /data ext4 nofail 0 2\n\
            UUID=u-boot /proc/x ext4 defaults 0 0\n\
            UUID=u-srv /snap\\040shots btrfs subvol=@snap,ssd 0 0\n\
            torn";
        let got = followed(fstab, "");
        assert_eq!(
            got,
            [
                "/boot /dev/sdb2",
                "/data: UUID=gone is not here (as /etc/fstab has it)",
                "/snap shots /dev/nvme0n1p3 subvol=@snap",
                "/boot/efi /dev/vda1"
            ]
        );
    }
}
