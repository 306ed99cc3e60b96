//! Mounts the machine's file systems in the rescue system, and takes every one away again.
//!
//! Read-only means that nothing is written, not even a journal replayed: such a file system shows what was there before its journal.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

/// Whether a file system may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// What is mounted; unmounted in reverse when this goes.
#[derive(Debug)]
pub struct Mounts {
    base: PathBuf,
    made: Vec<PathBuf>,
    count: usize,
}

/// File systems that are looked into, if the kernel has them.
const KNOWN: [&str; 7] = ["ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs", "vfat"];

#[must_use]
pub fn is_known(filesystem: &str) -> bool {
    KNOWN.contains(&filesystem)
}

/// What the kernel is told, beside read-only, so that it really is.
fn options(filesystem: &str, access: Access) -> &'static str {
    match (filesystem, access) {
        ("ext4" | "ext3", Access::Read) => "noload",
        // A copy of a file system has the same UUID as the original, which xfs refuses.
        ("xfs", Access::Read) => "norecovery,nouuid",
        ("xfs", Access::Write) => "nouuid",
        ("f2fs", Access::Read) => "norecovery",
        ("btrfs", Access::Read) => "rescue=nologreplay",
        _ => "",
    }
}

impl Mounts {
    /// Mount points are made below `base`.
    #[must_use]
    pub fn below(base: &Path) -> Self {
        Self { base: base.to_owned(), made: Vec::new(), count: 0 }
    }

    /// Mounts a device at a place of its own. Where it is mounted already, that mount is shown there.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn device(&mut self, device: &str, filesystem: &str, access: Access, more: &str) -> io::Result<PathBuf> {
        self.count += 1;
        let target = self.base.join(self.count.to_string());
        std::fs::create_dir_all(&target)?;
        self.at(device, filesystem, access, more, &target)?;
        Ok(target)
    }

    /// The same onto a folder that is held open, so that no link leads elsewhere. `name` is that folder's path.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn onto(
        &mut self,
        device: &str,
        filesystem: &str,
        access: Access,
        folder: &OwnedFd,
        name: &Path,
    ) -> io::Result<()> {
        let target = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        let real = std::fs::read_link(&target).unwrap_or_else(|_| name.to_owned());
        self.at(device, filesystem, access, "", &target)?;
        // The handle lies beneath the mount now: what is on top has the name.
        if let Some(made) = self.made.last_mut() {
            *made = real;
        }
        Ok(())
    }

    fn at(&mut self, device: &str, filesystem: &str, access: Access, more: &str, target: &Path) -> io::Result<()> {
        if let Some(there) = mounted_at(device) {
            mount_bind(&there, target)?;
        } else {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            let flags = if access == Access::Read { flags | MountFlags::RDONLY } else { flags };
            let data = [options(filesystem, access), more]
                .iter()
                .filter(|o| !o.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(",");
            let data = CString::new(data)?;
            mount(device, target, filesystem, flags, Some(data.as_c_str()))?;
        }
        self.made.push(target.to_owned());
        Ok(())
    }

    /// Shows the kernel's own file systems inside the tree, as programs of its system expect.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn kernels_own(&mut self, root: &Path) -> io::Result<()> {
        for name in ["dev", "proc", "sys", "run"] {
            let target = root.join(name);
            // A link would lead out of the tree.
            if !std::fs::symlink_metadata(&target).is_ok_and(|meta| meta.is_dir()) {
                continue;
            }
            if name == "run" {
                mount("run", &target, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"mode=0755"))?;
            } else {
                mount_bind(Path::new("/").join(name), &target)?;
            }
            self.made.push(target);
        }
        Ok(())
    }

    /// Unmounts what was mounted last.
    ///
    /// # Errors
    /// The kernel's reason; it stays mounted then.
    pub fn undo_last(&mut self) -> io::Result<()> {
        if let Some(target) = self.made.pop() {
            take_away(&target)?;
            if self.is_ours(&target) {
                let _ = std::fs::remove_dir(&target);
            }
        }
        Ok(())
    }

    /// Whether the mount point was made by us. Those within the machine's own tree are its own, and it does not boot without them.
    fn is_ours(&self, target: &Path) -> bool {
        target.parent() == Some(&self.base)
    }

    /// How many are mounted: a place to go [back](Self::back_to) to.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.made.len()
    }

    /// Unmounts until only so many are left.
    pub fn back_to(&mut self, depth: usize) {
        while self.made.len() > depth {
            let _ = self.undo_last();
        }
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        self.back_to(0);
    }
}

/// Something may still look at it, a program that was cut off: then it goes when that one does.
fn take_away(target: &Path) -> io::Result<()> {
    let kept = unmount(target, UnmountFlags::NOFOLLOW);
    Ok(kept.or_else(|_| unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW))?)
}

/// Where a device is mounted, from /proc/self/mountinfo (proc(5)).
#[must_use]
pub fn mounted_at(device: &str) -> Option<PathBuf> {
    let info = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    point_of(&info, device)
}

fn point_of(mountinfo: &str, device: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        let source = right.split(' ').nth(1)?;
        (source == device && root == "/").then(|| PathBuf::from(point.replace("\\040", " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_file_systems_mount_is_found() {
        let info =
            "30 1 254:1 /sub /bind rw - ext4 /dev/vda1 rw\n31 1 254:1 / /a\\040b rw shared:1 - ext4 /dev/vda1 rw\n";
        assert_eq!(point_of(info, "/dev/vda1"), Some("/a b".into()));
        assert_eq!(point_of(info, "/dev/vda"), None);
    }

    #[test]
    fn the_machines_own_mount_points_stay() {
        let mounts = Mounts::below(Path::new("/run/lifeboat/patient"));
        assert!(mounts.is_ours(Path::new("/run/lifeboat/patient/1")));
        for own in ["/run/lifeboat/patient/1/proc", "/run/lifeboat/patient/1/boot/efi", "/run/lifeboat/patient"] {
            assert!(!mounts.is_ours(Path::new(own)), "{own}");
        }
    }

    #[test]
    fn reading_never_replays_a_journal() {
        assert_eq!(options("ext4", Access::Read), "noload");
        assert_eq!(options("xfs", Access::Read), "norecovery,nouuid");
        assert_eq!(options("f2fs", Access::Read), "norecovery");
        assert_eq!(options("ext4", Access::Write), "");
        assert!(is_known("vfat") && !is_known("LVM2_member"));
    }
}
