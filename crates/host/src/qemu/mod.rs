//! QEMU as a program:
//!
//! * [`cmdline`], [`devices`]: what it is started with, pure;
//! * [`process`]: which of the machine's processes is a guest's, beyond doubt;
//! * [`machine`]: one running QEMU: power state, commands, its end; [`hotplug`]: its devices, while it runs;
//! * [`accel`]: whether this machine's KVM can be used;
//! * here: which QEMU programs there are.

pub mod accel;
pub mod cmdline;
pub mod devices;
pub mod hotplug;
pub mod machine;
pub mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

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
    by_version: BTreeMap<Vec<u32>, (String, PathBuf)>,
    /// Whether `-sandbox` works: QEMU may be built without seccomp, or the container may forbid it.
    pub sandbox: bool,
}

/// What every guest's QEMU gives up; `-sandbox` in QEMU's manual. `spawn` and `elevateprivileges` can't be denied to a QEMU that
/// makes itself a daemon: both include setsid(2), which it calls with the filter in place.
pub const SANDBOX: &str = "on,obsolete=deny,resourcecontrol=deny";

impl Binaries {
    /// Asks each program for its version. With an empty list, `qemu-system-<arch>` of the path.
    ///
    /// # Errors
    /// [`QemuError::Missing`] for one that does not run.
    pub async fn find(configured: &[PathBuf], arch: &str) -> Result<Self, QemuError> {
        let default = [PathBuf::from(format!("qemu-system-{arch}"))];
        let list = if configured.is_empty() { &default[..] } else { configured };
        let mut by_version = BTreeMap::new();
        for program in list {
            let version = version(program).await.ok_or_else(|| QemuError::Missing(program.clone()))?;
            let numbers = version.split('.').filter_map(|part| part.parse().ok()).collect();
            by_version.insert(numbers, (version, program.clone()));
        }
        let mut binaries = Self { by_version, sandbox: false };
        binaries.sandbox = sandbox_works(binaries.newest().1).await;
        Ok(binaries)
    }

    /// Version and program.
    #[must_use]
    pub fn newest(&self) -> (&str, &Path) {
        let (version, program) = self.by_version.values().next_back().expect("find() puts one in, or fails");
        (version, program)
    }

    /// The program of this version; the newest if none is wanted.
    ///
    /// # Errors
    /// [`QemuError::Version`] lists what is there.
    pub fn pick(&self, wanted: Option<&str>) -> Result<(&str, &Path), QemuError> {
        let Some(wanted) = wanted else { return Ok(self.newest()) };
        let found = self.by_version.values().find(|(version, _)| version == wanted);
        found
            .map(|(version, program)| (&**version, &**program))
            .ok_or_else(|| QemuError::Version { wanted: wanted.to_owned(), present: self.versions().join(", ") })
    }

    /// Newest last.
    #[must_use]
    pub fn versions(&self) -> Vec<String> {
        self.by_version.values().map(|(version, _)| version.clone()).collect()
    }
}

/// `10.0.2` from `QEMU emulator version 10.0.2 (Debian ...)`.
async fn version(program: &Path) -> Option<String> {
    let asking = Command::new(program).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(10), asking).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let word = text.split_ascii_whitespace().skip_while(|word| *word != "version").nth(1)?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
}

async fn sandbox_works(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(["-sandbox", SANDBOX, "-machine", "none", "-nodefaults", "-no-user-config", "-display", "none"]);
    // Reads `quit` and ends, having passed the installation of the filter.
    command
        .args(["-monitor", "stdio"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut input, b"quit\n").await;
    }
    matches!(tokio::time::timeout(Duration::from_secs(10), child.wait()).await, Ok(Ok(status)) if status.success())
}
