//! `POST /servers/{id}/rescue-repair`: mends what a diagnosis found, from inside the rescue system. It writes beside the server's disks
//! (disk mode `overlay`), so that nothing is final before stop-rescue commits it. The task has succeeded when the rescue system has told
//! how each fix ended and which files differ; a fix that failed is told there. With `auto`: [`rescue_auto`].

use std::time::Duration;

use api::server::RescueRepair;
use db::examination::Kind;
use db::guest::Guest;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::diagnosis::RepairReport;
use types::operation::Outcome;
use types::verb::Verb;
use types::{DiskMode, GuestStatus};

use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::guest::rescue_auto;
use crate::guest::rescue_verb::{self, Asked};
use crate::host_client::Call;

impl Perform<RescueRepair> for Guest {
    /// From the others with `auto` alone.
    const FROM: &'static [GuestStatus] = &[GuestStatus::Rescue, GuestStatus::Ready, GuestStatus::Running];

    async fn perform(self, action: RescueRepair, cx: &mut Cx<'_>) -> Result<Done<RescueRepair>> {
        if action.auto {
            return Ok(Done::task(rescue_auto::begin(self, &action, cx).await?));
        }
        if self.status != GuestStatus::Rescue {
            return Err(Error::status(format!(
                "server '{}' is {}: fixes are done from inside the rescue system: start-rescue with disk_mode overlay first, or give auto",
                self.name, self.status
            )));
        }
        let session = rescue_verb::proven(&self, cx).await?;
        if !action.dry_run && session.disk_mode != DiskMode::Overlay {
            return Err(Error::status(format!(
                "server '{}' is in rescue with disk mode {}, where a repair could not be taken back: stop-rescue, then start-rescue with \
                 disk_mode overlay; or give dry_run, and mend by hand",
                self.name, session.disk_mode
            )));
        }
        let notes =
            format!("requested{}: {}", if action.dry_run { ", as a dry run" } else { "" }, action.fix.join(", "));
        let verb = ServerRepair { asked: Asked::of(&self, &session), fix: action.fix, dry_run: action.dry_run };
        Ok(Done::task(one_call::begin(verb, &self, notes, cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerRepair {
    asked: Asked,
    fix: Vec<String>,
    dry_run: bool,
}

impl OneCall for ServerRepair {
    const TASK: &'static str = "RescueRepairTask";
    /// A file system is checked, an initramfs is built anew, perhaps under emulation.
    const LIMIT: Duration = Duration::from_secs(1800);

    fn on(&self) -> On {
        self.asked.on
    }
    fn action(&self) -> &'static str {
        "rescue_repair"
    }
    fn during(&self) -> Option<GuestStatus> {
        None
    }
    fn failed(&self) -> Option<GuestStatus> {
        None
    }
    fn call(&self) -> Call {
        self.asked.call(&Verb::Repair { codes: self.fix.clone(), dry_run: self.dry_run }, Self::LIMIT)
    }
    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        let report: RepairReport = self.asked.keep(outcome, Kind::Repair, cx)?;
        let said = |fix: &types::diagnosis::FixResult| format!("{} {}", fix.code, fix.state);
        let notes = report.fixes.iter().map(said).collect::<Vec<_>>().join(", ");
        let files = report.changes.len();
        let dry = if self.dry_run { "a dry run: " } else { "" };
        Ok(Settled { to: self.asked.on.from, power: None, notes: format!("{dry}{notes}; {files} files differ") })
    }
}
