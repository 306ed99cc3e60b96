//! What was made of files, and is made anew when they change: certificates are renewed without a restart. Those of connections that stand
//! already stay what they were.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::TlsError;

/// The files are looked at this often at most, and only when somebody connects.
const LOOK: Duration = Duration::from_secs(1);

/// Inode, length and time of change of each file; `None` of one that is not there.
type Signs = Vec<Option<(u64, u64, i64, i64)>>;

pub struct Live<T> {
    files: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    made: T,
    looked: Instant,
    /// What the files were when they were tried last, with or without success.
    signs: Signs,
}

impl<T: Clone> Live<T> {
    /// `make` reads `files`.
    ///
    /// # Errors
    /// What `make` says the first time. Later failures are logged, and what was made before stays.
    pub fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        // The signs first: what changes in between is seen as a change.
        let signs = signs(&files);
        let state = State { made: make()?, looked: Instant::now(), signs };
        Ok(Self { files, make: Box::new(make), state: Mutex::new(state) })
    }

    /// What the files say now, or said when they could last be used.
    pub fn current(&self) -> T {
        self.current_at(Instant::now())
    }

    fn current_at(&self, now: Instant) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.looked) >= LOOK {
            state.looked = now;
            let signs = signs(&self.files);
            if signs != state.signs {
                state.signs = signs;
                match (self.make)() {
                    Ok(made) => {
                        tracing::info!(files = ?self.files, "certificates were renewed");
                        state.made = made;
                    }
                    // Half of them may have been written: the other half is a change again.
                    Err(error) => {
                        tracing::warn!(%error, "changed certificates can't be used; those of before stay in use");
                    }
                }
            }
        }
        state.made.clone()
    }
}

fn signs(files: &[PathBuf]) -> Signs {
    let sign = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    files.iter().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_are_read_again_and_broken_ones_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (number, other) = (folder.path().join("number"), folder.path().join("other"));
        std::fs::write(&number, "1").unwrap();
        std::fs::write(&other, "").unwrap();
        let path = number.clone();
        let live = Live::new(vec![number.clone(), other.clone()], move || {
            let text =
                std::fs::read_to_string(&path).map_err(|source| TlsError::File { path: path.clone(), source })?;
            text.parse::<u32>().map_err(|e| TlsError::Certificate { path: path.clone(), problem: e.to_string() })
        })
        .unwrap();
        let begun = Instant::now();
        let seen = |turn: u32| live.current_at(begun + turn * 2 * LOOK);
        assert_eq!(seen(1), 1);
        std::fs::write(&number, "22").unwrap();
        assert_eq!(seen(1), 1, "not looked at twice within a second");
        assert_eq!(seen(2), 22);
        std::fs::write(&number, "torn").unwrap();
        assert_eq!(seen(3), 22);
        std::fs::remove_file(&number).unwrap();
        assert_eq!(seen(4), 22);
        std::fs::write(&number, "333").unwrap();
        assert_eq!(seen(5), 333);
    }

    #[test]
    fn the_first_failure_is_told() {
        let path = PathBuf::from("/nowhere");
        let made = Live::<u32>::new(vec![path.clone()], move || {
            Err(TlsError::Certificate { path: path.clone(), problem: "none".into() })
        });
        assert!(matches!(made, Err(TlsError::Certificate { .. })));
    }
}
