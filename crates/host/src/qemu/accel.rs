//! Whether this machine's KVM can be used. `/dev/kvm` that opens proves little: there are software KVMs that only run kernels
//! made for them, and a guest that hangs is worse than a slow one. So, in this order: what the machine says of itself, pure
//! ([`decide`]); then a boot of a real kernel, once, remembered.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::cmdline::Accelerator;

/// What the configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    #[default]
    Auto,
    Kvm,
    Tcg,
}

/// What can be read off the machine.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    /// `/dev/kvm` can be opened for reading and writing.
    pub opens: bool,
    /// The processor has svm or vmx. True on machines that are not x86, which have no such flags.
    pub hardware: bool,
    /// The module kvm_pvm is loaded: KVM without hardware, for special kernels.
    pub software: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Use(Accelerator, &'static str),
    Probe,
}

/// What follows from the signs.
#[must_use]
pub const fn decide(wanted: Wanted, signs: Signs) -> Decision {
    match (wanted, signs) {
        (Wanted::Kvm, _) => Decision::Use(Accelerator::Kvm, "configured"),
        (Wanted::Tcg, _) => Decision::Use(Accelerator::Tcg, "configured"),
        (Wanted::Auto, Signs { opens: false, .. }) => Decision::Use(Accelerator::Tcg, "/dev/kvm can't be opened"),
        (Wanted::Auto, Signs { hardware: false, .. }) => {
            Decision::Use(Accelerator::Tcg, "the processor has neither svm nor vmx")
        }
        (Wanted::Auto, Signs { software: true, .. }) => {
            Decision::Use(Accelerator::Tcg, "the KVM here is a software one (kvm_pvm)")
        }
        (Wanted::Auto, _) => Decision::Probe,
    }
}

fn signs() -> Signs {
    let opens = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let hardware =
        !cfg!(target_arch = "x86_64") || flags.split_ascii_whitespace().any(|flag| flag == "svm" || flag == "vmx");
    Signs { opens, hardware, software: Path::new("/sys/module/kvm_pvm").exists() }
}

/// The answer of a probe, and what it holds for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    qemu: String,
    host_kernel: String,
    works: bool,
}

/// Decides, and probes where that is needed. `cache` is a file in the workspace.
pub async fn choose(wanted: Wanted, qemu: (&str, &Path), kernel: Option<&Path>, cache: &Path) -> Accelerator {
    let (accelerator, why) = explain(wanted, qemu, kernel, cache).await;
    tracing::info!(accelerator = accelerator.as_str(), why, "accelerator chosen");
    accelerator
}

/// As [`choose`], with the reason.
pub async fn explain(
    wanted: Wanted,
    qemu: (&str, &Path),
    kernel: Option<&Path>,
    cache: &Path,
) -> (Accelerator, &'static str) {
    match decide(wanted, signs()) {
        Decision::Use(accelerator, why) => (accelerator, why),
        Decision::Probe => probed(qemu, kernel, cache).await,
    }
}

async fn probed((version, program): (&str, &Path), kernel: Option<&Path>, cache: &Path) -> (Accelerator, &'static str) {
    let host_kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let known = std::fs::read(cache).ok().and_then(|json| serde_json::from_slice::<Remembered>(&json).ok());
    let works = match known.filter(|it| it.qemu == version && it.host_kernel == host_kernel) {
        Some(remembered) => remembered.works,
        None => {
            let Some(kernel) = kernel.map(Path::to_owned).or_else(any_kernel) else {
                return (Accelerator::Tcg, "there is no kernel to try KVM with: set [qemu] probe_kernel");
            };
            let works = boots(program, Accelerator::Kvm, &kernel, Duration::from_secs(30)).await;
            let remembered = Remembered { qemu: version.to_owned(), host_kernel, works };
            let json = serde_json::to_vec(&remembered).unwrap_or_default();
            if let Err(error) = service::files::write_atomic(cache, &json, 0o600) {
                tracing::warn!(path = %cache.display(), %error, "the probe's answer can't be kept");
            }
            works
        }
    };
    if works {
        (Accelerator::Kvm, "a kernel ran under it")
    } else {
        (Accelerator::Tcg, "a kernel did not run under KVM")
    }
}

/// A kernel of this machine's own.
fn any_kernel() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/boot").ok()?;
    let kernels = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("vmlinuz"));
    kernels.map(|entry| entry.path()).find(|path| std::fs::File::open(path).is_ok())
}

/// Whether a kernel gets as far as looking for its root, which it does not find.
async fn boots(program: &Path, accelerator: Accelerator, kernel: &Path, limit: Duration) -> bool {
    let mut command = Command::new(program);
    command
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256"])
        .args(["-machine", &format!("q35,accel={}", accelerator.as_str())])
        .args(["-serial", "stdio", "-append", "console=ttyS0 panic=-1", "-kernel"])
        .arg(kernel)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if accelerator == Accelerator::Kvm {
        command.args(["-cpu", "host"]);
    }
    let Ok(mut child) = command.spawn() else { return false };
    let Some(mut output) = child.stdout.take() else { return false };
    let reading = async {
        let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            match output.read(&mut piece).await {
                Ok(0) | Err(_) => return false,
                Ok(count) => seen.extend_from_slice(&piece[..count]),
            }
            if String::from_utf8_lossy(&seen).contains("Kernel panic - not syncing") {
                return true;
            }
        }
    };
    tokio::time::timeout(limit, reading).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_decide_unless_all_are_good() {
        let good = Signs { opens: true, hardware: true, software: false };
        let accelerator = |wanted, signs| match decide(wanted, signs) {
            Decision::Use(accelerator, _) => Some(accelerator),
            Decision::Probe => None,
        };
        assert_eq!(accelerator(Wanted::Auto, good), None);
        for bad in [Signs { opens: false, ..good }, Signs { hardware: false, ..good }, Signs { software: true, ..good }]
        {
            assert_eq!(accelerator(Wanted::Auto, bad), Some(Accelerator::Tcg), "{bad:?}");
            assert_eq!(accelerator(Wanted::Kvm, bad), Some(Accelerator::Kvm));
        }
        assert_eq!(accelerator(Wanted::Tcg, good), Some(Accelerator::Tcg));
    }

    #[tokio::test]
    async fn a_program_that_says_nothing_boots_nothing() {
        let limit = Duration::from_secs(10);
        assert!(!boots(Path::new("/bin/true"), Accelerator::Tcg, Path::new("/none"), limit).await);
        assert!(!boots(Path::new("/none"), Accelerator::Tcg, Path::new("/none"), limit).await);
    }
}
