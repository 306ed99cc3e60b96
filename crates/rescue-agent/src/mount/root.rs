//! Which device holds the system: each candidate is looked at, mounted read-only and without playing back its journal.

use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

use crate::mount::options::{self, Access};
use crate::mount::{Device, Problem};

const LOOK: &str = "/run/lifeboat/look";
/// Where distributions put their root on btrfs.
const SUBVOLUMES: [&str; 4] = ["@", "@rootfs", "root", "@root"];
/// Kinds that a system is installed on.
const KINDS: [&str; 6] = ["ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs"];

/// A root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub device: Device,
    pub subvolume: Option<String>,
}

impl Root {
    pub fn options(&self) -> String {
        self.subvolume.as_ref().map_or_else(String::new, |name| format!("subvol={name}"))
    }
}

/// The root.
///
/// # Errors
/// There is none, or several and `wanted` names none of them; the text lists them.
pub fn find(devices: &[Device], wanted: Option<&str>) -> Result<Root, Problem> {
    let real = |path: &str| std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let asked: Vec<&Device> = match wanted {
        None => devices.iter().filter(|device| KINDS.contains(&device.kind.as_str())).collect(),
        Some(path) => devices.iter().filter(|device| real(&device.path) == real(path)).collect(),
    };
    let mut refused = Vec::new();
    let mut found = Vec::new();
    for device in asked {
        match look(device) {
            Ok(Some(root)) => found.push(root),
            // Whoever names it knows what it is.
            Ok(None) if wanted.is_some() => found.push(Root { device: device.clone(), subvolume: None }),
            Ok(None) => {}
            Err(problem) => refused.push(problem.to_string()),
        }
    }
    pick(found, wanted, &refused)
}

fn pick(mut found: Vec<Root>, wanted: Option<&str>, refused: &[String]) -> Result<Root, Problem> {
    let refused = refused.iter().fold(String::new(), |text, problem| text + "\n  " + problem);
    match (found.len(), wanted) {
        (1, _) => Ok(found.remove(0)),
        (0, Some(path)) => Err(Problem::new(format!("{path} holds no file system that can be mounted{refused}"))),
        (0, None) => Err(Problem::new(format!(
            "no device holds a system; blkid lists what there is, and --root DEVICE mounts one all the same{refused}"
        ))),
        _ => {
            let list: Vec<String> =
                found.iter().map(|root| format!("  {} ({})", root.device.path, root.device.kind)).collect();
            Err(Problem::new(format!("several devices hold a system; say which: --root DEVICE\n{}", list.join("\n"))))
        }
    }
}

fn look(device: &Device) -> Result<Option<Root>, Problem> {
    let place = Path::new(LOOK);
    std::fs::create_dir_all(place).map_err(|error| Problem::new(format!("{LOOK} can't be made: {error}")))?;
    options::mount(device, "", place, Access::Read)?;
    let subvolumes = if device.kind == "btrfs" { &SUBVOLUMES[..] } else { &[] };
    let subvolume = subvolumes.iter().find(|name| is_root(&place.join(name))).map(|name| (*name).to_owned());
    let found = is_root(place) || subvolume.is_some();
    unmount(place, UnmountFlags::empty())
        .map_err(|error| Problem::new(format!("{LOOK} can't be unmounted: {error}")))?;
    Ok(found.then(|| Root { device: device.clone(), subvolume }))
}

/// Links are not followed: they lead into the rescue system. A system whose init or fstab is gone is still one.
fn is_root(folder: &Path) -> bool {
    let there = |path: &str| std::fs::symlink_metadata(folder.join(path)).is_ok();
    let marks = ["etc/passwd", "etc/fstab", "etc/os-release", "sbin", "usr", "var"];
    there("etc") && marks.iter().filter(|path| there(path)).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(path: &str) -> Root {
        Root { device: Device { path: path.into(), kind: "ext4".into(), ..Device::default() }, subvolume: None }
    }

    #[test]
    fn several_roots_are_not_guessed_at() {
        assert_eq!(pick(vec![root("/dev/vda1")], None, &[]).unwrap(), root("/dev/vda1"));
        let two = pick(vec![root("/dev/vda1"), root("/dev/vdb1")], None, &[]).unwrap_err().to_string();
        assert!(two.contains("--root DEVICE") && two.contains("/dev/vda1") && two.contains("/dev/vdb1"), "{two}");
        let none = pick(vec![], None, &["/dev/vda1 (ext4) can't be mounted".into()]).unwrap_err().to_string();
        assert!(none.contains("no device holds a system") && none.contains("/dev/vda1"), "{none}");
    }

    #[test]
    fn a_broken_system_is_known_by_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["etc", "usr", "var", "home"] {
            std::fs::create_dir(folder.path().join(path)).unwrap();
        }
        assert!(!is_root(folder.path()));
        std::fs::write(folder.path().join("etc/passwd"), "").unwrap();
        assert!(is_root(folder.path()));
        assert!(!is_root(&folder.path().join("home")));
    }
}
