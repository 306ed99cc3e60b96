//! `POST /servers/{id}/create-snapshot`: keeps all disks as they are now. Of a running server they are as after a power failure.

use api::ErrorClass;
use api::snapshot::{CreateSnapshot, MAX_SNAPSHOTS};
use chrono::Utc;
use db::guest::Guest;
use db::snapshot::Snapshot;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::GuestStatus;
use types::desc::DiskFormat;
use types::id::SnapshotId;
use types::operation::Outcome;
use types::status::SnapshotStatus;

use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::host_client::{Call, unexpected};

/// Where snapshots are made and deleted.
pub const FROM: &[GuestStatus] = &[GuestStatus::Ready, GuestStatus::Running, GuestStatus::Suspended];

impl Perform<CreateSnapshot> for Guest {
    const FROM: &'static [GuestStatus] = FROM;

    async fn perform(self, action: CreateSnapshot, cx: &mut Cx<'_>) -> Result<Done<CreateSnapshot>> {
        let desc = self.parsed_desc()?;
        if let Some(raw) = desc.disks.iter().find(|d| d.format != DiskFormat::Qcow2) {
            return Err(Error::new(
                ErrorClass::Conflict,
                format!("disk {} of server '{}' is {}: only qcow2 keeps snapshots", raw.serial, self.name, raw.format),
            ));
        }
        if db::snapshot::count_of(cx.conn, self.id).await? >= MAX_SNAPSHOTS {
            return Err(Error::new(
                ErrorClass::Conflict,
                format!("server '{}' has {MAX_SNAPSHOTS} snapshots, as many as it may: delete one first", self.name),
            ));
        }
        let snapshot = Snapshot {
            id: SnapshotId::generate(),
            guest_id: self.id,
            name: action.name.clone(),
            project: self.project.clone(),
            status: SnapshotStatus::Creating,
            status_reason: None,
            description: action.description,
            disks: serde_json::to_value(&desc.disks)?,
            running: self.status != GuestStatus::Ready,
            created_at: Utc::now(),
        };
        db::snapshot::insert(cx.conn, &snapshot).await.map_err(|e| match e {
            diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => Error::new(
                ErrorClass::DuplicateResource,
                format!("server '{}' has a snapshot '{}' already: choose another name", self.name, action.name),
            ),
            other => other.into(),
        })?;
        let verb = ServerSnapshot { on: On::of(&self), snapshot: snapshot.id };
        Ok(Done::task(one_call::begin(verb, &self, format!("snapshot '{}'", action.name), cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerSnapshot {
    on: On,
    snapshot: SnapshotId,
}

impl OneCall for ServerSnapshot {
    const TASK: &'static str = "ServerSnapshotTask";
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(600);

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "create_snapshot"
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(GuestStatus::Snapshot)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(GuestStatus::SnapshotFailed)
    }
    fn call(&self) -> Call {
        Call::CreateSnapshot(pb::SnapshotRequest { operation: None, snapshot_id: self.snapshot.to_string() })
    }

    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        if outcome != Outcome::SnapshotDone {
            return Err(unexpected(&outcome));
        }
        let id = self.snapshot;
        cx.on_save(async move |conn| Ok(db::snapshot::set_status(conn, id, SnapshotStatus::Ready, None).await?));
        Ok(Settled { to: self.on.from, power: None, notes: "the snapshot is made".into() })
    }

    fn undone(&self, why: &str, cx: &mut TaskCx<'_, App>) {
        let (id, why) = (self.snapshot, why.to_owned());
        cx.on_save(async move |conn| {
            Ok(db::snapshot::set_status(conn, id, SnapshotStatus::CreateFailed, Some(&why)).await?)
        });
    }
}
