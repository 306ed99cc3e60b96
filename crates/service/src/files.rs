//! Files that appear whole or not at all, and secrets that only their owner can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Writes a file so that a reader, or a crash at any moment, sees the old content or the new, never a part: temporary file beside
/// it, fsync, rename, fsync of the folder.
///
/// # Errors
/// As the file system reports them; the old file is then untouched.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Reads a secret from a file, without the white space around it.
///
/// # Errors
/// Also when others than its owner may read it (but for a file of root's that was lent to our group): a secret that leaked is worse than a process that does not start.
pub fn read_secret(path: &Path) -> io::Result<String> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let found = std::fs::metadata(path).map_err(named)?;
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 && !lent_by_root(&found) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{0} has mode {mode:03o}, so others can read it; run: chmod 600 {0}", path.display()),
        ));
    }
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(named)
}

fn lent_by_root(file: &std::fs::Metadata) -> bool {
    let mut groups: Vec<u32> = rustix::process::getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect();
    groups.push(rustix::process::getegid().as_raw());
    is_lent(rustix::process::geteuid().as_raw(), &groups, (file.uid(), file.gid(), file.mode()))
}

/// How Kubernetes gives a Secret to a process that is not root (`fsGroup`): the file is root's, a group of ours may read it, and nobody else
/// may do anything.
fn is_lent(us: u32, our_groups: &[u32], (owner, group, mode): (u32, u32, u32)) -> bool {
    us != 0 && owner == 0 && group != 0 && our_groups.contains(&group) && mode & 0o037 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desc");
        write_atomic(&path, b"one", 0o600).unwrap();
        write_atomic(&path, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_root_lends_to_our_group_is_taken() {
        let ours = [10001, 20];
        assert!(is_lent(10001, &ours, (0, 10001, 0o100_440)) && is_lent(10001, &ours, (0, 20, 0o100_640)));
        for (us, file) in [
            (0, (0, 10001, 0o440)),
            (10001, (10001, 10001, 0o440)),
            (10001, (0, 0, 0o440)),
            (10001, (0, 30, 0o440)),
            (10001, (0, 10001, 0o444)),
            (10001, (0, 10001, 0o460)),
            (10001, (0, 10001, 0o441)),
        ] {
            assert!(!is_lent(us, &ours, file), "{us} {file:?}");
        }
    }

    #[test]
    fn a_secret_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_atomic(&path, b"s3cret\n", 0o600).unwrap();
        assert_eq!(read_secret(&path).unwrap(), "s3cret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_secret(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
