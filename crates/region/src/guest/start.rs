//! `POST /servers/{id}/start`: boots a server from its own disks.

use std::time::Duration;

use api::server::Start;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::{GuestId, GuestStatus, HostId, PowerState, SessionId, SessionState};

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::work::{self, Change};
use crate::guest::{OBJECT, stop};
use crate::host_client::{Call, ask, unexpected};

impl Perform<Start> for Guest {
    const FROM: &'static [GuestStatus] =
        &[GuestStatus::Ready, GuestStatus::StartFailed, GuestStatus::StopFailed, GuestStatus::StartRescueFailed];

    async fn perform(self, _: Start, cx: &mut Cx<'_>) -> Result<Done<Start>> {
        let leftover = stop::leftover(&self, cx).await?;
        let task = ServerStartTask { guest: self.id, host: self.host_id, leftover };
        let spawned = cx.start(&task, OBJECT, self.id.uuid()).await?;
        db::guest::set_status(cx.conn, self.id, GuestStatus::Starting, None).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: self.id.uuid(),
            obj_name: &self.name,
            action: "start",
            success: true,
            notes: "requested".into(),
            status: Some((self.status, GuestStatus::Starting)),
            task: Some(spawned.id),
        })
        .await?;
        Ok(Done::task(spawned))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerStartTask {
    guest: GuestId,
    host: HostId,
    /// A session that could not be ended: what it left on the host is put right first.
    leftover: Option<SessionId>,
}

impl ServerStartTask {
    /// Of a server that ran, and has nothing to be put right.
    pub(super) fn again(guest: &Guest) -> Self {
        Self { guest: guest.id, host: guest.host_id, leftover: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    Begin,
    RestoreDesc,
    StartServer,
}

impl Task for ServerStartTask {
    const NAME: &'static str = "ServerStartTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        match (stage, self.leftover) {
            (Stage::Begin, Some(_)) => Ok(Next::go(Stage::RestoreDesc)),
            (Stage::Begin | Stage::RestoreDesc, None) => Ok(Next::go(Stage::StartServer)),
            (Stage::RestoreDesc, Some(session)) => {
                let call = work::restore_call(cx.env(), session).await?;
                match ask(cx, self.host, self.guest, call).await? {
                    None => Ok(Next::wait(stage, Self::limit(&stage))),
                    Some(Outcome::Restored { .. }) => {
                        work::close_session(cx, self.guest, session, SessionState::Failed, None);
                        Ok(Next::go(Stage::StartServer))
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
            (Stage::StartServer, _) => {
                match ask(cx, self.host, self.guest, Call::Start(pb::StartGuestRequest::default())).await? {
                    None => Ok(Next::wait(stage, Self::limit(&stage))),
                    Some(Outcome::Started) => {
                        work::change(
                            cx,
                            Change {
                                guest: self.guest,
                                to: GuestStatus::Running,
                                power: Some(PowerState::Running),
                                reason: None,
                                action: "start",
                                success: true,
                                notes: "started".into(),
                            },
                        );
                        Ok(Next::done(()))
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
        }
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        // A rescue that still has to be put right must not be forgotten.
        let to = match (at, self.leftover) {
            (Stage::Begin | Stage::RestoreDesc, Some(_)) => GuestStatus::StartRescueFailed,
            (Stage::Begin | Stage::RestoreDesc, None) | (Stage::StartServer, _) => GuestStatus::StartFailed,
        };
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: None,
                reason: Some(why.cause.clone()),
                action: "start",
                success: false,
                notes: why.cause,
            },
        );
        Ok(Next::done(()))
    }

    fn limit(_: &Stage) -> Duration {
        Duration::from_secs(120)
    }
}
