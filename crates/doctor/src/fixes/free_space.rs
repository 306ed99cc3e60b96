//! Removes what can be fetched or made again, a kind at a time, until there is room. What goes is listed.

use crate::bootloader;
use crate::patient::System;
use crate::rules::{disk_full, inodes_full};
use crate::surgery::{Outcome, Stop, Surgery};
use crate::tree::Tree;

pub const TITLE: &str =
    "Free space: caches of packages, old logs and journals, temporary files, initramfs of the oldest kernels";

/// Enough: a twentieth, or this.
const ENOUGH: u64 = 512 << 20;
/// Files that are listed for each kind.
const LISTED: usize = 20;
const MAX_FILES: usize = 50_000;

/// A kind of file that may go, the dearest last.
struct Kind {
    name: &'static str,
    files: fn(&System) -> Vec<String>,
}

const KINDS: [Kind; 6] = [
    Kind { name: "package caches", files: caches },
    Kind { name: "archived journals", files: journals },
    Kind { name: "rotated logs", files: rotated },
    Kind { name: "crash dumps", files: dumps },
    Kind { name: "temporary files", files: temporary },
    Kind { name: "initramfs of the oldest kernels", files: oldest },
];

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let system = surgery.system()?;
    let lacks_space = !disk_full::full(system).is_empty();
    let lacks_inodes = inodes_full::probe(surgery.patient).is_ok_and(|found| !found.is_empty());
    if !lacks_space && !lacks_inodes {
        return Err(Stop::Nothing("no file system is full".into()));
    }
    let (mut freed, mut count) = (0, 0);
    for kind in KINDS {
        // A dry run lists everything that might go.
        if !surgery.dry_run && count > 0 && roomy(surgery.system()?) {
            break;
        }
        let system = surgery.system()?;
        let files: Vec<(String, u64)> = (kind.files)(system)
            .into_iter()
            .take(MAX_FILES)
            .filter_map(|path| {
                Some((system.tree.stat(&path).map(|stat| u64::try_from(stat.st_blocks).unwrap_or(0) * 512)?, path))
            })
            .map(|(size, path)| (path, size))
            .collect();
        if files.is_empty() {
            continue;
        }
        let size: u64 = files.iter().map(|(_, size)| size).sum();
        let would = if surgery.dry_run { "would remove " } else { "" };
        surgery.note(format!("{would}{}: {} files, {} KiB", kind.name, files.len(), size >> 10));
        for (path, size) in files.iter().take(LISTED) {
            surgery.note(format!("  {path} ({} KiB)", size >> 10));
        }
        if files.len() > LISTED {
            surgery.note(format!("  and {} more", files.len() - LISTED));
        }
        for (path, size) in files {
            // A folder's own list of changes would be as long as the folder: the log has it.
            if surgery.dry_run || surgery.system()?.tree.remove(&path).is_ok() {
                freed += size;
                count += 1;
            }
        }
    }
    let would = if surgery.dry_run { "would remove" } else { "removed" };
    let said = format!("{would} {count} files, {} KiB", freed >> 10);
    let still = disk_full::full(surgery.system()?);
    let inodes = inodes_full::probe(surgery.patient).unwrap_or_default();
    if surgery.dry_run || (still.is_empty() && inodes.is_empty()) {
        return Ok(said);
    }
    let largest = disk_full::largest(&surgery.system()?.tree);
    let hint = largest
        .first()
        .map_or_else(String::new, |(folder, size)| format!("; the largest folder is {folder} with {} MiB", size >> 20));
    Err(Stop::Failed(format!("{said}, and it is still full{hint}: remove what you can spare, or enlarge the disk")))
}

fn roomy(system: &System) -> bool {
    let points = std::iter::once("/").chain(system.mount_points.iter().map(String::as_str));
    let mut spaces = points.filter_map(|point| system.tree.space(point));
    spaces.all(|space| {
        let (free, size) = (space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize);
        let inodes = space.f_files == 0 || space.f_favail > space.f_files / 20;
        inodes && (free > ENOUGH || free > size / 20)
    })
}

/// Regular files below a folder whose names are wanted; links are not followed, their targets may lie anywhere.
fn below(tree: &Tree, folder: &str, wanted: &dyn Fn(&str) -> bool, found: &mut Vec<String>) {
    if tree.link(folder).is_some() {
        return;
    }
    for name in tree.names(folder) {
        let path = format!("{folder}/{name}");
        if found.len() >= MAX_FILES {
            return;
        }
        if tree.link(&path).is_some() {
            continue;
        }
        if tree.is_folder(&path) {
            below(tree, &path, wanted, found);
        } else if tree.size(&path).is_some() && wanted(&name) {
            found.push(path);
        }
    }
}

fn collect(system: &System, folders: &[&str], wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    folders.iter().for_each(|folder| below(&system.tree, folder, wanted, &mut found));
    found
}

fn caches(system: &System) -> Vec<String> {
    let package = |name: &str| {
        [".deb", ".rpm", ".pkg.tar.zst", ".pkg.tar.xz", ".apk", ".solv", ".solvx"].iter().any(|end| name.ends_with(end))
            || name == "pkgcache.bin"
            || name == "srcpkgcache.bin"
    };
    collect(
        system,
        &[
            "/var/cache/apt",
            "/var/cache/dnf",
            "/var/cache/libdnf5",
            "/var/cache/yum",
            "/var/cache/pacman/pkg",
            "/var/cache/zypp/packages",
            "/var/cache/apk",
        ],
        &package,
    )
}

/// systemd marks what is no longer written with an `@` (journald.conf(5)).
fn journals(system: &System) -> Vec<String> {
    let archived = |name: &str| name.contains('@') && (name.ends_with(".journal") || name.ends_with(".journal~"));
    collect(system, &["/var/log/journal"], &archived)
}

fn rotated(system: &System) -> Vec<String> {
    let old = |name: &str| {
        let name = [".gz", ".xz", ".bz2", ".zst"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .map_or((name, false), |name| (name, true));
        let number = name
            .0
            .rsplit(['.', '-'])
            .next()
            .is_some_and(|end| end.len() <= 8 && !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit()));
        name.1 || number || name.0.ends_with(".old")
    };
    let mut found = collect(system, &["/var/log"], &old);
    found.retain(|path| !path.starts_with("/var/log/journal/"));
    found
}

fn dumps(system: &System) -> Vec<String> {
    collect(system, &["/var/crash", "/var/lib/systemd/coredump"], &|_| true)
}

fn temporary(system: &System) -> Vec<String> {
    collect(system, &["/tmp"], &|_| true)
}

/// Of kernels other than the newest two and those that the boot loader starts first; a tool of the system can make them again.
fn oldest(system: &System) -> Vec<String> {
    let first = bootloader::entries(system).into_iter().next().map(|entry| entry.kernel);
    let mut kernels: Vec<(Vec<u64>, String)> = bootloader::kernels(system)
        .into_iter()
        .filter(|path| Some(path) != first.as_ref())
        .map(|path| bootloader::version_of(&path))
        .filter(|version| !version.is_empty())
        .map(|version| (numbers(&version), version))
        .collect();
    kernels.sort();
    kernels.truncate(kernels.len().saturating_sub(2));
    let files = kernels.iter().flat_map(|(_, version)| bootloader::initramfs_names(version));
    files.filter(|path| system.tree.size(path).is_some()).collect()
}

/// `6.1.0-28-amd64` as numbers, to compare.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn only_what_can_be_made_again_is_listed() {
        let folder = Folder::new();
        for path in [
            "var/cache/apt/archives/a.deb",
            "var/cache/apt/archives/lock",
            "var/log/journal/aa/system.journal",
            "var/log/journal/aa/system@0001-0002.journal",
            "var/log/syslog",
            "var/log/syslog.1",
            "var/log/syslog.2.gz",
            "var/log/messages-20240101",
            "var/log/my-app.log",
            "var/crash/x",
            "tmp/a/b",
            "home/me/letter.deb",
        ] {
            folder.put(path, "x");
        }
        folder.link("tmp/link", "/home/me").link("var/cache/apt/l", "/home");
        let system = folder.system();
        let all: Vec<String> = KINDS.iter().flat_map(|kind| (kind.files)(&system)).collect();
        assert_eq!(
            all,
            [
                "/var/cache/apt/archives/a.deb",
                "/var/log/journal/aa/system@0001-0002.journal",
                "/var/log/messages-20240101",
                "/var/log/syslog.1",
                "/var/log/syslog.2.gz",
                "/var/crash/x",
                "/tmp/a/b",
            ]
        );
    }

    #[test]
    fn the_newest_two_and_the_one_that_starts_stay() {
        let folder = Folder::new();
        for version in ["5.9.0-1", "5.10.0-2", "6.1.0-3", "6.1.0-20"] {
            folder.put(&format!("boot/vmlinuz-{version}"), "k").put(&format!("boot/initrd.img-{version}"), "i");
        }
        assert_eq!(oldest(&folder.system()), ["/boot/initrd.img-5.9.0-1", "/boot/initrd.img-5.10.0-2"]);
        folder.put("boot/grub/grub.cfg", "linux /boot/vmlinuz-5.9.0-1\n");
        assert_eq!(oldest(&folder.system()), ["/boot/initrd.img-5.10.0-2"]);
    }

    #[test]
    fn where_nothing_is_full_nothing_is_done() {
        let folder = Folder::new();
        folder.put("var/cache/apt/archives/a.deb", "x");
        let mut patient = folder.patient();
        assert!(matches!(run(&mut Surgery::new(&mut patient, false)), Err(Stop::Nothing(_))));
        assert!(folder.path("var/cache/apt/archives/a.deb").exists());
    }
}
