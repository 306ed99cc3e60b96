//! Files under their digests: `<root>/sha256/ab/<digest>`, mode 0444, and `<digest>.part` for one that is on its way.
//!
//! A file under its digest is whole: it got its name by a rename after its content was checked and on disk. What happens to it
//! afterwards (a bad sector, a careless hand) is found by [`Store::verified`].

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::partial::Partial;

#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0} is not in the store")]
    Missing(Digest),
    /// The damaged file was removed.
    #[error("the stored file {digest} is damaged: its content has digest {found} and {size} bytes")]
    Damaged { digest: Digest, found: Digest, size: u64 },
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Store {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let folder = root.join("sha256");
        std::fs::create_dir_all(&folder).map_err(|source| StoreError::Io { path: folder.clone(), source })?;
        // QEMU is given these paths, and it may run in another folder.
        let root = std::fs::canonicalize(root).map_err(|source| StoreError::Io { path: folder, source })?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file is, or would be. Absolute.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("sha256").join(&name[..2]).join(name)
    }

    /// Where the beginning of a file is kept while the rest is on its way.
    #[must_use]
    pub fn part_path(&self, digest: Digest) -> PathBuf {
        self.path(digest).with_extension("part")
    }

    /// Whether the file is there. Does not read it.
    #[must_use]
    pub fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens the file without reading it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Io`].
    pub fn file(&self, digest: Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing(digest)),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// Reads the whole file and gives its path and size if it is what its name says; removes it if not. Blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn verified(&self, digest: Digest) -> Result<(PathBuf, u64), StoreError> {
        let path = self.path(digest);
        let wrong = |source| StoreError::Io { path: path.clone(), source };
        let (found, size) = Digest::read(self.file(digest)?).map_err(wrong)?;
        if found != digest {
            tracing::error!(%digest, %found, size, path = %path.display(), "a stored boot file is damaged and is removed");
            metrics::counter!("artifact_damaged_total").increment(1);
            std::fs::remove_file(&path).map_err(wrong)?;
            return Err(StoreError::Damaged { digest, found, size });
        }
        Ok((path, size))
    }

    /// Notes that the file is used now, which decides whether it stays: see [`crate::evict`]. Of a store that is only read, nothing leaves.
    pub(crate) fn used(&self, digest: Digest) {
        let noted = File::open(self.path(digest)).and_then(|file| file.set_modified(std::time::SystemTime::now()));
        if let Err(error) = noted {
            tracing::debug!(%digest, %error, "the use of a stored file can't be noted");
        }
    }

    /// Stores some bytes. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn put(&self, content: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(content);
        let path = self.path(digest);
        let folder = parent(&path);
        let put = || {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix(".put").tempfile_in(folder)?;
            file.write_all(content)?;
            seal(file.as_file())?;
            file.persist(&path)?;
            File::open(folder)?.sync_all()
        };
        put().map_err(|source| StoreError::Io { path: path.clone(), source })?;
        Ok(digest)
    }

    /// Begins or goes on with a file that is on its way. Waits while another process is at it. Blocks.
    pub(crate) fn partial(&self, digest: Digest) -> io::Result<Partial> {
        let path = self.part_path(digest);
        std::fs::create_dir_all(parent(&path))?;
        Partial::open(path, self.path(digest), digest)
    }
}

/// Makes a file's content durable and its mode that of a stored file.
pub(crate) fn seal(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o444))?;
    file.sync_all()
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().expect("a path below the store's root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = store.put(b"kernel").unwrap();
        let (path, size) = store.verified(digest).unwrap();
        assert_eq!((path.clone(), size), (store.path(digest), 6));
        assert!(path.is_absolute() && path.ends_with(format!("sha256/{}/{digest}", &digest.to_string()[..2])));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"kernal").unwrap();
        assert!(matches!(store.verified(digest), Err(StoreError::Damaged { size: 6, .. })));
        assert!(!store.has(digest));
        assert!(matches!(store.verified(digest), Err(StoreError::Missing(_))));
        assert!(matches!(store.file(digest), Err(StoreError::Missing(_))));
        store.put(b"kernel").unwrap();
        store.put(b"kernel").unwrap();
        assert!(store.verified(digest).is_ok());
    }
}
