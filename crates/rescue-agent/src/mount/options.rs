//! How each kind of file system is mounted here, and the mounting.
//!
//! Copies of a file system have its UUID: xfs refuses the second one without `nouuid`. Even read-only, ext4, xfs and btrfs play back their
//! journal, that is they write, unless they are told not to.

use std::ffi::CString;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, mount as kernel_mount};

use crate::mount::{Device, Problem};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// What `mount` is told for this kind, flags aside (ext4(5), xfs(5), btrfs(5)); `None`: it can't be mounted.
pub fn options(kind: &str, access: Access) -> Option<&'static str> {
    Some(match (kind, access) {
        ("ext2" | "vfat" | "exfat" | "f2fs" | "iso9660", _) => "",
        ("ext3" | "ext4", Access::Read) => "noload",
        ("xfs", Access::Read) => "norecovery,nouuid",
        ("xfs", Access::Write) => "nouuid",
        ("btrfs", Access::Read) => "rescue=nologreplay",
        ("ext3" | "ext4" | "btrfs" | "ntfs", _) => "",
        _ => return None,
    })
}

/// A device that can't be written is mounted for reading, whatever was asked.
pub fn possible(device: &str, access: Access) -> Access {
    let name = std::fs::canonicalize(device).ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let locked = name.is_some_and(|name| {
        std::fs::read_to_string(format!("/sys/class/block/{name}/ro")).is_ok_and(|text| text.trim() == "1")
    });
    if locked { Access::Read } else { access }
}

/// Mounts, and says how. `more`: options that belong to this mount, as `subvol=@`.
///
/// # Errors
/// The kernel's word, with what may help.
pub fn mount(device: &Device, more: &str, place: &Path, access: Access) -> Result<String, Problem> {
    let access = possible(&device.path, access);
    let kind = device.kind.as_str();
    let Some(options) = options(kind, access) else {
        return Err(Problem::new(format!("{} holds {kind}, which is not mounted here", device.path)));
    };
    let options: Vec<&str> = [options, more].into_iter().filter(|text| !text.is_empty()).collect();
    let options = options.join(",");
    let done = if kind == "ntfs" { ntfs(device, place, access) } else { by_kernel(device, &options, place, access) };
    let how = if access == Access::Read { "read-only" } else { "read-write" };
    match done {
        Ok(()) if options.is_empty() => Ok(format!("{} {kind}, {how}", device.path)),
        Ok(()) => Ok(format!("{} {kind}, {how}, {options}", device.path)),
        Err(problem) => {
            Err(Problem::new(format!("{} ({kind}) can't be mounted: {problem}{}", device.path, advice(kind))))
        }
    }
}

fn by_kernel(device: &Device, options: &str, place: &Path, access: Access) -> Result<(), String> {
    let flags = if access == Access::Read { MountFlags::RDONLY } else { MountFlags::empty() };
    let options = CString::new(options).map_err(|error| error.to_string())?;
    kernel_mount(device.path.as_str(), place, device.kind.as_str(), flags, options.as_c_str())
        .map_err(|error| error.to_string())
}

/// ntfs-3g(8): the kernel's own driver refuses what Windows left hibernated or dirty.
fn ntfs(device: &Device, place: &Path, access: Access) -> Result<(), String> {
    let how = if access == Access::Read { "ro" } else { "rw" };
    let status = Command::new("/bin/ntfs-3g")
        .args(["-o", how, device.path.as_str()])
        .arg(place)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("ntfs-3g can't be run, the image std has it: {error}"))?;
    if status.success() { Ok(()) } else { Err("ntfs-3g failed".into()) }
}

fn advice(kind: &str) -> &'static str {
    match kind {
        "ext2" | "ext3" | "ext4" => "; e2fsck -f repairs it, --ro may still read it",
        "xfs" => "; xfs_repair repairs it, --ro may still read it",
        "btrfs" => "; btrfs check looks into it, --ro may still read it",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_never_plays_a_journal_back() {
        for (kind, read, write) in [
            ("ext4", "noload", ""),
            ("ext3", "noload", ""),
            ("xfs", "norecovery,nouuid", "nouuid"),
            ("btrfs", "rescue=nologreplay", ""),
            ("vfat", "", ""),
        ] {
            assert_eq!(
                (options(kind, Access::Read), options(kind, Access::Write)),
                (Some(read), Some(write)),
                "{kind}"
            );
        }
        for not in ["swap", "LVM2_member", "crypto_LUKS", ""] {
            assert_eq!(options(not, Access::Read), None, "{not}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_changes_nothing() {
        assert_eq!(possible("/dev/no-such-device", Access::Write), Access::Write);
    }
}
