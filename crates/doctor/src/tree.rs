//! Files of the machine's own system, below the folder where it is mounted.
//!
//! Every path is resolved as the machine itself would: a link to `/etc/x` leads to its own `/etc/x`, and `..` never leads out
//! (openat2(2), RESOLVE_IN_ROOT). So no link on its disk makes the rescue system's files be read or written.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, RawMode, ResolveFlags, Stat, StatVfs, Uid, fchmod, fchown, fgetxattr,
    fstat, fstatvfs, fsync, openat2, readlinkat, renameat, statat, symlinkat, unlinkat,
};

/// The most that is read of one text file.
const MAX_TEXT: u64 = 4 * 1024 * 1024;
const MAX_WHOLE: u64 = 64 * 1024 * 1024;

/// A tree of files, as its own system sees it.
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
    path: PathBuf,
}

impl Tree {
    /// The folder where it is mounted.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Where it is mounted in the rescue system.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same tree through another handle.
    ///
    /// # Errors
    /// When it is gone.
    pub fn again(&self) -> io::Result<Self> {
        Self::open(&self.path)
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let flags = flags | OFlags::CLOEXEC;
        Ok(openat2(&self.fd, relative, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?)
    }

    /// A handle of a folder.
    ///
    /// # Errors
    /// When it is not there, or no folder.
    pub fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Opens a regular file for reading. A device or a pipe is not opened: reading it might never end.
    ///
    /// # Errors
    /// When it is not there, or no regular file.
    pub fn open_file(&self, path: &str) -> io::Result<File> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is no regular file")));
        }
        Ok(File::from(fd))
    }

    /// The bytes of a file, at most some megabytes.
    ///
    /// # Errors
    /// When it is not there or can't be read.
    pub fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(path)?.take(MAX_TEXT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// All bytes of a file that is to be copied.
    ///
    /// # Errors
    /// When it is not there, can't be read, or is too large for that.
    pub fn whole(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(path)?.take(MAX_WHOLE + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_WHOLE) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{path} is larger than any loader")));
        }
        Ok(bytes)
    }

    /// A text file; bytes that are no UTF-8 are replaced. None where it can't be read.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path).ok()?).into_owned())
    }

    /// Whether something is there, links followed.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.resolve(path, OFlags::PATH).is_ok()
    }

    #[must_use]
    pub fn is_folder(&self, path: &str) -> bool {
        self.stat(path).is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// What is behind the path, links followed.
    #[must_use]
    pub fn stat(&self, path: &str) -> Option<Stat> {
        fstat(self.resolve(path, OFlags::PATH).ok()?).ok()
    }

    /// A regular file's size.
    #[must_use]
    pub fn size(&self, path: &str) -> Option<u64> {
        let stat = self.stat(path)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        regular.then(|| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Where the link at `path` points to; None if it is no link.
    #[must_use]
    pub fn link(&self, path: &str) -> Option<String> {
        let (folder, name) = self.parent(path).ok()?;
        let target = readlinkat(&folder, name, Vec::new()).ok()?;
        Some(String::from_utf8_lossy(target.as_bytes()).into_owned())
    }

    /// Whether a name is there, be it a link that leads nowhere.
    #[must_use]
    pub fn has_name(&self, path: &str) -> bool {
        self.parent(path).is_ok_and(|(folder, name)| statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
    }

    /// The names in a folder, sorted; empty where there is none.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(fd) = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY) else { return Vec::new() };
        let Ok(folder) = Dir::read_from(&fd) else { return Vec::new() };
        let mut names: Vec<String> = folder
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().ok().map(String::from))
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort();
        names
    }

    /// Blocks and inodes of the file system that holds the path.
    #[must_use]
    pub fn space(&self, path: &str) -> Option<StatVfs> {
        fstatvfs(self.resolve(path, OFlags::PATH | OFlags::DIRECTORY).ok()?).ok()
    }

    /// Whether the file has an extended attribute of that name.
    ///
    /// # Errors
    /// When attributes can't be read here at all.
    pub fn has_attribute(&self, path: &str, name: &str) -> io::Result<bool> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        match fgetxattr(&fd, name, &mut [0u8; 256][..]) {
            Ok(_) | Err(rustix::io::Errno::RANGE) => Ok(true),
            Err(rustix::io::Errno::NODATA) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The folder that holds the last name of the path, and that name. Links on the way are followed, the last name is not.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a OsStr)> {
        let path = Path::new(path);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = path.parent().and_then(Path::to_str).unwrap_or("/");
        Ok((self.resolve(folder, OFlags::PATH | OFlags::DIRECTORY)?, name))
    }

    /// The same name with every link on the way, and the last one, resolved, as long as they lead to something.
    fn final_name(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for _ in 0..16 {
            let Some(target) = self.link(&path) else { break };
            path = if target.starts_with('/') {
                target
            } else {
                let folder = Path::new(&path).parent().and_then(Path::to_str).unwrap_or("/");
                format!("{}/{target}", folder.trim_end_matches('/'))
            };
        }
        path
    }

    /// Puts a file in place, in one step: as a new file that takes the name, with owner, mode and security label of the one before,
    /// or root's with `mode`.
    ///
    /// # Errors
    /// When it can't be written; the old one is then as it was.
    pub fn write(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let path = self.final_name(path);
        let (folder, name) = self.parent(&path)?;
        let folder = openable(&folder)?;
        let new = [b".", name.as_bytes(), b".lifeboat-new"].concat();
        let new = OsStr::from_bytes(&new);
        let _ = unlinkat(&folder, new, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&folder, new, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(fd);
        let result = (|| -> io::Result<()> {
            file.write_all(content)?;
            match self.resolve(&path, OFlags::RDONLY | OFlags::NONBLOCK) {
                Ok(old) => {
                    let stat = fstat(&old)?;
                    fchown(&file, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
                    fchmod(&file, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
                    copy_label(&old, &file);
                }
                Err(_) => fchmod(&file, Mode::from_raw_mode(RawMode::from(mode)))?,
            }
            fsync(&file)?;
            renameat(&folder, new, &folder, name)?;
            fsync(&folder)?;
            Ok(())
        })();
        if result.is_err() {
            let _ = unlinkat(&folder, new, AtFlags::empty());
        }
        result
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// When it is not there, or is a folder.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(unlinkat(&folder, name, AtFlags::empty())?)
    }

    /// Makes a link. What has the name must have been removed before.
    ///
    /// # Errors
    /// When the name is taken, or its folder is not there.
    pub fn make_link(&self, target: &str, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(symlinkat(target, &folder, name)?)
    }

    /// Makes a folder if it is not there; its parent must be.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(RawMode::from(mode))) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the permissions of a file.
    ///
    /// # Errors
    /// When it is not there.
    pub fn set_mode(&self, path: &str, mode: u32) -> io::Result<()> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        Ok(fchmod(&fd, Mode::from_raw_mode(RawMode::from(mode)))?)
    }
}

/// A handle that files can be made and synced through; one of O_PATH can't.
fn openable(folder: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// SELinux: a file without its label may be out of its own service's reach.
fn copy_label(old: &OwnedFd, new: &File) {
    let mut label = [0u8; 512];
    if let Ok(length) = fgetxattr(old, "security.selinux", &mut label[..]) {
        let _ = rustix::fs::fsetxattr(new, "security.selinux", &label[..length], rustix::fs::XattrFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(outer.path().join("secret"), "rescue").unwrap();
        std::fs::write(root.join("etc/real"), "own").unwrap();
        let tree = Tree::open(&root).unwrap();
        (outer, tree)
    }

    #[test]
    fn links_lead_where_the_machine_itself_would_go() {
        let (outer, tree) = tree();
        let root = outer.path().join("root");
        symlink("/etc/real", root.join("etc/absolute")).unwrap();
        symlink("../../../../etc/real", root.join("etc/up")).unwrap();
        symlink(outer.path().join("secret"), root.join("etc/out")).unwrap();
        symlink("../../secret", root.join("etc/out-too")).unwrap();
        assert_eq!(tree.text("/etc/absolute").as_deref(), Some("own"));
        assert_eq!(tree.text("/etc/up").as_deref(), Some("own"));
        assert_eq!(tree.text("/etc/out"), None);
        assert_eq!(tree.text("/etc/out-too"), None);
        assert_eq!(tree.link("/etc/absolute").as_deref(), Some("/etc/real"));
        assert!(tree.has_name("/etc/out") && !tree.exists("/etc/out"));
    }

    #[test]
    fn writing_keeps_mode_follows_links_inside_and_leaves_nothing_behind() {
        let (outer, tree) = tree();
        let root = outer.path().join("root");
        std::fs::set_permissions(root.join("etc/real"), std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/etc/real", root.join("etc/link")).unwrap();
        tree.write("/etc/link", b"new", 0o644).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("etc/real")).unwrap(), "new");
        assert_eq!(std::fs::metadata(root.join("etc/real")).unwrap().permissions().mode() & 0o777, 0o640);
        tree.write("/etc/made", b"x", 0o644).unwrap();
        assert_eq!(tree.names("/etc"), ["link", "made", "real"]);
        symlink("../../secret", root.join("etc/out")).unwrap();
        let _ = tree.write("/etc/out", b"evil", 0o644);
        assert_eq!(std::fs::read_to_string(outer.path().join("secret")).unwrap(), "rescue");
    }

    #[test]
    fn a_pipe_is_not_read() {
        let (outer, tree) = tree();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            outer.path().join("root/etc/pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(tree.bytes("/etc/pipe").is_err());
        assert!(tree.bytes("/etc").is_err());
    }
}
