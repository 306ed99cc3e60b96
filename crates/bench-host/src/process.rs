//! What the kernel says of a process: proc(5).

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// A process that was started elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Watched(pub i32);

impl Watched {
    /// Resident memory, MiB.
    ///
    /// # Errors
    /// The process has ended.
    pub fn resident_mib(self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS in /proc")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Seconds of processor time that its threads have used which are alive.
    ///
    /// # Errors
    /// The process has ended.
    pub fn cpu_s(self) -> anyhow::Result<f64> {
        let mut nanoseconds = 0_u64;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0))? {
            // A thread may end meanwhile.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += text.split_ascii_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0);
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    /// How often its threads were put to sleep, and so woke up.
    ///
    /// # Errors
    /// The process has ended.
    pub fn sleeps(self) -> anyhow::Result<u64> {
        let mut count = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0))? {
            let Ok(text) = std::fs::read_to_string(task?.path().join("status")) else { continue };
            let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            count += line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(count)
    }

    /// What it was started with, without the program.
    ///
    /// # Errors
    /// The process has ended.
    pub fn arguments(self) -> anyhow::Result<Vec<String>> {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.0))?;
        let text = String::from_utf8(bytes)?;
        Ok(text.trim_end_matches('\0').split('\0').skip(1).map(str::to_owned).collect())
    }

    /// Ends it at once, and waits until it is gone.
    ///
    /// # Errors
    /// It may not be ended, or stays.
    pub async fn kill(self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.0).context("a process has a number")?;
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        let folder = format!("/proc/{}", self.0);
        let gone = async {
            while Path::new(&folder).exists() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.context("a killed process stays")
    }
}

/// Everything that is started from here begins with as many open files as a service usually may have, and may ask for more.
///
/// # Errors
/// The limit can't be set.
pub fn usual_file_limit() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let usual = Some(maximum.map_or(1024, |most| most.min(1024)));
    setrlimit(Resource::Nofile, Rlimit { current: usual, maximum }).context("the limit of open files")
}
