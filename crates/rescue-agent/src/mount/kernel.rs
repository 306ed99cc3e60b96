//! Places inside the mounted system, and the kernel's file systems there, so that its own tools work in a chroot: dev, proc, sys, run, and
//! the names that its network knows.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::mount::{MountFlags, mount, mount_bind};

use crate::mount::Problem;
use crate::mount::notes::{Note, Notes};

const RESOLV: &str = "/etc/resolv.conf";

/// Where `place` is, as the mounted system itself would find it: its links are followed inside it, never out of it (openat2(2),
/// RESOLVE_IN_ROOT).
///
/// # Errors
/// There is no such place.
pub fn inside(root: &Path, place: &str) -> Result<PathBuf, Problem> {
    let wrong = |error: rustix::io::Errno| Problem::new(format!("there is no {place} in it: {error}"));
    let root = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(wrong)?;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(&root, place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how).map_err(wrong)?;
    std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
        .map_err(|error| Problem::new(format!("{place}: {error}")))
}

/// Adds them all. Run gets a file system of its own: what the guest's tools leave there must not meet what runs here.
///
/// # Errors
/// The first that can't be mounted, or noted.
pub fn add(root: &Path, notes: &mut Notes) -> Result<(), Problem> {
    let virtual_ones = [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")];
    for (kind, name) in virtual_ones {
        let place = inside(root, name)?;
        let options = if kind == "tmpfs" { c"mode=0755" } else { c"" };
        mount(kind, &place, kind, MountFlags::NOSUID | MountFlags::NODEV, options)
            .map_err(|error| failed(&place, error))?;
        notes.add(Note::Mount(place))?;
    }
    for name in ["/dev", "/dev/pts"] {
        let place = inside(root, name)?;
        mount_bind(name, &place).map_err(|error| failed(&place, error))?;
        notes.add(Note::Mount(place))?;
    }
    let variables = "/sys/firmware/efi/efivars";
    if Path::new(variables).is_dir() {
        let place = inside(root, variables)?;
        if mount("efivarfs", &place, "efivarfs", MountFlags::empty(), c"").is_ok() {
            notes.add(Note::Mount(place))?;
        }
    }
    if let Err(problem) = names(root, notes) {
        eprintln!("left out: {RESOLV}: {problem}");
    }
    Ok(())
}

/// The resolver's file lies over the guest's, which stays as it is. Where that is a link into /run, as systemd has it, its target is made
/// there.
fn names(root: &Path, notes: &mut Notes) -> Result<(), Problem> {
    if !Path::new(RESOLV).exists() {
        return Ok(());
    }
    if let Ok(target) = std::fs::read_link(root.join(&RESOLV[1..])) {
        let target = target.to_string_lossy().into_owned();
        let Some(below) = target.trim_start_matches("../").trim_start_matches('/').strip_prefix("run/") else {
            return Err(Problem::new(format!("it is a link to {target}")));
        };
        let plain = below.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !plain {
            return Err(Problem::new(format!("it is a link to {target}")));
        }
        let file = inside(root, "/run")?.join(below);
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::copy(RESOLV, &file));
        return made.map(drop).map_err(|error| Problem::new(error.to_string()));
    }
    let place = inside(root, RESOLV)?;
    mount_bind(RESOLV, &place).map_err(|error| failed(&place, error))?;
    notes.add(Note::Mount(place))
}

fn failed(place: &Path, error: rustix::io::Errno) -> Problem {
    Problem::new(format!("{} can't be mounted: {error}; rescue-mount --undo takes back what was", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_guest_lead_nowhere_but_into_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        std::fs::create_dir_all(root.join("srv/var")).unwrap();
        std::os::unix::fs::symlink("/srv/var", root.join("var")).unwrap();
        std::os::unix::fs::symlink("../../../../srv", root.join("up")).unwrap();
        assert_eq!(inside(&root, "/var").unwrap(), root.join("srv/var"));
        assert_eq!(inside(&root, "/up/var").unwrap(), root.join("srv/var"));
        assert_eq!(inside(&root, "/../../srv").unwrap(), root.join("srv"));
        assert!(inside(&root, "/etc").is_err());
    }
}
