//! Manifests that have counted, with their signatures: `manifests/<name>.json`, the latest of each name. An image whose files are here
//! is so prepared again without an agent. A remembered manifest is no more than a copy of what an agent sent: its signature, expiry,
//! revocation and serial are looked at each time, and one that was torn or changed is a miss.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[derive(Debug)]
pub(crate) struct Remembered {
    folder: PathBuf,
}

/// As they came, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) manifest: String,
    pub(crate) signature: String,
}

impl Remembered {
    /// `root`: the store's folder.
    pub(crate) fn new(root: &Path) -> Self {
        Self { folder: root.join("manifests") }
    }

    /// `name` is an image's, so a file's as well. Blocks.
    pub(crate) fn read(&self, name: &str) -> Option<Signed> {
        serde_json::from_slice(&std::fs::read(self.path(name)).ok()?).ok()
    }

    /// Not synced: one that a crash loses is asked for again. Blocks.
    ///
    /// # Errors
    /// As the file system says.
    pub(crate) fn keep(&self, name: &str, signed: &Signed) -> io::Result<()> {
        if self.read(name).as_ref() == Some(signed) {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::Builder::new().prefix(".new").tempfile_in(&self.folder)?;
        file.write_all(&serde_json::to_vec(signed)?)?;
        file.persist(self.path(name))?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_remembered_and_a_torn_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let remembered = Remembered::new(folder.path());
        assert_eq!(remembered.read("small"), None);
        let signed = |text: &str| Signed { manifest: text.into(), signature: "s".into() };
        remembered.keep("small", &signed("1")).unwrap();
        remembered.keep("small", &signed("2")).unwrap();
        remembered.keep("small", &signed("2")).unwrap();
        assert_eq!(remembered.read("small"), Some(signed("2")));
        assert_eq!(std::fs::read_dir(folder.path().join("manifests")).unwrap().count(), 1);
        let path = folder.path().join("manifests/small.json");
        let half = std::fs::read(&path).unwrap()[..20].to_vec();
        std::fs::write(&path, half).unwrap();
        assert_eq!(remembered.read("small"), None);
    }
}
