//! QEMU as a program:
//!
//! * [`cmdline`], [`devices`]: what it is started with, pure;
//! * [`process`]: which of the machine's processes is a guest's, beyond doubt;
//! * [`machine`]: one running QEMU: power state, commands, its end; [`hotplug`]: its devices, while it runs;
//! * [`guest_agent`]: a program in the guest that may be there to listen;
//! * [`host_device`]: what of the host's a guest can have;
//! * [`accel`]: whether this machine's KVM can be used; [`user`]: who it runs as;
//! * [`probe`]: what a program can do; here: which there are.

pub mod accel;
pub mod cmdline;
pub mod devices;
pub mod guest_agent;
pub mod host_device;
pub mod hotplug;
pub mod machine;
pub mod probe;
pub mod process;
pub mod scope;
pub mod user;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use probe::{Qemu, SANDBOX};

/// No QEMU can be used.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    #[error("{0} is no QEMU that runs here: install qemu-system-x86, or name the program under [qemu] binaries")]
    Missing(PathBuf),
    #[error("there is no QEMU {wanted} on this host: it has {present}")]
    Version { wanted: String, present: String },
}

/// The QEMU programs of this host, by version.
#[derive(Debug, Clone)]
pub struct Binaries {
    by_version: BTreeMap<Vec<u32>, Qemu>,
}

impl Binaries {
    /// Asks each program. With an empty list, `qemu-system-<arch>` of the path.
    ///
    /// # Errors
    /// [`QemuError::Missing`] for one that does not run.
    pub async fn find(configured: &[PathBuf], arch: &str) -> Result<Self, QemuError> {
        let default = [PathBuf::from(format!("qemu-system-{arch}"))];
        let list = if configured.is_empty() { &default[..] } else { configured };
        let mut by_version = BTreeMap::new();
        for program in list {
            let qemu = Qemu::probe(program).await.ok_or_else(|| QemuError::Missing(program.clone()))?;
            let numbers = qemu.version.split('.').filter_map(|part| part.parse().ok()).collect();
            by_version.insert(numbers, qemu);
        }
        Ok(Self { by_version })
    }

    #[must_use]
    pub fn newest(&self) -> &Qemu {
        self.by_version.values().next_back().expect("find() puts one in, or fails")
    }

    /// The program of this version; the newest if none is wanted.
    ///
    /// # Errors
    /// [`QemuError::Version`] lists what is there.
    pub fn pick(&self, wanted: Option<&str>) -> Result<&Qemu, QemuError> {
        let Some(wanted) = wanted else { return Ok(self.newest()) };
        let found = self.by_version.values().find(|qemu| qemu.version == wanted);
        found.ok_or_else(|| QemuError::Version { wanted: wanted.to_owned(), present: self.versions().join(", ") })
    }

    /// Newest last.
    #[must_use]
    pub fn versions(&self) -> Vec<String> {
        self.by_version.values().map(|qemu| qemu.version.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn the_wanted_program_is_picked_and_an_unknown_one_is_answered_with_those_there() {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let older = script(
            "older",
            "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'QEMU emulator version 2.9.0 (x)'; exit; }\nexec qemu-system-x86_64 \"$@\"\n",
        );
        let real = PathBuf::from("qemu-system-x86_64");
        let binaries = Binaries::find(&[real.clone(), older.clone()], "x86_64").await.unwrap();
        assert_eq!((binaries.newest().program.clone(), binaries.versions()[0].as_str()), (real, "2.9.0"));
        assert_eq!(binaries.pick(Some("2.9.0")).unwrap().program, older);
        assert_eq!(binaries.pick(None).unwrap(), binaries.newest());
        assert_eq!(binaries.newest().lacks(&crate::guest::desc::tests::sample()), None);
        let error = binaries.pick(Some("9.9.9")).unwrap_err().to_string();
        assert!(error.contains("no QEMU 9.9.9") && error.contains(&binaries.versions().join(", ")), "{error}");

        let broken = script("broken", "#!/bin/sh\n[ \"$1\" = --version ] && echo 'QEMU emulator version 9.0'\n");
        for program in [broken, folder.path().join("none")] {
            assert!(matches!(Binaries::find(&[program], "x86_64").await, Err(QemuError::Missing(_))));
        }
    }
}
