//! `POST /servers/{id}/revert-snapshot`: all disks go back to what they were; what was written since is lost. Only while the server is off.

use api::ErrorClass;
use api::snapshot::RevertSnapshot;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::GuestStatus;
use types::desc::DiskDesc;
use types::id::SnapshotId;
use types::operation::Outcome;
use types::status::SnapshotStatus;

use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::host_client::{Call, unexpected};

impl Perform<RevertSnapshot> for Guest {
    const FROM: &'static [GuestStatus] = &[GuestStatus::Ready];

    async fn perform(self, action: RevertSnapshot, cx: &mut Cx<'_>) -> Result<Done<RevertSnapshot>> {
        let found = db::snapshot::of_guest(cx.conn, self.id, &action.snapshot_id).await?;
        let snapshot = found.ok_or_else(|| Error::not_found("snapshot", &action.snapshot_id))?;
        if snapshot.status != SnapshotStatus::Ready {
            return Err(Error::status(format!(
                "snapshot '{}' is in {}: it must be ready",
                snapshot.name, snapshot.status
            )));
        }
        let then: Vec<DiskDesc> = serde_json::from_value(snapshot.disks)?;
        let now = self.parsed_desc()?;
        if let Some(newer) = now.disks.iter().find(|d| !then.iter().any(|t| t.id == d.id)) {
            return Err(Error::new(
                ErrorClass::Conflict,
                format!("disk {} was attached after snapshot '{}': detach it first", newer.serial, snapshot.name),
            ));
        }
        let verb = ServerRevert { on: On::of(&self), snapshot: snapshot.id };
        Ok(Done::task(one_call::begin(verb, &self, format!("to snapshot '{}'", snapshot.name), cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerRevert {
    on: On,
    snapshot: SnapshotId,
}

impl OneCall for ServerRevert {
    const TASK: &'static str = "ServerRevertTask";
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(600);

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "revert_snapshot"
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(GuestStatus::DiskReset)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(GuestStatus::DiskResetFailed)
    }
    fn call(&self) -> Call {
        Call::RevertSnapshot(pb::SnapshotRequest { operation: None, snapshot_id: self.snapshot.to_string() })
    }
    fn done(&self, outcome: Outcome, _: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        match outcome {
            Outcome::SnapshotDone => {
                Ok(Settled { to: self.on.from, power: None, notes: "its disks are as they were".into() })
            }
            other => Err(unexpected(&other)),
        }
    }
}
