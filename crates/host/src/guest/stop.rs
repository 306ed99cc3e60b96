//! Stopping a guest: gently while there is time, then not. It has stopped when its process is gone, and not before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::operation::{Failure, FailureCode, Outcome, StopHow, StopStep};

use super::actor::{Cx, Guest};
use super::failure;
use super::link::Proof;
use super::running::Running;
use crate::qemu::guest_agent;
use crate::qemu::machine::Life;

/// A power button that is pressed before the guest listens is lost, so it is pressed again.
const AGAIN: Duration = Duration::from_secs(3);
/// Who is asked answers within that, or is asked again.
const ASK_LIMIT: Duration = Duration::from_secs(8);
/// QEMU writes back what it has and ends.
const QUIT_LIMIT: Duration = Duration::from_secs(10);
/// The kernel may have to wait for a disk.
const KILL_LIMIT: Duration = Duration::from_secs(30);

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

/// In whole milliseconds: the same number when it has been written down and read again.
fn seconds_since(began: Instant) -> f64 {
    began.elapsed().as_millis() as f64 / 1000.0
}

impl Guest {
    pub(super) async fn stop(&mut self, timeout: Duration, force: bool, cx: &Cx) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let mut steps = Vec::new();
        let mut how = None;
        if let Some(running) = self.running.as_ref().filter(|_| !force && !timeout.is_zero()) {
            let guest_agent = self.guest_agent();
            for (way, limit) in ways(is_proven(running), guest_agent.is_some(), timeout) {
                cx.progress.say(match way {
                    Way::GuestAgent => "waiting for the guest's agent to power off",
                    Way::RescueAgent | Way::Power => "waiting for the guest to power off",
                });
                let began = Instant::now();
                let ended = cx.unless_overtaken(gently(running, way, guest_agent.as_deref(), limit)).await?;
                steps.push(StopStep { how: way.how(), seconds: seconds_since(began) });
                if ended {
                    how = Some(way.how());
                    break;
                }
            }
        }
        let how = match how {
            Some(how) => how,
            None => {
                cx.progress.say("ending QEMU");
                let (began, how) = (Instant::now(), self.end_now().await?);
                steps.push(StopStep { how, seconds: seconds_since(began) });
                how
            }
        };
        self.keep_record(StopRecord { ended: Utc::now(), steps: steps.clone() });
        self.clear_end();
        if self.running.is_some() {
            return Err(failure(FailureCode::Stop, "QEMU is still running"));
        }
        Ok(Outcome::Stopped { how, seconds: seconds_since(began), steps })
    }

    /// Where the guest's agent listens, if the guest that runs was started with a port for it.
    fn guest_agent(&self) -> Option<PathBuf> {
        let own = self.running.as_ref().is_some_and(|running| running.boot.rescue.is_none());
        let wanted = self.stored.as_ref().is_some_and(|stored| stored.desc.guest_agent);
        let socket = self.paths.sockets().guest_agent;
        (own && wanted && socket.exists()).then_some(socket)
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

/// A gentle way to stop a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The rescue system's own agent.
    RescueAgent,
    /// The power button.
    Power,
    /// QEMU's guest agent.
    GuestAgent,
}

impl Way {
    const fn how(self) -> StopHow {
        match self {
            Self::RescueAgent => StopHow::Agent,
            Self::Power => StopHow::Acpi,
            Self::GuestAgent => StopHow::GuestAgent,
        }
    }
}

/// What is tried, in order, and for how long. Pure. A guest agent gets half of the time, as a guest that heeds the power button needs some.
fn ways(proven: bool, guest_agent: bool, timeout: Duration) -> Vec<(Way, Duration)> {
    match (proven, guest_agent) {
        (true, _) => vec![(Way::RescueAgent, timeout)],
        (false, false) => vec![(Way::Power, timeout)],
        (false, true) => vec![(Way::Power, timeout / 2), (Way::GuestAgent, timeout - timeout / 2)],
    }
}

fn is_proven(running: &Running) -> bool {
    running.link.as_ref().is_some_and(|link| matches!(link.proof(), Proof::Ready { .. }))
}

/// Asks, again and again, as what comes before the guest listens is lost. False: it did not stop in time.
async fn gently(running: &Running, way: Way, guest_agent: Option<&Path>, timeout: Duration) -> bool {
    let machine = &running.machine;
    let deadline = Instant::now() + timeout;
    // A paused guest hears nothing.
    if machine.life() == Life::Paused
        && let Err(error) = machine.resume().await
    {
        tracing::warn!(%error, "a paused guest can't be resumed to be stopped");
    }
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let asked = async {
            match (way, &running.link, guest_agent) {
                (Way::RescueAgent, Some(link), _) => link.ask_shutdown(),
                (Way::GuestAgent, _, Some(socket)) => {
                    if let Err(error) = guest_agent::power_off(socket).await {
                        tracing::info!(%error, "the guest's agent does not stop it");
                    }
                }
                (Way::Power | Way::RescueAgent | Way::GuestAgent, _, _) => {
                    if let Err(error) = machine.press_power().await {
                        tracing::debug!(%error, "the power button can't be pressed");
                    }
                }
            }
        };
        // QEMU itself may not answer yet; and while the guest's agent is asked, the guest may end.
        tokio::select! {
            _ = tokio::time::timeout(left.min(ASK_LIMIT), asked) => {}
            _ = machine.ended() => return true,
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if machine.ends_within(left.min(AGAIN)).await {
            return true;
        }
        if left.is_zero() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_button_comes_before_the_guests_agent_and_a_rescue_system_has_its_own() {
        let seconds = Duration::from_secs;
        for (proven, agent, expected) in [
            (true, true, vec![(Way::RescueAgent, seconds(61))]),
            (true, false, vec![(Way::RescueAgent, seconds(61))]),
            (false, false, vec![(Way::Power, seconds(61))]),
            (false, true, vec![(Way::Power, seconds(61) / 2), (Way::GuestAgent, seconds(61) / 2)]),
        ] {
            let ways = ways(proven, agent, seconds(61));
            assert_eq!(ways, expected, "{proven} {agent}");
            assert_eq!(ways.iter().map(|(_, limit)| *limit).sum::<Duration>(), seconds(61));
        }
    }
}
