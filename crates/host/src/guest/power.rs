//! The reset button and the pause button. Both mean the same to a rescue system as to the guest's own.

use std::time::Duration;

use qmp::QmpError;
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::Guest;
use super::failure;
use super::state::Runs;
use crate::qemu::hotplug::refused;
use crate::qemu::machine::{Life, Machine};

/// QEMU tells of a change right after it has answered.
const TOLD_LIMIT: Duration = Duration::from_secs(10);
const END_LIMIT: Duration = Duration::from_secs(30);

impl Guest {
    /// A rescue system's QEMU ends by it (`-no-reboot`), and the next boot gets a nonce of its own, as after a reboot from inside.
    pub(super) async fn reset(&mut self) -> Result<Outcome, Failure> {
        let machine = self.machine()?;
        machine.reset().await.map_err(not_done)?;
        if let Runs::Rescue(session) = self.runs() {
            if !machine.ends_within(END_LIMIT).await {
                return Err(failure(FailureCode::Qemu, format!("QEMU still runs {END_LIMIT:?} after its reset")));
            }
            self.after_end().await;
            if self.runs() != Runs::Rescue(session) {
                return Err(failure(
                    FailureCode::Qemu,
                    "the rescue system can't be booted again; the host's log says why",
                ));
            }
        }
        Ok(Outcome::ResetDone)
    }

    pub(super) async fn suspend(&mut self) -> Result<Outcome, Failure> {
        let machine = self.machine()?;
        machine.pause().await.map_err(not_done)?;
        told(machine, Life::Paused).await?;
        Ok(Outcome::Suspended)
    }

    pub(super) async fn resume(&mut self) -> Result<Outcome, Failure> {
        let machine = self.machine()?;
        machine.resume().await.map_err(not_done)?;
        told(machine, Life::Running).await?;
        Ok(Outcome::Resumed)
    }

    /// The running QEMU.
    pub(super) fn machine(&self) -> Result<&Machine, Failure> {
        self.live().ok_or_else(|| failure(FailureCode::Qemu, "the guest has just ended"))
    }

    /// The running QEMU, if one runs.
    pub(super) fn live(&self) -> Option<&Machine> {
        let alive = self.running.as_ref().filter(|running| running.machine.process.is_alive());
        alive.map(|running| &running.machine)
    }
}

/// Power as region sees it is right when the operation has ended.
async fn told(machine: &Machine, wanted: Life) -> Result<(), Failure> {
    if machine.becomes_within(&wanted, TOLD_LIMIT).await {
        return Ok(());
    }
    Err(failure(
        FailureCode::Qemu,
        format!("QEMU is still {} {TOLD_LIMIT:?} after it was told otherwise", machine.life().power()),
    ))
}

fn not_done(error: QmpError) -> Failure {
    refused(FailureCode::Qemu, error)
}
