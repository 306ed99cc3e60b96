//! Stopping a guest: gently while there is time, then not. It has stopped when its process is gone, and not before.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::operation::{Failure, FailureCode, Outcome, StopHow};

use super::actor::{Cx, Guest};
use super::failure;
use super::link::Proof;
use super::running::Running;
use crate::qemu::machine::Life;

/// A power button that is pressed before the guest listens is lost, so it is pressed again.
const AGAIN: Duration = Duration::from_secs(3);
/// QEMU writes back what it has and ends.
const QUIT_LIMIT: Duration = Duration::from_secs(10);
/// The kernel may have to wait for a disk.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// One attempt to stop a guest, and the time it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StopStep {
    pub how: StopHow,
    pub seconds: f64,
}

/// How a guest was stopped last; the last step did it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StopRecord {
    pub ended: DateTime<Utc>,
    pub steps: Vec<StopStep>,
}

impl StopRecord {
    #[must_use]
    pub fn read(path: &std::path::Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

impl Guest {
    pub(super) async fn stop(&mut self, timeout: Duration, force: bool, cx: &Cx) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let mut steps = Vec::new();
        let mut how = None;
        if let Some(running) = self.running.as_ref().filter(|_| !force && !timeout.is_zero()) {
            cx.progress.say("waiting for the guest to power off");
            let gentle = gentle_way(running);
            how = cx.unless_overtaken(gently(running, timeout)).await?;
            steps.push(StopStep { how: how.unwrap_or(gentle), seconds: began.elapsed().as_secs_f64() });
        }
        let how = match how {
            Some(how) => how,
            None => {
                cx.progress.say("ending QEMU");
                let (began, how) = (Instant::now(), self.end_now().await?);
                steps.push(StopStep { how, seconds: began.elapsed().as_secs_f64() });
                how
            }
        };
        self.keep_record(StopRecord { ended: Utc::now(), steps });
        self.clear_end();
        if self.running.is_some() {
            return Err(failure(FailureCode::Stop, "QEMU is still running"));
        }
        Ok(Outcome::Stopped { how, seconds: began.elapsed().as_secs_f64() })
    }

    /// For people: nothing of ours depends on it.
    fn keep_record(&self, record: StopRecord) {
        let json = serde_json::to_vec(&record).expect("plain data");
        if let Err(error) = service::files::write_atomic(&self.paths.last_stop(), &json, 0o600) {
            tracing::warn!(guest = %self.id, %error, "how the guest was stopped can't be written down");
        }
    }

    /// Quit, then SIGKILL. `Ok` means that the process is gone.
    pub(super) async fn end_now(&mut self) -> Result<StopHow, Failure> {
        let Some(running) = &self.running else { return Ok(StopHow::AlreadyOff) };
        let machine = &running.machine;
        if let Err(error) = machine.quit().await {
            tracing::debug!(guest = %self.id, %error, "QEMU did not answer to quit");
        }
        if machine.ends_within(QUIT_LIMIT).await {
            return Ok(StopHow::Quit);
        }
        if let Err(error) = machine.process.kill() {
            return Err(failure(
                FailureCode::Stop,
                format!("QEMU (pid {}) can't be killed: {error}", machine.process.pid),
            ));
        }
        if machine.ends_within(KILL_LIMIT).await {
            return Ok(StopHow::Kill);
        }
        let message =
            format!("QEMU (pid {}) is still there {KILL_LIMIT:?} after SIGKILL: a disk may hang", machine.process.pid);
        Err(failure(FailureCode::Stop, message))
    }
}

/// What is tried first.
fn gentle_way(running: &Running) -> StopHow {
    let agent = running.link.as_ref().filter(|link| matches!(link.proof(), Proof::Ready { .. }));
    if agent.is_some() { StopHow::Agent } else { StopHow::Acpi }
}

/// Asks the rescue system, where it has proven itself, or presses the power button, again and again. None: it did not stop in time.
async fn gently(running: &Running, timeout: Duration) -> Option<StopHow> {
    let machine = &running.machine;
    let deadline = Instant::now() + timeout;
    let agent = running.link.as_ref().filter(|link| matches!(link.proof(), Proof::Ready { .. }));
    let how = gentle_way(running);
    // A paused guest hears nothing.
    if machine.life() == Life::Paused
        && let Err(error) = machine.resume().await
    {
        tracing::warn!(%error, "a paused guest can't be resumed to be stopped");
    }
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match agent {
            Some(link) => link.ask_shutdown(),
            None => match tokio::time::timeout(left.min(AGAIN), machine.press_power()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the power button can't be pressed"),
                Err(_) => tracing::debug!("QEMU does not answer to the power button yet"),
            },
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if machine.ends_within(left.min(AGAIN)).await {
            return Some(how);
        }
        if left.is_zero() {
            return None;
        }
    }
}
