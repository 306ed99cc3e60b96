//! The state folder: where everything of one stack lives, and nothing outside it.
//!
//! ```text
//! rc                    the admin's credentials for climc, mode 0600
//! stack.json            addresses that stay the same over restarts
//! parts.json            the parts that run now
//! lock                  held by the supervisor as long as it lives
//! pki/ keys/ config/ ready/ log/
//! postgres/ region/ host/ agent/
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use service::files::write_atomic;

/// A unix socket's path has at most 107 bytes (sockaddr_un, unix(7)). The longest of ours is this much longer than the state folder:
/// `/host/run/<36>/NAME.sock`.
const LONGEST_TAIL: usize = 62;
const LONGEST: usize = 107 - LONGEST_TAIL;

/// What names the folder if neither `--state` nor `LIFEBOAT_STATE` does.
pub const DEFAULT: &str = ".lifeboat";

#[derive(Debug, Clone)]
pub struct State(PathBuf);

/// Held by the one supervisor of a state folder. The kernel lets go of it when the process ends, however it ends.
pub struct Lock(#[allow(dead_code, reason = "dropping it releases the lock")] File);

impl State {
    /// The folder as an absolute path; it need not exist.
    ///
    /// # Errors
    /// The current folder is gone.
    pub fn at(folder: &Path) -> Result<Self> {
        Ok(Self(std::path::absolute(folder)?))
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// They can't be made.
    pub fn prepare(&self) -> Result<()> {
        for folder in ["config", "ready", "log", "region", "host", "agent"] {
            let folder = self.0.join(folder);
            std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        }
        Ok(())
    }

    /// Whether its path leaves room for unix sockets beneath it.
    pub fn has_room_for_sockets(&self) -> bool {
        self.0.as_os_str().len() <= LONGEST
    }

    /// Whether the folder holds a stack's state, or nothing: only such a one may be emptied.
    pub fn is_ours(&self) -> bool {
        let is_empty = std::fs::read_dir(&self.0).is_ok_and(|mut entries| entries.next().is_none());
        is_empty || (self.path("config").is_dir() && self.path("ready").is_dir() && self.path("log").is_dir())
    }

    /// Takes the folder for this process; `None` when another supervisor has it.
    ///
    /// # Errors
    /// The lock file can't be opened.
    pub fn lock(&self) -> Result<Option<Lock>> {
        let path = self.path("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("can't open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(e).with_context(|| format!("can't lock {}", path.display())),
        }
    }

    pub fn root(&self) -> &Path {
        &self.0
    }
    pub fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }
    pub fn config(&self, part: &str) -> PathBuf {
        self.0.join(format!("config/{part}.toml"))
    }
    pub fn ready(&self, part: &str) -> PathBuf {
        self.0.join(format!("ready/{part}.json"))
    }
    pub fn log(&self, part: &str) -> PathBuf {
        self.0.join(format!("log/{part}.log"))
    }

    /// Reads one of our own JSON files; `None` if it is not there.
    ///
    /// # Errors
    /// It is there and is something else.
    pub fn read<T: DeserializeOwned>(&self, below: &str) -> Result<Option<T>> {
        let path = self.path(below);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} is not readable; remove it and start again", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// # Errors
    /// The folder can't be written.
    pub fn write(&self, below: &str, content: &str, mode: u32) -> Result<()> {
        let path = self.path(below);
        write_atomic(&path, content.as_bytes(), mode).with_context(|| format!("can't write {}", path.display()))
    }
}

/// The last lines of a file, for an error message. Reads at most its last 64 KiB.
pub fn tail(path: &Path, lines: usize) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    let length = file.metadata().map(|m| m.len()).unwrap_or_default();
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024))).and_then(|_| file.read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_supervisor_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path()).unwrap();
        let first = state.lock().unwrap();
        assert!(first.is_some() && state.lock().unwrap().is_none());
        drop(first);
        assert!(state.lock().unwrap().is_some());
    }

    #[test]
    fn the_tail_is_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&path, 2), ["two", "three"]);
        assert_eq!(tail(&folder.path().join("none"), 2), Vec::<String>::new());
    }
}
