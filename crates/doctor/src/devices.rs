//! The machine's block devices, from sysfs, and what is on them, from `blkid`; and what a name in its configuration stands for here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::sysfs::{SECTOR, attribute, entries, number, serial};
use crate::tools::Deadline;
use crate::{blkid, tools};

const BLKID_LIMIT: Duration = Duration::from_secs(10);

/// A disk, a partition, or what is put together of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The kernel's name: `vda1`, `dm-0`, `md127`.
    pub name: String,
    /// Name below `/dev/mapper`, for what device mapper made.
    pub mapper: String,
    /// The disk that a partition is on.
    pub parent: Option<String>,
    /// Serial number of a disk.
    pub serial: String,
    /// Bytes.
    pub size: u64,
    pub read_only: bool,
    /// As blkid names it: `ext4`, `LVM2_member`; empty if nothing was recognised.
    pub filesystem: String,
    /// blkid did not come to its end with it: nothing is known of what is on it.
    pub is_unread: bool,
    pub uuid: String,
    pub label: String,
    pub part_uuid: String,
    pub part_label: String,
}

impl Device {
    /// `/dev/vda1`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }

    /// Whether blkid has looked, and recognised nothing.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.filesystem.is_empty() && !self.is_unread
    }

    /// Whether it is a part of something that has to be put together first.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.filesystem.ends_with("_member") || self.filesystem == "crypto_LUKS"
    }
}

/// All devices, in the kernel's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    pub all: Vec<Device>,
    /// Drivers that each disk needs, from its bus to itself, by the disk's name.
    pub drivers: BTreeMap<String, BTreeSet<String>>,
    /// Partitions of the type that UEFI firmware looks for its loaders on, by name.
    pub esp_typed: BTreeSet<String>,
}

/// What a device's name in the machine's configuration stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning<'a> {
    Device(&'a Device),
    /// It names a device, and there is none.
    Missing,
    /// It names none (`tmpfs`, `server:/path`), or in a way that can't be judged here.
    Other,
}

impl Devices {
    /// Looks at sysfs, then asks blkid.
    #[must_use]
    pub fn seen(sys: &Path, deadline: Deadline) -> Self {
        let mut devices = Self::list(sys);
        let paths: Vec<String> = devices.all.iter().map(Device::path).collect();
        // One disk that does not answer must not make the others look blank.
        match exported(&paths, deadline) {
            Some(text) => devices.fill(&text),
            None => {
                for (at, path) in paths.iter().enumerate() {
                    match exported(std::slice::from_ref(path), deadline) {
                        Some(text) => devices.fill(&text),
                        None => devices.all[at].is_unread = true,
                    }
                }
            }
        }
        for device in devices.all.iter().filter(|device| device.parent.is_some()) {
            let args = ["-p", "-s", "PART_ENTRY_TYPE", "-o", "value", &device.path()];
            if !device.is_unread
                && matches!(device.filesystem.as_str(), "" | "vfat")
                && let Ok(ended) = tools::run("blkid", &args, deadline.within(BLKID_LIMIT))
                && is_esp_type(ended.text.trim())
            {
                devices.esp_typed.insert(device.name.clone());
            }
        }
        devices
    }

    fn list(sys: &Path) -> Self {
        let block = sys.join("block");
        let mut disks = entries(&block);
        disks.retain(|name| is_ours(name) && number(&block.join(name), "size") > 0);
        disks.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        let mut devices = Self::default();
        for disk in disks {
            let folder = block.join(&disk);
            devices.drivers.insert(disk.clone(), drivers(&folder.join("device")));
            devices.all.push(Device {
                name: disk.clone(),
                mapper: attribute(&folder, "dm/name"),
                serial: serial(&folder),
                size: number(&folder, "size") * SECTOR,
                read_only: attribute(&folder, "ro") == "1",
                ..Device::default()
            });
            let mut parts: Vec<(u64, Device)> = entries(&folder)
                .into_iter()
                .filter(|entry| folder.join(entry).join("partition").exists())
                .map(|name| {
                    let part = folder.join(&name);
                    let device = Device {
                        parent: Some(disk.clone()),
                        size: number(&part, "size") * SECTOR,
                        read_only: attribute(&folder, "ro") == "1",
                        name,
                        ..Device::default()
                    };
                    (number(&part, "partition"), device)
                })
                .collect();
            parts.sort_by_key(|(number, _)| *number);
            devices.all.extend(parts.into_iter().map(|(_, part)| part));
        }
        devices
    }

    fn fill(&mut self, export: &str) {
        for tags in blkid::devices(export) {
            let Some(name) = tags.get("DEVNAME").and_then(|path| path.strip_prefix("/dev/")) else { continue };
            let Some(device) = self.all.iter_mut().find(|device| device.name == name) else { continue };
            let tag = |key: &str| tags.get(key).map_or_else(String::new, |value| tools::clean(value));
            device.filesystem = tag("TYPE");
            device.uuid = tag("UUID");
            device.label = tag("LABEL");
            device.part_uuid = tag("PARTUUID");
            device.part_label = tag("PARTLABEL");
        }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Device> {
        self.all.iter().find(|device| device.name == name)
    }

    /// Partitions and whole disks that are not divided.
    pub fn leaves(&self) -> impl Iterator<Item = &Device> {
        self.all.iter().filter(|device| !self.all.iter().any(|other| other.parent.as_deref() == Some(&device.name)))
    }

    /// Devices by any of the names that fstab(5), crypttab(5) and the kernel's `root=` know.
    #[must_use]
    pub fn meaning(&self, name: &str) -> Meaning<'_> {
        let name = name.trim_matches('"');
        let by = |matches: &dyn Fn(&Device) -> bool| {
            self.all.iter().find(|device| matches(device)).map_or(Meaning::Missing, Meaning::Device)
        };
        if let Some((key, value)) = name.split_once('=') {
            let value = value.trim_matches('"');
            // blkid writes them in another way.
            if matches!(key, "LABEL" | "PARTLABEL") && !is_plain(value) {
                return Meaning::Other;
            }
            return match key {
                "UUID" => by(&|device| device.uuid.eq_ignore_ascii_case(value)),
                "LABEL" => by(&|device| !value.is_empty() && device.label == value),
                "PARTUUID" => by(&|device| device.part_uuid.eq_ignore_ascii_case(value)),
                "PARTLABEL" => by(&|device| device.part_label == value),
                // Kinds that blkid does not know here, and options of network file systems.
                _ => Meaning::Other,
            };
        }
        let Some(path) = name.strip_prefix("/dev/") else { return Meaning::Other };
        let unescaped = path.replace("\\x20", " ").replace("\\x2f", "/");
        match path.split_once('/') {
            Some(("disk", rest)) => match unescaped.strip_prefix("disk/").and_then(|rest| rest.split_once('/')) {
                Some(("by-uuid", value)) => by(&|device| device.uuid.eq_ignore_ascii_case(value)),
                Some(("by-label" | "by-partlabel", value)) if !is_plain(value) || value.contains('\\') => {
                    Meaning::Other
                }
                Some(("by-label", value)) => by(&|device| device.label == value),
                Some(("by-partuuid", value)) => by(&|device| device.part_uuid.eq_ignore_ascii_case(value)),
                Some(("by-partlabel", value)) => by(&|device| device.part_label == value),
                // By id or path: made by the machine's own udev.
                _ => self.by_id(rest),
            },
            Some(("mapper", mapper)) => match self.all.iter().find(|device| device.mapper == mapper) {
                Some(device) => Meaning::Device(device),
                None if self.unassembled() => Meaning::Other,
                None => Meaning::Missing,
            },
            Some(("md", _)) => Meaning::Other,
            // /dev/GROUP/VOLUME: in a mapper's name a dash is doubled.
            Some((group, volume)) => {
                let mapper = format!("{}-{}", group.replace('-', "--"), volume.replace('-', "--"));
                match self.all.iter().find(|device| device.mapper == mapper) {
                    Some(device) => Meaning::Device(device),
                    None if self.unassembled() => Meaning::Other,
                    None => Meaning::Missing,
                }
            }
            None => {
                let known = ["sd", "vd", "hd", "xvd", "nvme", "mmcblk"];
                match self.get(path) {
                    Some(device) => Meaning::Device(device),
                    None if known.iter().any(|start| path.starts_with(start)) => Meaning::Missing,
                    None => Meaning::Other,
                }
            }
        }
    }

    /// `by-id/virtio-SERIAL-part1`: found if a disk has that serial number, else not judged.
    fn by_id(&self, rest: &str) -> Meaning<'_> {
        let (disk, part) = rest.rsplit_once("-part").map_or((rest, None), |(disk, part)| (disk, Some(part)));
        let known = self.all.iter().find(|device| !device.serial.is_empty() && disk.ends_with(&device.serial));
        match (known, part) {
            (Some(device), None) => Meaning::Device(device),
            (Some(device), Some(part)) => self
                .all
                .iter()
                .find(|other| other.parent.as_deref() == Some(&device.name) && ends_in_number(&other.name, part))
                .map_or(Meaning::Missing, Meaning::Device),
            (None, _) => Meaning::Other,
        }
    }

    /// Whether there are members of volumes or arrays that were not put together, so that what they hold can't be judged.
    #[must_use]
    pub fn unassembled(&self) -> bool {
        let assembled = self.all.iter().any(|device| !device.mapper.is_empty() || device.name.starts_with("md"));
        !assembled && self.all.iter().any(Device::is_member)
    }
}

/// What blkid says of devices. None: it did not answer in time, or was ended. 0: it recognised some; 2: none (blkid(8), EXIT STATUS).
fn exported(paths: &[String], deadline: Deadline) -> Option<String> {
    if paths.is_empty() {
        return Some(String::new());
    }
    let mut args = vec!["-c", "/dev/null", "-o", "export"];
    args.extend(paths.iter().map(String::as_str));
    let ended = tools::run("blkid", &args, deadline.within(BLKID_LIMIT)).ok()?;
    matches!(ended.code, Some(0 | 2)).then_some(ended.text)
}

fn ends_in_number(name: &str, number: &str) -> bool {
    name.strip_suffix(number).is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_digit()))
}

/// Printable ASCII: blkid gives anything else as `M-C` and `^A`.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// UEFI specification 2.10, 5.3.3 (GPT) and 5.2.2 (MBR).
fn is_esp_type(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("c12a7328-f81f-11d2-ba4b-00a0c93ec93b") || kind == "0xef"
}

/// Not what the rescue system itself made, nor removable discs.
fn is_ours(name: &str) -> bool {
    !["loop", "ram", "zram", "sr", "fd", "nbd"].iter().any(|start| {
        name.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Modules of the drivers from the device up to the machine's root, as the kernel shows them: `virtio_blk`, `virtio_pci`.
fn drivers(device: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(mut folder) = device.canonicalize() else { return found };
    loop {
        let driver = folder.join("driver");
        if let Ok(target) = driver.canonicalize() {
            let module = driver.join("module").canonicalize().ok();
            let name =
                module.as_deref().unwrap_or(&target).file_name().map(|name| name.to_string_lossy().replace('-', "_"));
            found.extend(name.filter(|name| name != "pcieport"));
        }
        if !folder.pop() || folder.ends_with("devices") || folder.ends_with("sys") {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> Devices {
        let device = |name: &str, parent: Option<&str>, uuid: &str, label: &str| Device {
            name: name.into(),
            parent: parent.map(String::from),
            uuid: uuid.into(),
            label: label.into(),
            ..Device::default()
        };
        let mut volume = device("dm-0", None, "cc", "");
        volume.mapper = "vg--a-root".into();
        let mut disk = device("vda", None, "", "");
        disk.serial = "root-1".into();
        Devices { all: vec![disk, device("vda1", Some("vda"), "AA-11", "guest root"), volume], ..Devices::default() }
    }

    #[test]
    fn every_kind_of_name_is_understood() {
        let devices = devices();
        let name = |text: &str| match devices.meaning(text) {
            Meaning::Device(device) => device.name.clone(),
            Meaning::Missing => "missing".into(),
            Meaning::Other => "other".into(),
        };
        for (text, wanted) in [
            ("UUID=aa-11", "vda1"),
            ("UUID=\"AA-11\"", "vda1"),
            ("UUID=bb", "missing"),
            ("LABEL=guest root", "vda1"),
            ("LABEL=", "missing"),
            ("LABEL=größe", "other"),
            ("/dev/disk/by-label/gr\\xc3\\xb6\\xc3\\x9fe", "other"),
            ("/dev/disk/by-uuid/AA-11", "vda1"),
            ("/dev/disk/by-label/guest\\x20root", "vda1"),
            ("/dev/disk/by-id/virtio-root-1-part1", "vda1"),
            ("/dev/disk/by-id/virtio-root-1-part2", "missing"),
            ("/dev/disk/by-id/wwn-0x5000", "other"),
            ("/dev/vda1", "vda1"),
            ("/dev/vdb1", "missing"),
            ("/dev/mapper/vg--a-root", "dm-0"),
            ("/dev/vg-a/root", "dm-0"),
            ("/dev/vg-a/home", "missing"),
            ("tmpfs", "other"),
            ("server:/export", "other"),
            ("/swapfile", "other"),
        ] {
            assert_eq!(name(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_volume_is_not_missed_where_nothing_was_put_together() {
        let mut devices = devices();
        devices.all.pop();
        devices.all[1].filesystem = "LVM2_member".into();
        assert_eq!(devices.meaning("/dev/vg-a/home"), Meaning::Other);
    }

    #[test]
    fn without_time_left_nothing_is_known_of_a_device() {
        let sys = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(sys.path().join("block/vda")).unwrap();
        std::fs::write(sys.path().join("block/vda/size"), "8").unwrap();
        let devices = Devices::seen(sys.path(), Deadline::after(Duration::ZERO));
        assert_eq!((devices.all.len(), devices.all[0].is_unread), (1, true));
    }

    #[test]
    fn sysfs_and_blkid_are_read() {
        let sys = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = sys.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("devices/pci0/virtio0/block", "");
        put("bus/drivers/virtio_blk/x", "");
        std::os::unix::fs::symlink("../../../bus/drivers/virtio_blk", sys.path().join("devices/pci0/virtio0/driver"))
            .unwrap();
        put("block/vda/size", "4096");
        std::os::unix::fs::symlink("../../devices/pci0/virtio0", sys.path().join("block/vda/device")).unwrap();
        put("block/vda/ro", "1");
        put("block/vda/vda1/partition", "1");
        put("block/vda/vda1/size", "2048");
        put("block/dm-0/size", "8");
        put("block/dm-0/dm/name", "vg-root");
        put("block/loop0/size", "8");
        let mut devices = Devices::list(sys.path());
        devices.fill("DEVNAME=/dev/vda1\nUUID=11\nTYPE=ext4\nLABEL=a=b\n\nDEVNAME=/dev/dm-0\nTYPE=xfs\n");
        let names: Vec<_> = devices.all.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["vda", "vda1", "dm-0"]);
        assert_eq!((devices.all[1].size, devices.all[1].read_only), (1 << 20, true));
        assert_eq!((devices.all[1].filesystem.as_str(), devices.all[1].label.as_str()), ("ext4", "a=b"));
        assert_eq!((devices.all[2].mapper.as_str(), devices.all[2].filesystem.as_str()), ("vg-root", "xfs"));
        assert_eq!(devices.drivers["vda"].iter().collect::<Vec<_>>(), ["virtio_blk"]);
    }
}
