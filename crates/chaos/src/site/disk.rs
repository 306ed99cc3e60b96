//! Disks that can be full: a small file system in memory for each part that writes.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::network::run;

/// A file system of its own at a folder, gone with the mount namespace.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// # Errors
    /// It can't be mounted.
    pub fn mount(at: &Path, mib: usize) -> Result<Self> {
        std::fs::create_dir_all(at).with_context(|| at.display().to_string())?;
        run(&["mount", "-t", "tmpfs", "-o", &format!("size={mib}m,mode=0711"), "chaos", &at.to_string_lossy()])?;
        Ok(Self { at: at.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.at.join(".ballast")
    }

    /// Not one byte more fits.
    ///
    /// # Errors
    /// The ballast can't be made at all.
    pub fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::create(self.ballast())?;
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
        Ok(())
    }

    /// As before.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}
