//! Names that stay the same: what the guest's own kernel calls a disk, its name below /dev/disk/by-id (and the links there, which udev would
//! make), and where the guest's own system mounts what is on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use doctor::fstab;
use types::rescue::{SeenDisk, SeenPart};

use crate::command;

/// For reading all fstabs: people wait for the proof.
const FSTAB_LIMIT: Duration = Duration::from_secs(2);
/// File systems that are asked for an fstab.
const FSTABS: usize = 4;

/// Fills in the names that the guest's own kernel gives, which the host knows by serial number, and of partitions what follows from the disk's.
pub fn fill(disks: &mut [SeenDisk], names: &BTreeMap<String, String>) {
    for disk in disks {
        disk.normal_name = names.get(&disk.serial).cloned().unwrap_or_default();
        for part in &mut disk.parts {
            let rest = part.name.strip_prefix(&disk.name).unwrap_or_default();
            if !disk.normal_name.is_empty() {
                part.normal_name = format!("{}{rest}", disk.normal_name);
            }
            let number = rest.trim_start_matches('p');
            part.by_id = match (disk.by_id.is_empty(), number.is_empty()) {
                (true, _) => String::new(),
                (false, true) => disk.by_id.clone(),
                (false, false) => format!("{}-part{number}", disk.by_id),
            };
        }
    }
}

/// As udev's rules have it (60-persistent-storage.rules, with QEMU's disks in mind): `virtio-SERIAL`, `nvme-MODEL_SERIAL`,
/// `ata-MODEL_SERIAL`, `scsi-0VENDOR_MODEL_SERIAL`. Empty without a serial number.
pub fn by_id(name: &str, vendor: &str, model: &str, serial: &str) -> String {
    if serial.is_empty() {
        return String::new();
    }
    let text = match (&name[..name.len().min(2)], vendor) {
        ("vd", _) => format!("virtio-{serial}"),
        ("nv", _) => format!("nvme-{model}_{serial}"),
        (_, "ATA") => format!("ata-{model}_{serial}"),
        _ => format!("scsi-0{vendor}_{model}_{serial}"),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.:".contains(c) { c } else { '_' };
    text.chars().map(plain).collect()
}

/// Fills in where the guest's own system mounts each file system: as its fstab says, where that stands on ext2, 3 or 4 and so can be read
/// without mounting anything; else where it was mounted last, which only these note.
pub fn places(disks: &mut [SeenDisk]) {
    let end = Instant::now() + FSTAB_LIMIT;
    let last: BTreeMap<String, String> = parts(disks)
        .filter(|part| part.filesystem.starts_with("ext"))
        .map(|part| (part.name.clone(), last_place(&last_mounted(&Path::new("/dev").join(&part.name)))))
        .collect();
    let roots: Vec<String> =
        last.iter().filter(|(_, at)| at.is_empty() || *at == "/").map(|(name, _)| name.clone()).collect();
    for name in roots.iter().take(FSTABS) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        // debugfs(8) reads only, and plays no journal back.
        let device = format!("/dev/{name}");
        match command::run("/sbin/debugfs", &["-R", "cat /etc/fstab", &device], left) {
            Ok(output) => by_fstab(disks, name, &output.stdout),
            Err(error) => eprintln!("lifeboat: debugfs can't be run: {error}"),
        }
    }
    for part in disks.iter_mut().flat_map(|disk| &mut disk.parts).filter(|part| part.mounted.is_empty()) {
        part.mounted = last.get(&part.name).cloned().unwrap_or_default();
    }
}

fn parts(disks: &[SeenDisk]) -> impl Iterator<Item = &SeenPart> {
    disks.iter().flat_map(|disk| &disk.parts)
}

/// What the fstab on `root` says. Where it names no device for `/`, that is the one it stands on.
fn by_fstab(disks: &mut [SeenDisk], root: &str, text: &str) {
    let lines = fstab::parse(text);
    let mut found = false;
    for line in lines.iter().filter(|line| line.point.starts_with('/') && line.fault().is_none()) {
        let named = |part: &SeenPart| meant(&line.device, part);
        if let Some(part) =
            disks.iter_mut().flat_map(|disk| &mut disk.parts).find(|part| named(part) && part.mounted.is_empty())
        {
            part.mounted = printable(&line.point);
            found |= line.point == "/";
        }
    }
    let names_root = lines.iter().any(|line| line.point == "/");
    let own = disks.iter_mut().flat_map(|disk| &mut disk.parts).find(|part| part.name == root);
    if let Some(own) = own.filter(|own| names_root && !found && own.mounted.is_empty()) {
        own.mounted = "/".into();
    }
}

/// Whether fstab's first field means this; names of devices are those of the guest's own kernel.
fn meant(device: &str, part: &SeenPart) -> bool {
    let same = |value: &str, own: &str| !own.is_empty() && value.trim_matches('"') == own;
    let (tag, value) = match device.split_once('=') {
        Some((tag, value)) => (tag, value),
        None => match device.strip_prefix("/dev/disk/by-").and_then(|name| name.split_once('/')) {
            Some(("uuid", value)) => ("UUID", value),
            Some(("label", value)) => ("LABEL", value),
            Some(("id", value)) => ("ID", value),
            _ => ("", device.strip_prefix("/dev/").unwrap_or_default()),
        },
    };
    match tag {
        "UUID" => value.trim_matches('"').eq_ignore_ascii_case(&part.uuid) && !part.uuid.is_empty(),
        "LABEL" => same(value, &part.label),
        "ID" => same(value, &part.by_id),
        "" => same(value, &part.normal_name),
        _ => false,
    }
}

/// Of a place where it was mounted last, the one in the guest's own system. An initramfs mounts the root elsewhere at first; below /mnt it was
/// a rescue system.
fn last_place(place: &str) -> String {
    match place {
        "/root" | "/sysroot" => "/".into(),
        _ if place == "/mnt" || place.starts_with("/mnt/") => String::new(),
        _ => place.into(),
    }
}

/// Where ext2, 3 and 4 note their last mount point: 64 bytes at 0x88 of the superblock, which begins at 1024 (ext4 documentation, The Super
/// Block; `s_magic` is at 0x38).
fn last_mounted(device: &Path) -> String {
    use std::os::unix::fs::FileExt;
    let mut block = [0; 0x88 + 64];
    let read = std::fs::File::open(device).and_then(|file| file.read_exact_at(&mut block, 1024));
    if read.is_err() || block[0x38..0x3a] != [0x53, 0xef] {
        return String::new();
    }
    let text = &block[0x88..];
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    printable(&String::from_utf8_lossy(&text[..end]))
}

/// Names are the guest's to choose, and end up on terminals: nothing in them may steer one.
pub fn printable(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { '?' } else { c }).take(128).collect()
}

/// Makes the links below `dev`/disk; those that can't be made are left out.
pub fn link(dev: &Path, disks: &[SeenDisk]) {
    for (folder, name, target) in links(disks) {
        let folder = dev.join("disk").join(folder);
        let _ = std::fs::create_dir_all(&folder);
        let _ = std::os::unix::fs::symlink(format!("../../{target}"), folder.join(name));
    }
}

/// Folder, name, device. Labels and UUIDs are the guest's to choose: one that is no plain file name gets no link.
fn links(disks: &[SeenDisk]) -> Vec<(&'static str, String, String)> {
    let mut links = Vec::new();
    let mut add = |folder, name: &str, target: &str| {
        if !name.is_empty() && name != "." && name != ".." && !name.contains('/') {
            links.push((folder, name.replace(' ', "\\x20"), target.to_owned()));
        }
    };
    for disk in disks {
        add("by-id", &disk.by_id, &disk.name);
        for part in &disk.parts {
            if part.by_id != disk.by_id {
                add("by-id", &part.by_id, &part.name);
            }
            add("by-uuid", &part.uuid, &part.name);
            add("by-label", &part.label, &part.name);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(normal: &str) -> SeenDisk {
        let part = |name: &str, label: &str, uuid: &str| SeenPart {
            name: name.into(),
            size: 1,
            filesystem: "ext4".into(),
            label: label.into(),
            uuid: uuid.into(),
            ..SeenPart::default()
        };
        let mut disks = [SeenDisk {
            name: "sda".into(),
            size: 1,
            serial: "s1".into(),
            by_id: "ata-Q_s1".into(),
            parts: vec![part("sda1", "my data", "u-1"), part("sda2", "../../etc", "..")],
            ..SeenDisk::default()
        }];
        fill(&mut disks, &BTreeMap::from([("s1".to_owned(), normal.to_owned())]));
        let [disk] = disks;
        disk
    }

    #[test]
    fn names_are_those_that_udev_gives() {
        for ((name, vendor, model, serial), expected) in [
            (("vda", "", "", "root disk"), "virtio-root_disk"),
            (("sda", "QEMU", "QEMU HARDDISK", "d1"), "scsi-0QEMU_QEMU_HARDDISK_d1"),
            (("sdb", "ATA", "QEMU HARDDISK", "d2"), "ata-QEMU_HARDDISK_d2"),
            (("nvme0n1", "", "QEMU NVMe Ctrl", "d3"), "nvme-QEMU_NVMe_Ctrl_d3"),
            (("vdb", "", "", ""), ""),
        ] {
            assert_eq!(by_id(name, vendor, model, serial), expected);
        }
    }

    #[test]
    fn the_host_knows_what_the_guest_calls_a_disk_and_so_its_partitions() {
        let known = disk("sdc");
        assert_eq!((known.normal_name.as_str(), known.parts[1].normal_name.as_str()), ("sdc", "sdc2"));
        assert_eq!(known.parts[1].by_id, "ata-Q_s1-part2");
        let unknown = disk("");
        assert_eq!((unknown.normal_name.as_str(), unknown.parts[1].normal_name.as_str()), ("", ""));
    }

    #[test]
    fn places_are_those_of_the_guests_own_fstab() {
        let table = [
            ("UUID=U-1 / ext4 defaults 0 1\n", ["/", ""]),
            ("LABEL=my\\040data /data ext4\n/dev/sdc2 / ext4\n", ["/data", "/"]),
            ("/dev/disk/by-id/ata-Q_s1-part2 /x\x1by ext4\n", ["", "/x?y"]),
            // Another device than the one it stands on is not here: it is the root all the same.
            ("/dev/mapper/vg-root / ext4\n/dev/sda2 /wrong ext4\n", ["/", ""]),
            ("UUID=u-1 none swap sw\nnonsense\n", ["", ""]),
            ("", ["", ""]),
        ];
        for (text, expected) in table {
            let mut disks = [disk("sdc")];
            by_fstab(&mut disks, "sda1", text);
            assert_eq!([&disks[0].parts[0].mounted, &disks[0].parts[1].mounted], expected, "{text}");
        }
    }

    #[test]
    fn ext_file_systems_know_where_they_were_mounted_last() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk");
        let mut bytes = vec![0; 4096];
        std::fs::write(&image, &bytes).unwrap();
        assert_eq!(last_mounted(&image), "");
        bytes[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
        bytes[1024 + 0x88..1024 + 0x8d].copy_from_slice(b"/b\x1bt\0");
        std::fs::write(&image, &bytes).unwrap();
        assert_eq!(last_mounted(&image), "/b?t", "nothing in it may steer a terminal");
        assert_eq!(last_mounted(&folder.path().join("none")), "");
        for (seen, place) in
            [("/", "/"), ("/sysroot", "/"), ("/root", "/"), ("/boot", "/boot"), ("/mnt", ""), ("/mnt/boot", "")]
        {
            assert_eq!(last_place(seen), place);
        }
    }

    #[test]
    fn links_lead_to_devices_and_stay_in_their_folder() {
        let dev = tempfile::tempdir().unwrap();
        link(dev.path(), &[disk("sda")]);
        let to = |path: &str| std::fs::read_link(dev.path().join("disk").join(path)).unwrap();
        assert_eq!(to("by-id/ata-Q_s1"), Path::new("../../sda"));
        assert_eq!(to("by-id/ata-Q_s1-part1"), Path::new("../../sda1"));
        assert_eq!(to("by-uuid/u-1"), Path::new("../../sda1"));
        assert_eq!(to("by-label/my\\x20data"), Path::new("../../sda1"));
        assert_eq!(
            links(&[disk("sda")]).len(),
            5,
            "a label that leads elsewhere, and a UUID that is no name, get no link"
        );
    }
}
