//! A file on its way: what has come so far, and the digest of that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::store::{parent, seal};

#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    digest: Digest,
    hasher: Sha256,
    length: u64,
}

impl Partial {
    /// Opens the part, alone: another process that downloads into the same store is waited for.
    pub(crate) fn open(path: PathBuf, target: PathBuf, digest: Digest) -> io::Result<Self> {
        let file = loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            file.lock()?;
            // Whoever held the lock may have finished: then what was opened is now the stored file, and not to be written.
            match std::fs::metadata(&path) {
                Ok(named) if named.ino() == file.metadata()?.ino() => break file,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        };
        let mut partial = Self { file, path, target, digest, hasher: Sha256::new(), length: 0 };
        partial.read_what_is_there()?;
        Ok(partial)
    }

    fn read_what_is_there(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    self.hasher.update(&buffer[..n]);
                    self.length += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Bytes that are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// The digest of what is there.
    pub(crate) fn found(&self) -> Digest {
        Digest::finish(self.hasher.clone())
    }

    /// Gives the file its name in the store, if its content is what the name says.
    pub(crate) fn publish(&self) -> io::Result<()> {
        if self.found() != self.digest {
            return Err(io::Error::other("the content does not have the digest of its name"));
        }
        seal(&self.file)?;
        std::fs::rename(&self.path, &self.target)?;
        File::open(parent(&self.target))?.sync_all()
    }

    /// Removes the part.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_part_is_gone_on_with_and_published_only_when_it_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"one two");
        let mut partial = store.partial(digest).unwrap();
        assert_eq!(partial.length(), 0);
        partial.append(b"one").unwrap();
        assert!(partial.publish().is_err());
        drop(partial);
        let mut partial = store.partial(digest).unwrap();
        assert_eq!(partial.length(), 3);
        partial.append(b" twa").unwrap();
        assert!(partial.publish().is_err() && !store.has(digest));
        partial.restart().unwrap();
        partial.append(b"one two").unwrap();
        partial.publish().unwrap();
        assert_eq!(store.verified(digest).unwrap().1, 7);
        assert!(!store.part_path(digest).exists());
    }

    #[test]
    fn who_waits_for_a_part_never_writes_to_the_stored_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"content");
        let mut first = store.partial(digest).unwrap();
        let inode = first.file.metadata().unwrap().ino();
        let opened = store.clone();
        let second = std::thread::spawn(move || opened.partial(digest).unwrap().length());
        // The kernel lists who waits for a lock behind "->", with the file's inode.
        let waits = |line: &str| line.contains("->") && line.contains(&format!(":{inode} "));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !std::fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
            assert!(std::time::Instant::now() < deadline, "the second never waits");
            std::thread::yield_now();
        }
        first.append(b"content").unwrap();
        first.publish().unwrap();
        // A third has begun anew meanwhile, so that the name is there again, and is another file.
        std::fs::write(store.part_path(digest), "co").unwrap();
        drop(first);
        assert_eq!(second.join().unwrap(), 2, "the new part, not the stored file");
        assert!(store.verified(digest).is_ok());
    }
}
