//! What the kernel says of a process: proc(5).

use std::collections::HashMap;
use std::ffi::OsString;
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

    /// What its threads have used so far.
    ///
    /// # Errors
    /// The process has ended.
    pub fn used(self) -> anyhow::Result<Used> {
        let mut threads = HashMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0))? {
            let task = task?;
            let text = |name| std::fs::read_to_string(task.path().join(name));
            // A thread may end meanwhile.
            let (Ok(times), Ok(status)) = (text("schedstat"), text("status")) else { continue };
            let nanoseconds = times.split_ascii_whitespace().next().and_then(|first| first.parse().ok());
            let sleeps =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok());
            let (nanoseconds, sleeps) = nanoseconds.zip(sleeps).context("schedstat and status in /proc")?;
            threads.insert(task.file_name(), (nanoseconds, sleeps));
        }
        Ok(Used(threads))
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

/// Processor time in nanoseconds, and how often it went to sleep, of each thread.
#[derive(Debug, Clone)]
pub struct Used(HashMap<OsString, (u64, u64)>);

impl Used {
    /// Seconds of processor time since, of threads that are alive: one that ended meanwhile counts for nothing.
    #[must_use]
    pub fn cpu_s_since(&self, before: &Self) -> f64 {
        self.since(before, |thread| thread.0) as f64 / 1e9
    }

    /// How often threads that are alive were put to sleep since, and so woke up.
    #[must_use]
    pub fn sleeps_since(&self, before: &Self) -> u64 {
        self.since(before, |thread| thread.1)
    }

    fn since(&self, before: &Self, of: impl Fn(&(u64, u64)) -> u64) -> u64 {
        let earlier = |name| before.0.get(name).map_or(0, &of);
        self.0.iter().map(|(name, thread)| of(thread).saturating_sub(earlier(name))).sum()
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
