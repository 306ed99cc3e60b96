//! Which disks this machine has, from sysfs, and what is on them, from `blkid`.
//!
//! Some buses find their disks some time after the driver was loaded. [`settled`] waits for as many as the host says there are
//! (`lifeboat.disks=N` on the kernel's command line); where it says nothing, until the list stays the same for a moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use doctor::blkid;
use doctor::sysfs::{SECTOR, attribute, entries, number, serial};
use types::rescue::{SeenDisk, SeenPart};

use crate::{command, names};

/// `lifeboat.disks=N`: how many disks to wait for.
const CMDLINE_DISKS: &str = "lifeboat.disks=";
/// How long the list must stay the same where no number is known, on buses that search in the background.
const QUIET: Duration = Duration::from_millis(400);
const BLKID_LIMIT: Duration = Duration::from_secs(4);

/// The number of disks that the host announces on the kernel's command line.
pub fn expected(cmdline: &str) -> Option<usize> {
    cmdline.split_ascii_whitespace().find_map(|word| word.strip_prefix(CMDLINE_DISKS)?.parse().ok())
}

/// The disks, when they are all there, or after `limit` those that are.
pub fn settled(sys: &Path, expected: Option<usize>, limit: Duration) -> Vec<SeenDisk> {
    let deadline = Instant::now() + limit;
    let mut disks = list(sys);
    let mut since = Instant::now();
    loop {
        let done = match expected {
            Some(count) => disks.len() >= count,
            None => !searches_late(sys) || since.elapsed() >= QUIET,
        };
        if done || Instant::now() >= deadline {
            return disks;
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = list(sys);
        if now != disks {
            disks = now;
            since = Instant::now();
        }
    }
}

/// SCSI (virtio-scsi, IDE) and NVMe look for their disks in the background; virtio-blk has them when its driver is loaded.
fn searches_late(sys: &Path) -> bool {
    ["class/scsi_host", "class/nvme"]
        .iter()
        .any(|class| std::fs::read_dir(sys.join(class)).is_ok_and(|mut entries| entries.next().is_some()))
}

/// Disks in the kernel's order, with their partitions, not yet with what is on them.
pub fn list(sys: &Path) -> Vec<SeenDisk> {
    let block = sys.join("block");
    let mut names = entries(&block);
    names.retain(|name| is_disk(&block.join(name), name));
    // vdb before vdaa: within one bus the kernel counts names by length first.
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    names.iter().map(|name| disk(&block.join(name), name)).collect()
}

fn is_disk(folder: &Path, name: &str) -> bool {
    // What has no device is made by the kernel itself (loop, ram, dm, md); sr and fd take discs; a hidden one is a path of another.
    folder.join("device").exists()
        && !name.starts_with("sr")
        && !name.starts_with("fd")
        && attribute(folder, "hidden") != "1"
        && number(folder, "size") > 0
}

fn disk(folder: &Path, name: &str) -> SeenDisk {
    let mut parts: Vec<(u64, SeenPart)> = entries(folder)
        .into_iter()
        .filter(|entry| folder.join(entry).join("partition").exists())
        .map(|entry| {
            let part = folder.join(&entry);
            (number(&part, "partition"), empty_part(&entry, number(&part, "size") * SECTOR))
        })
        .collect();
    parts.sort_by_key(|(number, _)| *number);
    let serial = serial(folder);
    SeenDisk {
        name: name.into(),
        size: number(folder, "size") * SECTOR,
        by_id: names::by_id(name, &attribute(folder, "device/vendor"), &attribute(folder, "device/model"), &serial),
        serial,
        read_only: attribute(folder, "ro") == "1",
        parts: parts.into_iter().map(|(_, part)| part).collect(),
        ..SeenDisk::default()
    }
}

fn empty_part(name: &str, size: u64) -> SeenPart {
    SeenPart { name: name.into(), size, ..SeenPart::default() }
}

/// Fills in what is on the disks. A disk that hangs costs [`BLKID_LIMIT`], and stays unrecognised.
pub fn recognise(disks: &mut [SeenDisk]) {
    let devices: Vec<String> = devices(disks).iter().map(|name| format!("/dev/{name}")).collect();
    if devices.is_empty() {
        return;
    }
    let mut args = vec!["-c", "/dev/null", "-o", "export"];
    args.extend(devices.iter().map(String::as_str));
    match command::run("/sbin/blkid", &args, BLKID_LIMIT) {
        Ok(output) => fill(disks, &output.stdout),
        Err(error) => eprintln!("lifeboat: blkid can't be run: {error}"),
    }
}

/// Keeps the disks from being written, whatever bus they are on: not each can be told so by the host (blockdev(8), BLKROSET).
pub fn lock(disks: &mut [SeenDisk]) {
    for disk in disks.iter_mut().filter(|disk| !disk.read_only) {
        let device = format!("/dev/{}", disk.name);
        match command::run("/sbin/blockdev", &["--setro", &device], BLKID_LIMIT) {
            Ok(output) if output.success => disk.read_only = true,
            _ => eprintln!("lifeboat: {device} can't be made read-only"),
        }
    }
}

/// What to look into: partitions, or the whole disk where there are none.
fn devices(disks: &[SeenDisk]) -> Vec<&str> {
    disks
        .iter()
        .flat_map(|disk| match disk.parts.as_slice() {
            [] => vec![disk.name.as_str()],
            parts => parts.iter().map(|part| part.name.as_str()).collect(),
        })
        .collect()
}

/// From what `blkid` printed.
fn fill(disks: &mut [SeenDisk], export: &str) {
    let known = blkid::devices(export);
    let tag = |name: &str, key: &str| {
        let is_it = |tags: &&BTreeMap<&str, String>| {
            tags.get("DEVNAME").is_some_and(|path| path[..].strip_prefix("/dev/") == Some(name))
        };
        known
            .iter()
            .find(is_it)
            .and_then(|tags| tags.get(key))
            .map_or_else(String::new, |value| names::printable(value))
    };
    let complete = |part: &mut SeenPart| {
        part.filesystem = tag(&part.name, "TYPE");
        part.label = tag(&part.name, "LABEL");
        part.uuid = tag(&part.name, "UUID");
    };
    for disk in disks {
        disk.parts.iter_mut().for_each(complete);
        if disk.parts.is_empty() {
            let mut whole = empty_part(&disk.name, disk.size);
            complete(&mut whole);
            if !whole.filesystem.is_empty() {
                disk.parts.push(whole);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
        fn put(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
            self
        }
        fn disk(&self, name: &str, sectors: u64) -> &Self {
            std::fs::create_dir_all(self.0.path().join(format!("block/{name}/device"))).unwrap();
            self.put(&format!("block/{name}/size"), format!("{sectors}\n")).put(&format!("block/{name}/ro"), "0\n")
        }
        fn part(&self, disk: &str, name: &str, number: u32, sectors: u64) -> &Self {
            self.put(&format!("block/{disk}/{name}/partition"), format!("{number}\n"))
                .put(&format!("block/{disk}/{name}/size"), format!("{sectors}\n"))
        }
        fn list(&self) -> Vec<SeenDisk> {
            list(self.0.path())
        }
    }

    fn names_of(disks: &[SeenDisk]) -> Vec<&str> {
        disks.iter().map(|disk| disk.name.as_str()).collect()
    }

    #[test]
    fn disks_come_in_the_kernels_order_and_nothing_else_does() {
        let tree = Tree::new();
        for name in ["vdaa", "vdb", "vda", "sda", "nvme0n1"] {
            tree.disk(name, 2048);
        }
        tree.disk("sr0", 2048).disk("fd0", 8).disk("sdb", 0);
        tree.disk("nvme0c0n1", 2048).put("block/nvme0c0n1/hidden", "1\n");
        tree.put("block/loop0/size", "99\n").put("block/dm-0/size", "99\n");
        assert_eq!(names_of(&tree.list()), ["sda", "vda", "vdb", "vdaa", "nvme0n1"]);
    }

    #[test]
    fn size_serial_and_read_only_are_told_for_each_bus() {
        let tree = Tree::new();
        tree.disk("vda", 4).put("block/vda/serial", "root-disk\n").put("block/vda/ro", "1\n");
        tree.disk("nvme0n1", 2).put("block/nvme0n1/device/serial", "nv1   \n");
        tree.disk("sda", 1).put("block/sda/device/vpd_pg80", b"\0\x80\0\x06 scsi1\0");
        tree.disk("sdb", 1);
        let got: Vec<_> = tree.list().into_iter().map(|d| (d.name, d.size, d.serial, d.read_only)).collect();
        let row = |name: &str, size, serial: &str, ro| (name.to_string(), size, serial.to_string(), ro);
        assert_eq!(
            got,
            [
                row("sda", 512, "scsi1", false),
                row("sdb", 512, "", false),
                row("vda", 2048, "root-disk", true),
                row("nvme0n1", 1024, "nv1", false)
            ]
        );
    }

    #[test]
    fn what_is_on_them_comes_from_blkid() {
        let tree = Tree::new();
        tree.disk("vda", 4096).part("vda", "vda10", 10, 7).part("vda", "vda2", 2, 8).disk("vdb", 16).disk("vdc", 16);
        let mut disks = tree.list();
        assert_eq!(devices(&disks), ["vda2", "vda10", "vdb", "vdc"]);
        fill(
            &mut disks,
            "DEVNAME=/dev/vda2\nLABEL=root=a\nUUID=11-22\nTYPE=ext4\nPARTUUID=x\n\n\
             DEVNAME=/dev/vdb\nLABEL=\x1b[2Jx\nTYPE=LVM2_member\n\nDEVNAME=/dev/vdz\nTYPE=xfs\n",
        );
        let part = |name: &str, size, filesystem: &str, label: &str, uuid: &str| SeenPart {
            name: name.into(),
            size,
            filesystem: filesystem.into(),
            label: label.into(),
            uuid: uuid.into(),
            ..SeenPart::default()
        };
        assert_eq!(disks[0].parts, [part("vda2", 4096, "ext4", "root=a", "11-22"), part("vda10", 3584, "", "", "")]);
        assert_eq!(disks[1].parts, [part("vdb", 8192, "LVM2_member", "?[2Jx", "")]);
        assert_eq!(disks[2].parts, []);
    }

    #[test]
    fn waits_for_the_disks_that_were_announced_and_no_longer() {
        assert_eq!(expected("console=ttyS0 lifeboat.disks=2 quiet"), Some(2));
        assert_eq!(expected("lifeboat.disks=many"), None);
        let tree = Tree::new();
        tree.disk("sda", 8).put("class/scsi_host/host0/state", "running");
        let long = Duration::from_secs(60);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| settled(tree.0.path(), Some(2), long));
            tree.disk("sdb", 8);
            assert_eq!(names_of(&waiting.join().unwrap()), ["sda", "sdb"]);
        });
        // One is missing for good: the limit ends the wait, and those that are there are told.
        assert_eq!(settled(tree.0.path(), Some(3), Duration::from_millis(50)).len(), 2);
        // Nothing announced: the list has to be quiet on such a bus, and is taken at once on others.
        assert_eq!(settled(tree.0.path(), None, long).len(), 2);
    }
}
