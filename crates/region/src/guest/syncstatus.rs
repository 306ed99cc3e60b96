//! `POST /servers/{id}/syncstatus`: asks the host now, and lets power state, configuration and status follow. It is the way out where a
//! change failed and nobody knew how far it came. A server in rescue stays in rescue.

use std::time::Duration;

use api::server::SyncStatus;
use db::guest::Guest;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::GuestStatus;

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::OBJECT;
use crate::guest::look::{self, Asked};
use crate::guest::one_call::On;
use crate::guest::work::{self, Change};

const ACTION: &str = "syncstatus";

impl Perform<SyncStatus> for Guest {
    const FROM: &'static [GuestStatus] = &[
        GuestStatus::Ready,
        GuestStatus::StartFailed,
        GuestStatus::Running,
        GuestStatus::StopFailed,
        GuestStatus::Suspended,
        GuestStatus::SuspendFailed,
        GuestStatus::ResumeFailed,
        GuestStatus::ChangeConfigFailed,
        GuestStatus::AttachDiskFailed,
        GuestStatus::DetachDiskFailed,
        GuestStatus::DiskResizeFailed,
        GuestStatus::SnapshotFailed,
        GuestStatus::DiskResetFailed,
        GuestStatus::Rescue,
        GuestStatus::StartRescueFailed,
        GuestStatus::StopRescueFailed,
    ];

    async fn perform(self, _: SyncStatus, cx: &mut Cx<'_>) -> Result<Done<SyncStatus>> {
        let task = ServerSyncstatusTask { on: On::of(&self) };
        let spawned = cx.start(&task, OBJECT, self.id.uuid()).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: self.id.uuid(),
            obj_name: &self.name,
            action: ACTION,
            success: true,
            notes: "requested".into(),
            status: None,
            task: Some(spawned.id),
        })
        .await?;
        Ok(Done::task(spawned))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerSyncstatusTask {
    on: On,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    AskHost,
}

impl Task for ServerSyncstatusTask {
    const NAME: &'static str = "ServerSyncstatusTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let On { guest, host, from } = self.on;
        let Some(seen) = look::see(cx, host, guest).await? else {
            return Ok(Next::wait(stage, Self::limit(&stage)));
        };
        let notes = format!("its host sees it {}", seen.report.power);
        // What an earlier failure said stays with the failed rescue it explains.
        let kept = GuestStatus::OF_RESCUE.contains(&from);
        let reason = if kept { work::guest(cx.env(), guest).await?.status_reason } else { None };
        look::adopt(cx, guest, from, seen, Asked { action: ACTION, success: true, reason, notes });
        Ok(Next::done(()))
    }

    async fn failed(&self, _: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        work::change(
            cx,
            Change {
                guest: self.on.guest,
                to: self.on.from,
                power: None,
                reason: Some(format!("its host does not say how it is: {}", why.cause)),
                action: ACTION,
                success: false,
                notes: why.cause,
            },
        );
        Ok(Next::done(()))
    }

    fn limit(_: &Stage) -> Duration {
        Duration::from_secs(60)
    }
}
