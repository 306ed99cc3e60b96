//! The highest serial seen of each image and version: `serials.json`.
//!
//! A signature proves who made a manifest, not that it is the newest. Whoever controls the way to an agent could offer an old one, with
//! an old fault in its kernel; the mark on disk makes that visible.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::manifest::Manifest;

/// By name, then by version.
type Marks = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Debug)]
pub struct Serials {
    path: PathBuf,
    marks: Mutex<Marks>,
}

#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    #[error("the manifest of {name} {version} has serial {got}, but {seen} was seen before: it is an old one")]
    Old { name: String, version: String, got: u64, seen: u64 },
    /// A file that can't be read is not taken for an empty one, or breaking it would be a way past it.
    #[error("{path}: {source}; if the file is damaged, restore it or remove it, which forgets the serials seen", path = path.display())]
    File { path: PathBuf, source: io::Error },
}

impl Serials {
    /// The file need not exist; its folder must.
    ///
    /// # Errors
    /// [`SerialError::File`].
    pub fn open(path: &Path) -> Result<Self, SerialError> {
        let wrong = |source| SerialError::File { path: path.to_owned(), source };
        let marks = match std::fs::read(path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|e| wrong(e.into()))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Marks::new(),
            Err(e) => return Err(wrong(e)),
        };
        Ok(Self { path: path.to_owned(), marks: Mutex::new(marks) })
    }

    /// Takes note of a verified manifest. The mark is on disk when this returns. Blocks.
    ///
    /// # Errors
    /// [`SerialError`]; nothing has changed then.
    pub fn admit(&self, manifest: &Manifest) -> Result<(), SerialError> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = marks.get(&manifest.name).and_then(|versions| versions.get(&manifest.version)).copied();
        match seen {
            Some(seen) if manifest.serial < seen => {
                let (name, version) = (manifest.name.clone(), manifest.version.clone());
                return Err(SerialError::Old { name, version, got: manifest.serial, seen });
            }
            Some(seen) if manifest.serial == seen => return Ok(()),
            _ => {}
        }
        let mut raised = marks.clone();
        raised.entry(manifest.name.clone()).or_default().insert(manifest.version.clone(), manifest.serial);
        self.save(&raised).map_err(|source| SerialError::File { path: self.path.clone(), source })?;
        *marks = raised;
        Ok(())
    }

    fn save(&self, marks: &Marks) -> io::Result<()> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".serials").tempfile_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(marks)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        std::fs::File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::sample;

    #[test]
    fn a_lower_serial_is_refused_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serials.json");
        let with = |version: &str, serial| Manifest { version: version.into(), serial, ..sample() };
        let serials = Serials::open(&path).unwrap();
        serials.admit(&with("1", 5)).unwrap();
        serials.admit(&with("1", 5)).unwrap();
        serials.admit(&with("2", 1)).unwrap();
        let serials = Serials::open(&path).unwrap();
        let error = serials.admit(&with("1", 4)).unwrap_err();
        assert!(matches!(error, SerialError::Old { got: 4, seen: 5, .. }), "{error}");
        serials.admit(&with("1", 6)).unwrap();
        assert!(serials.admit(&with("1", 5)).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
    }

    #[test]
    fn a_damaged_file_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serials.json");
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Serials::open(&path), Err(SerialError::File { .. })));
    }
}
