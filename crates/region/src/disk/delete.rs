//! `DELETE /disks/{id}`: a detached disk, with all that is on it. The task holds the server it was taken from, which need not exist any
//! more: its host knows the disk as that server's.

use std::time::Duration;

use api::ErrorClass;
use api::disk::DeleteDisk;
use db::disk::Disk;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use task_engine::{Next, StepError, Task, TaskCx};
use types::id::DiskId;
use types::operation::Outcome;
use types::status::DiskStatus;
use types::{GuestId, HostId};

use super::OBJECT;
use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest;
use crate::guest::work;
use crate::host_client::{Call, ask, unexpected};

impl Perform<DeleteDisk> for Disk {
    async fn perform(self, _: DeleteDisk, cx: &mut Cx<'_>) -> Result<Done<DeleteDisk>> {
        if let Some(server) = &self.guest {
            return Err(Error::new(
                ErrorClass::Conflict,
                format!("disk '{}' belongs to server '{server}': detach it first, or delete the server", self.serial),
            ));
        }
        let row = db::detached::lock(cx.conn, self.id).await?;
        let row = row.ok_or_else(|| Error::not_found("disk", &self.serial))?;
        let free = match (row.status, row.attaching_to) {
            (DiskStatus::Ready | DiskStatus::DeleteFailed, _) => true,
            // The server it was to come to is gone, and can't take it any more.
            (DiskStatus::Attaching, Some(server)) => db::guest::get(cx.conn, server).await?.is_none(),
            (DiskStatus::Attaching | DiskStatus::Deleting | DiskStatus::InUse, _) => false,
        };
        if !free {
            return Err(Error::status(format!(
                "disk '{}' is in {}: wait for its task to end",
                self.serial, row.status
            )));
        }
        let (id, name) = (self.id, self.serial.clone());
        let task = DiskDeleteTask { disk: id, name, guest: row.last_guest_id, host: row.host_id };
        let spawned = cx.start(&task, guest::OBJECT, row.last_guest_id.uuid()).await?;
        db::detached::set_status(cx.conn, id, DiskStatus::Deleting).await?;
        cx.event(task.note(true, "requested".into(), spawned.id)).await?;
        Ok(Done::task(spawned))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DiskDeleteTask {
    disk: DiskId,
    name: String,
    guest: GuestId,
    host: HostId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    DeleteDisk,
}

impl Task for DiskDeleteTask {
    const NAME: &'static str = "DiskDeleteTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let call = Call::DeleteDisk(pb::DeleteDiskRequest { operation: None, disk_id: self.disk.to_string() });
        match ask(cx, self.host, self.guest, call).await? {
            None => Ok(Next::wait(stage, Self::limit(&stage))),
            Some(Outcome::DiskDeleted) => {
                let disk = self.disk;
                cx.on_save(async move |conn| Ok(db::detached::remove(conn, vec![disk]).await?));
                self.tell(cx, true, "deleted".into());
                Ok(Next::done(()))
            }
            Some(other) => Err(unexpected(&other)),
        }
    }

    async fn failed(&self, _: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        let disk = self.disk;
        cx.on_save(async move |conn| Ok(db::detached::set_status(conn, disk, DiskStatus::DeleteFailed).await?));
        self.tell(cx, false, why.cause);
        Ok(Next::done(()))
    }

    fn limit(_: &Stage) -> Duration {
        Duration::from_secs(300)
    }
}

impl DiskDeleteTask {
    fn note(&self, success: bool, notes: String, task: uuid::Uuid) -> Note<'_> {
        Note {
            obj_type: OBJECT,
            obj_id: self.disk.uuid(),
            obj_name: &self.name,
            action: "delete",
            success,
            notes,
            status: None,
            task: Some(task),
        }
    }

    /// Makes the event part of the step's save.
    fn tell(&self, cx: &mut TaskCx<'_, App>, success: bool, notes: String) {
        let who = cx.created_by().cloned().unwrap_or_default();
        let text = |key: &str| who.get(key).and_then(Value::as_str).map(str::to_owned);
        let (user, project) = (text("user").unwrap_or_default(), text("project").unwrap_or_default());
        let request = cx.request_id().map(str::to_owned);
        let event = self.note(success, notes, cx.id()).of(&user, &project, text("source"), request);
        cx.on_save(async move |conn| Ok(db::event::insert(conn, &event).await?));
    }
}
