//! `DELETE /servers/{id}`: the server and its disks. It must be off, or have failed.

use std::time::Duration;

use api::server::Delete;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::{GuestId, GuestStatus, HostId, PowerState, SessionState};

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::OBJECT;
use crate::guest::work::{self, Change};
use crate::host_client::{Call, ask, unexpected};

impl Perform<Delete> for Guest {
    const FROM: &'static [GuestStatus] = &[
        GuestStatus::Ready,
        GuestStatus::CreateFailed,
        GuestStatus::StartFailed,
        GuestStatus::StopFailed,
        GuestStatus::ChangeConfigFailed,
        GuestStatus::AttachDiskFailed,
        GuestStatus::DetachDiskFailed,
        GuestStatus::DiskResizeFailed,
        GuestStatus::SnapshotFailed,
        GuestStatus::DiskResetFailed,
        GuestStatus::DeleteFailed,
    ];

    async fn perform(self, _: Delete, cx: &mut Cx<'_>) -> Result<Done<Delete>> {
        let task = ServerDeleteTask { guest: self.id, host: self.host_id };
        let spawned = cx.start(&task, OBJECT, self.id.uuid()).await?;
        db::guest::set_status(cx.conn, self.id, GuestStatus::Deleting, None).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: self.id.uuid(),
            obj_name: &self.name,
            action: "delete",
            success: true,
            notes: "requested".into(),
            status: Some((self.status, GuestStatus::Deleting)),
            task: Some(spawned.id),
        })
        .await?;
        Ok(Done::task(spawned))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerDeleteTask {
    guest: GuestId,
    host: HostId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    DeleteServer,
}

impl Task for ServerDeleteTask {
    const NAME: &'static str = "ServerDeleteTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        match ask(cx, self.host, self.guest, Call::Delete(pb::DeleteGuestRequest::default())).await? {
            None => Ok(Next::wait(stage, Self::limit(&stage))),
            Some(Outcome::Deleted) => {
                let guest = self.guest;
                work::change(
                    cx,
                    Change {
                        guest,
                        to: GuestStatus::Deleting,
                        power: Some(PowerState::Shutoff),
                        reason: None,
                        action: "delete",
                        success: true,
                        notes: "deleted".into(),
                    },
                );
                cx.on_save(async move |conn| {
                    if let Some(session) = db::session::open_of(conn, guest).await? {
                        let nothing = serde_json::json!([]);
                        db::session::close(conn, session.id, SessionState::Closed, None, &nothing).await?;
                    }
                    Ok(db::guest::set_deleted(conn, guest).await?)
                });
                Ok(Next::done(()))
            }
            Some(other) => Err(unexpected(&other)),
        }
    }

    async fn failed(&self, _: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        work::change(
            cx,
            Change {
                guest: self.guest,
                to: GuestStatus::DeleteFailed,
                power: None,
                reason: Some(why.cause.clone()),
                action: "delete",
                success: false,
                notes: why.cause,
            },
        );
        Ok(Next::done(()))
    }

    fn limit(_: &Stage) -> Duration {
        Duration::from_secs(300)
    }
}
