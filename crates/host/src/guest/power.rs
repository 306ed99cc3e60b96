//! The reset button and the pause button. Both mean the same to a rescue system as to the guest's own.

use std::time::Duration;

use qmp::QmpError;
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::Guest;
use super::failure;
use super::state::Runs;
use crate::qemu::machine::{Life, Machine};

/// QEMU tells of a change right after it has answered.
const TOLD_LIMIT: Duration = Duration::from_secs(10);
const END_LIMIT: Duration = Duration::from_secs(30);

impl Guest {
    /// A rescue system's QEMU ends by it (`-no-reboot`), and the next boot gets a nonce of its own, as after a reboot from inside.
    pub(super) async fn reset(&mut self) -> Result<Outcome, Failure> {
        let machine = self.machine()?;
        machine.reset().await.map_err(unanswered)?;
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
        machine.pause().await.map_err(unanswered)?;
        told(machine, Life::Paused).await?;
        Ok(Outcome::Suspended)
    }

    pub(super) async fn resume(&mut self) -> Result<Outcome, Failure> {
        let machine = self.machine()?;
        machine.resume().await.map_err(unanswered)?;
        told(machine, Life::Running).await?;
        Ok(Outcome::Resumed)
    }

    /// The running QEMU.
    pub(super) fn machine(&self) -> Result<&Machine, Failure> {
        let machine = self.running.as_ref().map(|running| &running.machine);
        machine.ok_or_else(|| failure(FailureCode::Qemu, "the guest has just ended"))
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

/// QEMU did not do as it was told.
pub(super) fn unanswered(error: QmpError) -> Failure {
    let message = match &error {
        QmpError::Closed => "QEMU's control socket does not answer; a repeat may find it".to_owned(),
        other => other.to_string(),
    };
    failure(FailureCode::Qemu, message)
}
