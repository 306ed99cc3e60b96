//! `DELETE /snapshots/{id}`: a task of its server, which is held meanwhile.

use api::snapshot::DeleteSnapshot;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::GuestStatus;
use types::id::SnapshotId;
use types::operation::Outcome;
use types::status::SnapshotStatus;

use super::Snapshot;
use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::create_snapshot::FROM;
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::host_client::{Call, unexpected};

impl Perform<DeleteSnapshot> for Snapshot {
    async fn perform(self, _: DeleteSnapshot, cx: &mut Cx<'_>) -> Result<Done<DeleteSnapshot>> {
        let found = db::guest::lock(cx.conn, self.row.guest_id).await?;
        let guest = found.ok_or_else(|| Error::not_found("snapshot", &self.row.name))?;
        if !FROM.contains(&guest.status) {
            let wanted: Vec<&str> = FROM.iter().map(|s| s.as_str()).collect();
            return Err(Error::status(format!(
                "a snapshot is deleted while its server is in {}, but '{}' is in {}",
                wanted.join(" or "),
                guest.name,
                guest.status
            )));
        }
        let id = self.row.id;
        let verb = SnapshotDelete { on: On::of(&guest), snapshot: id };
        let spawned = one_call::begin(verb, &guest, format!("snapshot '{}'", self.row.name), cx).await?;
        db::snapshot::set_status(cx.conn, id, SnapshotStatus::Deleting, None).await?;
        Ok(Done::task(spawned))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotDelete {
    on: On,
    snapshot: SnapshotId,
}

impl OneCall for SnapshotDelete {
    const TASK: &'static str = "SnapshotDeleteTask";
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(600);

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "delete_snapshot"
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(GuestStatus::SnapshotDelete)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(GuestStatus::SnapshotFailed)
    }
    fn call(&self) -> Call {
        Call::DeleteSnapshot(pb::SnapshotRequest { operation: None, snapshot_id: self.snapshot.to_string() })
    }

    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        if outcome != Outcome::SnapshotDone {
            return Err(unexpected(&outcome));
        }
        let id = self.snapshot;
        cx.on_save(async move |conn| Ok(db::snapshot::delete(conn, id).await?));
        Ok(Settled { to: self.on.from, power: None, notes: "the snapshot is gone".into() })
    }

    fn undone(&self, why: &str, cx: &mut TaskCx<'_, App>) {
        let (id, why) = (self.snapshot, why.to_owned());
        cx.on_save(async move |conn| {
            Ok(db::snapshot::set_status(conn, id, SnapshotStatus::DeleteFailed, Some(&why)).await?)
        });
    }
}
