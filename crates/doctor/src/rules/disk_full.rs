//! File systems without space for ordinary programs.

use crate::patient::{Patient, System};
use crate::tree::Tree;

/// Less than this is full, whatever the size.
const LITTLE: u64 = 4 << 20;
/// Or less than a hundredth, if that is no more than this.
const SOME: u64 = 64 << 20;
/// How many files are counted at most: the sums are a hint.
const MAX_FILES: usize = 200_000;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let mut evidence: Vec<String> = full(system)
        .into_iter()
        .map(|(point, free, size)| format!("{point}: {} KiB of {} MiB are free", free >> 10, size >> 20))
        .collect();
    if !evidence.is_empty() {
        let sizes = largest(&system.tree);
        evidence.extend(sizes.into_iter().take(6).map(|(folder, size)| format!("{folder} holds {} MiB", size >> 20)));
    }
    Ok(evidence)
}

/// Mount points with what is free and the size, in bytes.
pub fn full(system: &System) -> Vec<(String, u64, u64)> {
    let mut points = vec!["/".to_owned()];
    points.extend(system.mount_points.iter().filter(|point| *point != "/boot/efi" && *point != "/efi").cloned());
    let mut found: Vec<(String, u64, u64)> = Vec::new();
    for point in points {
        let Some(space) = system.tree.space(&point) else { continue };
        let (free, size) = (space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize);
        if size > 0 && is_full(free, size) {
            found.push((point, free, size));
        }
    }
    found
}

fn is_full(free: u64, size: u64) -> bool {
    free < LITTLE.min(size / 20) || (free < size / 100 && free < SOME)
}

/// Folders two levels down with the sizes of what is below, the largest first.
pub fn largest(tree: &Tree) -> Vec<(String, u64)> {
    let mut sums = Vec::new();
    let mut left = MAX_FILES;
    for top in tree.names("/").iter().filter(|name| !["proc", "sys", "dev", "run"].contains(&name.as_str())) {
        let top = format!("/{top}");
        if tree.link(&top).is_some() {
            continue;
        }
        let inner = tree.names(&top);
        if inner.is_empty() {
            sums.push((top.clone(), tree.size(&top).unwrap_or(0)));
        }
        for name in inner {
            let folder = format!("{top}/{name}");
            sums.push((folder.clone(), sum(tree, &folder, &mut left)));
        }
    }
    sums.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    sums.retain(|(_, size)| *size > 0);
    sums
}

/// Bytes in use below a path, as far as files may still be counted.
pub fn sum(tree: &Tree, path: &str, left: &mut usize) -> u64 {
    if *left == 0 || tree.link(path).is_some() {
        return 0;
    }
    *left -= 1;
    let own = tree.stat(path).map_or(0, |stat| u64::try_from(stat.st_blocks).unwrap_or(0) * 512);
    if !tree.is_folder(path) {
        return own;
    }
    tree.names(path).iter().fold(own, |all, name| all + sum(tree, &format!("{path}/{name}"), left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_is_full_depends_on_the_size() {
        let mib = 1 << 20;
        for (free, size, wanted) in [
            (0, 100 * mib, true),
            (3 * mib, 100 * mib, true),
            (30 * mib, 96 * mib, false),
            (50 * mib, 20_000 * mib, true),
            (900 * mib, 1_000_000 * mib, false),
            (3 * mib, 40 * mib, false),
        ] {
            assert_eq!(is_full(free, size), wanted, "{free} of {size}");
        }
    }

    #[test]
    fn the_largest_folders_are_named_first() {
        let folder = Folder::new();
        folder.put("var/log/big", vec![1; 300_000]).put("usr/bin/x", vec![1; 5000]);
        let sums = largest(&folder.system().tree);
        assert_eq!(sums[0].0, "/var/log");
        assert!(sums[0].1 >= 300_000);
    }
}
