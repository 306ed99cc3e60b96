//! Guests that ran when the machine went down, and what becomes of them once it is up again.
//!
//! The record of a guest's latest boot names the start of the machine that it belongs to, and says whether that boot has ended. One that
//! has not, of an earlier start of the machine, was interrupted. The guest stays so, over restarts of the agent too, until somebody has
//! decided: an operation starts it or ends its session, region says that it stays off, or this host may decide by itself.

use serde::{Deserialize, Serialize};

use super::actor::{Cx, Guest};
use super::start::Boot;
use super::state::{Described, Runs};
use super::{Work, broken};

/// Who starts the guests that ran when the machine went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Autostart {
    /// Region, which is told of them.
    #[default]
    Region,
    /// This host, as soon as its agent runs.
    Always,
    /// Nobody: they stay off.
    Never,
}

/// What to do with a guest that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    Wait,
    Start,
    StayOff,
}

/// Decides. `given_up`: region was waited for as long as the configuration says; `busy`: an operation of region's was interrupted as
/// well, and goes on when region asks for it again.
#[must_use]
pub const fn decide(autostart: Autostart, given_up: bool, busy: bool) -> Decided {
    match (autostart, given_up, busy) {
        (Autostart::Never, _, _) => Decided::StayOff,
        (_, _, true) | (Autostart::Region, false, false) => Decided::Wait,
        (Autostart::Always, _, false) | (Autostart::Region, true, false) => Decided::Start,
    }
}

/// Whether a guest that does not run was interrupted. `machine`: this start of the machine.
#[must_use]
pub fn interrupted(boot: Option<&Boot>, machine: &str) -> bool {
    boot.is_some_and(|boot| !boot.ended && !boot.machine.is_empty() && !machine.is_empty() && boot.machine != machine)
}

impl Work {
    /// Whether what follows from an interruption is decided by it.
    pub(super) const fn decides_interruption(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Start
                | Self::Delete
                | Self::StartRescue { .. }
                | Self::ConfirmBoot { .. }
                | Self::Restore { .. }
        )
    }
}

impl Guest {
    /// Looks at the record, right after the agent's start. A boot of this start of the machine whose QEMU is gone has ended.
    pub(super) fn look_for_interruption(&mut self) {
        let boot = Boot::read(&self.paths.boot());
        self.interrupted = self.running.is_none() && interrupted(boot.as_ref(), &self.env.machine_boot);
        if self.interrupted {
            tracing::warn!(guest = %self.id, "the guest ran when the machine went down");
        } else {
            self.boot_ended();
        }
    }

    /// A QEMU that was found running belongs to this start of the machine, whatever the record says.
    pub(super) fn boot_goes_on(&mut self, boot: &mut Boot) {
        self.interrupted = false;
        if boot.machine != self.env.machine_boot || boot.ended {
            boot.machine.clone_from(&self.env.machine_boot);
            boot.ended = false;
            self.record(boot);
        }
    }

    /// Nothing runs, and that is how it is to be. What was interrupted stays so.
    pub(super) fn boot_ended(&mut self) {
        if self.runs() != Runs::Nothing || self.interrupted {
            return;
        }
        if let Some(mut boot) = Boot::read(&self.paths.boot()).filter(|boot| !boot.ended) {
            boot.ended = true;
            self.record(&boot);
        }
    }

    /// Somebody has decided what becomes of it.
    pub(super) fn interruption_decided(&mut self) {
        self.interrupted = false;
        self.boot_ended();
    }

    fn record(&self, boot: &Boot) {
        if let Err(failure) = boot.write(&self.paths) {
            tracing::warn!(guest = %self.id, error = %failure, "the record of the guest's boot can't be written");
        }
    }

    /// Starts what ran, without being asked: the guest's own disks, or, in rescue, the rescue system, as another boot of its session.
    pub(super) async fn revive(&mut self) {
        if !std::mem::take(&mut self.interrupted) {
            return;
        }
        let cx = Cx::default();
        let started = match self.described() {
            Described::Own => self.start(&cx).await.map(drop),
            Described::Rescue(_) => self.boot_rescue_again(&cx).await,
            Described::Not => return,
        };
        match started {
            Ok(()) => tracing::info!(guest = %self.id, "started again after the machine's"),
            Err(failure) => {
                tracing::error!(guest = %self.id, code = %failure.code, error = %failure, "the guest stays off: it can't be started again");
            }
        }
        self.boot_ended();
        self.release_disks();
        self.publish();
    }
}

impl Boot {
    /// # Errors
    /// As the file system says.
    pub(super) fn write(&self, paths: &super::paths::Paths) -> Result<(), types::operation::Failure> {
        let json = serde_json::to_vec_pretty(self).expect("plain data");
        service::files::write_atomic(&paths.boot(), &json, 0o600).map_err(broken("boot.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_boot_of_an_earlier_start_of_the_machine_that_has_not_ended_was_interrupted() {
        let boot =
            |machine: &str, ended| Some(Boot { machine: machine.into(), ended, ..Boot::unknown(None, String::new()) });
        let table = [
            (None, "b", false),
            (boot("a", false), "b", true),
            (boot("a", true), "b", false),
            (boot("b", false), "b", false),
            // Written before the machine's starts were recorded; a kernel that does not tell them.
            (boot("", false), "b", false),
            (boot("a", false), "", false),
        ];
        for (boot, machine, expected) in table {
            assert_eq!(interrupted(boot.as_ref(), machine), expected, "{boot:?} {machine}");
        }
    }

    #[test]
    fn a_host_starts_nothing_by_itself_unless_it_is_told_to() {
        use Autostart::{Always, Never, Region};
        let table = [
            (Region, false, false, Decided::Wait),
            (Region, true, false, Decided::Start),
            (Region, true, true, Decided::Wait),
            (Always, false, false, Decided::Start),
            (Always, false, true, Decided::Wait),
            (Never, true, false, Decided::StayOff),
            (Never, true, true, Decided::StayOff),
        ];
        for (autostart, given_up, busy, expected) in table {
            assert_eq!(decide(autostart, given_up, busy), expected, "{autostart:?} {given_up} {busy}");
        }
    }
}
