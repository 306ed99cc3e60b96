//! Opens files beneath one folder, whatever their names say.
//!
//! A name comes from the network. It is taken apart first (pure: [`components`]), so that `..`, hidden files and over-long names never reach
//! the kernel; then the kernel itself is told to stay beneath the folder and to follow no link (openat2(2), `RESOLVE_BENEATH`,
//! `RESOLVE_NO_SYMLINKS`, `RESOLVE_NO_MAGICLINKS`). Where that call is missing, or forbidden by a sandbox, each component is opened by
//! itself with `O_NOFOLLOW`. What is found must be a regular file, and is looked at before it is opened for reading: opening a
//! device can have effects, and opening a FIFO can block.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// Bytes of a whole name.
const MAX_NAME: usize = 1024;
/// Bytes of one component; the limit of Linux's file systems.
const MAX_COMPONENT: usize = 255;
/// Names that are remembered as those of regular files.
const MAX_SEEN: usize = 1024;

#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
    way: Way,
    /// Names that led to regular files: the look before the opening is spared the next time. Should there be something else by then, it is
    /// opened as what changes between look and opening would be: without blocking, and refused.
    seen: Mutex<HashSet<Vec<u8>>>,
}

/// How the kernel is kept beneath the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// openat2(2), Linux 5.6 and newer.
    Openat2,
    /// A component at a time.
    Walk,
}

/// A regular file beneath the root.
#[derive(Debug)]
pub struct Opened {
    pub file: File,
    pub mark: Mark,
}

/// What tells a file's content from another without reading it: a file that was replaced has another inode, one that was
/// written to has another change time, which no program can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub size: u64,
    /// Seconds since 1970.
    pub modified: i64,
    device: u64,
    inode: u64,
    changed: (i64, u64),
}

impl Mark {
    /// An entity tag for content whose digest is not known, with quotes.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{:x}-{:x}-{:x}.{:x}\"", self.inode, self.size, self.changed.0, self.changed.1)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("no such file")]
    NotFound,
    /// The name would leave the root, or it leads to something that is not a regular file.
    #[error("access denied: {0}")]
    Denied(&'static str),
    #[error("the file can't be read")]
    Io(#[from] io::Error),
}

/// Takes a name apart. Slashes at the beginning do no harm, since everything is beneath the root; a name that would leave it, or could
/// mean something else than it seems to, is refused.
///
/// # Errors
/// [`RootError::Denied`], [`RootError::NotFound`].
pub fn components(name: &[u8]) -> Result<Vec<&[u8]>, RootError> {
    if name.contains(&0) {
        return Err(RootError::Denied("the name holds a zero byte"));
    }
    if name.len() > MAX_NAME {
        return Err(RootError::Denied("the name is too long"));
    }
    let parts: Vec<&[u8]> = name.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    for part in &parts {
        if *part == b".." {
            return Err(RootError::Denied("the name holds '..'"));
        }
        if part.len() > MAX_COMPONENT {
            return Err(RootError::Denied("the name is too long"));
        }
        // Temporary files and the like are nobody's boot files.
        if part.starts_with(b".") {
            return Err(RootError::NotFound);
        }
    }
    if parts.is_empty() || name.ends_with(b"/") || name.ends_with(b"/.") {
        return Err(RootError::NotFound); // a folder, and folders are not listed
    }
    Ok(parts)
}

impl Root {
    /// # Errors
    /// The folder can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut root = Self { folder: folder(path)?, path: path.to_owned(), way: Way::Openat2, seen: Mutex::default() };
        let probe = openat2(&root.folder, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), Self::RESOLVE);
        if let Err(error) = probe {
            tracing::info!(%error, "openat2 does not work here: file names are followed a component at a time");
            root.way = Way::Walk;
        }
        Ok(root)
    }

    /// With a given way, for tests.
    ///
    /// # Errors
    /// The folder can't be opened.
    pub fn with_way(path: &Path, way: Way) -> io::Result<Self> {
        Ok(Self { folder: folder(path)?, path: path.to_owned(), way, seen: Mutex::default() })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    const RESOLVE: ResolveFlags =
        ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

    /// Opens a regular file. Blocks.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn file(&self, name: &[u8]) -> Result<Opened, RootError> {
        let parts = components(name)?;
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen().contains(name);
        if !known {
            let looked = self.at(&parts, OFlags::PATH)?;
            regular(&fstat(&looked).map_err(io::Error::from)?)?;
        }
        // NONBLOCK, should the file have become a FIFO since; it means nothing for a regular file.
        let fd = self.at(&parts, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = fstat(&fd).map_err(io::Error::from)?;
        if let Err(error) = regular(&stat) {
            seen().remove(name);
            return Err(error);
        }
        if !known {
            let mut seen = seen();
            if seen.len() >= MAX_SEEN {
                seen.clear();
            }
            seen.insert(name.to_owned());
        }
        Ok(Opened { file: File::from(fd), mark: mark(&stat) })
    }

    /// The folders directly within a folder, sorted; hidden ones left out. Blocks.
    ///
    /// # Errors
    /// The folder can't be read; one that is not there is empty.
    pub fn folders(&self, name: &[u8]) -> io::Result<Vec<String>> {
        let parts = components(name).map_err(io::Error::other)?;
        let fd = match self.at(&parts, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(RootError::NotFound) => return Ok(Vec::new()),
            Err(RootError::Io(error)) => return Err(error),
            Err(error @ RootError::Denied(_)) => return Err(io::Error::other(error)),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let hidden = name.starts_with('.');
            // A type that the file system does not tell is found out when its manifest is opened.
            if !hidden && matches!(entry.file_type(), FileType::Directory | FileType::Unknown | FileType::Symlink) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn at(&self, parts: &[&[u8]], flags: OFlags) -> Result<OwnedFd, RootError> {
        let result = match self.way {
            Way::Openat2 => self.at_once(parts, flags),
            Way::Walk => self.walk(parts, flags),
        };
        result.map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => RootError::NotFound,
            Errno::LOOP => RootError::Denied("the name leads over a symbolic link"),
            Errno::XDEV => RootError::Denied("the name leaves the root"),
            Errno::NAMETOOLONG => RootError::Denied("the name is too long"),
            Errno::ACCESS | Errno::PERM => RootError::Denied("this process may not read it"),
            // A socket, or a device without a driver.
            Errno::NXIO | Errno::NODEV => RootError::Denied(NOT_REGULAR),
            other => RootError::Io(other.into()),
        })
    }

    fn at_once(&self, parts: &[&[u8]], flags: OFlags) -> Result<OwnedFd, Errno> {
        let name = parts.join(&b'/');
        loop {
            let fd =
                openat2(&self.folder, OsStr::from_bytes(&name), flags | OFlags::CLOEXEC, Mode::empty(), Self::RESOLVE);
            // The tree was changed during the look-up: openat2(2) says to try again.
            if !matches!(fd, Err(Errno::AGAIN)) {
                return fd;
            }
        }
    }

    fn walk(&self, parts: &[&[u8]], flags: OFlags) -> Result<OwnedFd, Errno> {
        let (last, folders) = parts.split_last().ok_or(Errno::NOENT)?;
        let mut at: Option<OwnedFd> = None;
        let step = |at: &Option<OwnedFd>, name: &[u8], flags: OFlags| {
            let from = at.as_ref().map_or(self.folder.as_fd(), AsFd::as_fd);
            let name = CString::new(name).map_err(|_| Errno::INVAL)?;
            openat(from, &name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        };
        for folder in folders {
            // With PATH alone a link would be opened itself; DIRECTORY refuses it, as it does any other file.
            at = Some(step(&at, folder, OFlags::PATH | OFlags::DIRECTORY)?);
        }
        // With PATH a link is opened itself, and is then seen not to be a regular file.
        step(&at, last, flags)
    }
}

const NOT_REGULAR: &str = "not a regular file";

fn folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

fn regular(stat: &Stat) -> Result<(), RootError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(RootError::NotFound),
        _ => Err(RootError::Denied(NOT_REGULAR)),
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "these types differ between architectures")]
fn mark(stat: &Stat) -> Mark {
    Mark {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: stat.st_mtime as i64,
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with good files and every kind of trap.
    fn trapped() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("deep/er")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::create_dir(folder.path().join("root2")).unwrap();
        std::fs::write(folder.path().join("root2/secret"), "secret").unwrap();
        for (name, content) in
            [("kernel", "kernel"), ("deep/er/file", "deep"), (".hidden", "hidden"), ("a\\b", "backslash")]
        {
            std::fs::write(root.join(name), content).unwrap();
        }
        for (name, to) in [
            ("link-out", "../secret"),
            ("link-absolute", "/etc/passwd"),
            ("link-inside", "kernel"),
            ("link-folder", ".."),
            ("link-deep", "deep"),
            ("link-loop", "link-loop"),
            ("link-proc", "/proc/self/root"),
        ] {
            symlink(to, root.join(name)).unwrap();
        }
        rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        (folder, root)
    }

    fn read(root: &Root, name: &[u8]) -> Result<String, RootError> {
        let mut text = String::new();
        root.file(name)?.file.read_to_string(&mut text)?;
        Ok(text)
    }

    fn both(path: &Path) -> [Root; 2] {
        let openat2 = Root::open(path).unwrap();
        assert_eq!(openat2.way, Way::Openat2, "this machine's kernel has openat2");
        [openat2, Root::with_way(path, Way::Walk).unwrap()]
    }

    #[test]
    fn files_beneath_are_opened() {
        let (_folder, path) = trapped();
        for root in both(&path) {
            for (name, want) in [
                (&b"kernel"[..], "kernel"),
                (b"/kernel", "kernel"),
                (b"//./kernel", "kernel"),
                (b"deep/er/file", "deep"),
                (b"deep//er/./file", "deep"),
                (b"a\\b", "backslash"),
            ] {
                assert_eq!(read(&root, name).unwrap(), want, "{:?} {}", root.way, name.escape_ascii());
            }
            assert_eq!(root.folders(b"deep").unwrap(), ["er"]);
            assert_eq!(root.folders(b"nowhere").unwrap(), [""; 0]);
        }
    }

    #[test]
    fn nothing_else_is_whatever_its_name() {
        let (_folder, path) = trapped();
        let long = vec![b'a'; 256];
        let longer = b"a/".repeat(600);
        let absolute = path.parent().unwrap().join("secret");
        for root in both(&path) {
            for name in [
                &b""[..],
                b"/",
                b".",
                b"..",
                b"../secret",
                b"/../secret",
                b"deep/../../secret",
                b"deep/../kernel",
                b"../root2/secret",
                b"....//secret",
                b"..\\secret",
                b"deep\\..\\..\\secret",
                b"%2e%2e/secret",
                b"kernel\0.txt",
                b"\0",
                b"kernel/",
                b"kernel/.",
                b"kernel/x",
                b"deep",
                b"deep/",
                b".hidden",
                b"link-out",
                b"link-absolute",
                b"link-inside",
                b"link-folder/secret",
                b"link-folder/root/kernel",
                b"link-deep/er/file",
                b"link-loop",
                b"link-proc/etc/passwd",
                b"fifo",
                b"socket",
                b"/etc/passwd",
                b"/dev/null",
                b"/proc/self/environ",
                b"\xff\xfe",
                b"~/secret",
                b"file:///etc/passwd",
                b"C:\\secret",
                &long,
                &longer,
                absolute.as_os_str().as_bytes(),
            ] {
                let result = read(&root, name);
                let refused = matches!(result, Err(RootError::NotFound | RootError::Denied(_)));
                assert!(refused, "{:?} {} gives {result:?}", root.way, name.escape_ascii());
            }
        }
    }

    #[test]
    fn a_file_that_became_something_else_is_refused() {
        let (_folder, path) = trapped();
        for root in both(&path) {
            std::fs::write(path.join("turns"), "file").unwrap();
            assert_eq!(read(&root, b"turns").unwrap(), "file");
            for way in [0, 1, 2] {
                std::fs::remove_file(path.join("turns")).unwrap();
                match way {
                    0 => rustix::fs::mknodat(CWD, path.join("turns"), FileType::Fifo, Mode::RUSR, 0).unwrap(),
                    1 => symlink("kernel", path.join("turns")).unwrap(),
                    _ => std::fs::create_dir(path.join("turns")).unwrap(),
                }
                for _ in 0..2 {
                    let refused = matches!(read(&root, b"turns"), Err(RootError::NotFound | RootError::Denied(_)));
                    assert!(refused, "{:?} {way}", root.way);
                }
            }
            std::fs::remove_dir(path.join("turns")).unwrap();
            assert!(matches!(read(&root, b"turns"), Err(RootError::NotFound)));
        }
    }

    #[test]
    fn devices_are_not_opened() {
        // Not made (that would need a privilege), but met: the root is /dev itself.
        for root in both(Path::new("/dev")) {
            for name in ["null", "zero", "urandom"] {
                assert!(matches!(root.file(name.as_bytes()), Err(RootError::Denied(NOT_REGULAR))), "{name}");
            }
        }
    }

    #[test]
    fn a_mark_tells_contents_apart() {
        let (_folder, path) = trapped();
        let [root, _] = both(&path);
        let before = root.file(b"kernel").unwrap().mark;
        assert_eq!(root.file(b"kernel").unwrap().mark, before);
        std::fs::write(path.join("new"), "kernal").unwrap();
        std::fs::rename(path.join("new"), path.join("kernel")).unwrap();
        let after = root.file(b"kernel").unwrap().mark;
        assert_ne!(after, before);
        assert_ne!(after.etag(), before.etag());
    }
}
