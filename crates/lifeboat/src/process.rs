//! Processes of ours that another of our processes started: known by pid and start time, because a pid alone is given away again.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// One process, and no other that has its pid later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat` (proc(5)).
    pub started: u64,
}

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        let (state, started) = stat(pid)?;
        (state != 'Z').then_some(Self { pid, started })
    }

    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| state != 'Z' && started == self.started)
    }

    /// Sends a signal, if it still lives.
    pub fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGTERM, then SIGKILL when `grace` has passed. False: it lives on even so.
    pub async fn end(self, grace: Duration) -> bool {
        self.signal(Signal::TERM);
        if self.gone_within(grace).await {
            return true;
        }
        self.signal(Signal::KILL);
        self.gone_within(Duration::from_secs(5)).await
    }

    pub async fn gone_within(self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= end {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

fn stat(pid: i32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses.
    let mut rest = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    Some((state, rest.nth(18)?.parse().ok()?))
}

/// QEMU processes whose command line names something beneath `folder`.
pub fn machines_under(folder: &Path) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let folder = format!("{}/", folder.display());
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        let line = String::from_utf8_lossy(&line);
        let program = line.split('\0').next().unwrap_or_default();
        program.rsplit('/').next().is_some_and(|name| name.starts_with("qemu-system-")) && line.contains(&folder)
    })
    .filter_map(Process::of)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_ended_and_its_pid_alone_is_not_believed() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let process = Process::of(child.id().unwrap()).unwrap();
        let stranger = Process { started: process.started + 1, ..process };
        assert!(process.is_alive() && !stranger.is_alive());
        assert!(stranger.end(Duration::from_secs(5)).await);
        assert!(process.is_alive(), "another process had this pid; ours was not meant");
        assert!(process.end(Duration::from_secs(5)).await);
        assert!(!child.wait().await.unwrap().success());
    }
}
