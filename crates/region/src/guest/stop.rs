//! `POST /servers/{id}/stop`: powers a server off, gently unless forced. From a failed rescue it also puts the server right.

use std::time::Duration;

use api::server::Stop;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::{GuestId, GuestStatus, HostId, PowerState, SessionId, SessionState};

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::work::{self, Change};
use crate::host_client::{Call, ask, unexpected};

/// Seconds a guest gets to power off.
pub const DEFAULT_TIMEOUT_S: u32 = 60;

/// Beyond the guest's own time: for quit, kill, and the way to the host and back.
pub const STOP_SLACK: Duration = Duration::from_secs(120);

impl Perform<Stop> for Guest {
    const FROM: &'static [GuestStatus] = &[
        GuestStatus::Running,
        GuestStatus::StartFailed,
        GuestStatus::StopFailed,
        GuestStatus::Suspended,
        GuestStatus::SuspendFailed,
        GuestStatus::ResumeFailed,
        GuestStatus::StartRescueFailed,
        GuestStatus::StopRescueFailed,
    ];

    async fn perform(self, action: Stop, cx: &mut Cx<'_>) -> Result<Done<Stop>> {
        if self.status == GuestStatus::Suspended && !action.is_force {
            return Err(Error::status(format!(
                "server '{}' is suspended and can't hear the power button: resume it, or give is_force to lose what is in its memory",
                self.name
            )));
        }
        let leftover = leftover(&self, cx).await?;
        let task = ServerStopTask {
            guest: self.id,
            host: self.host_id,
            timeout_s: action.timeout_secs.unwrap_or(DEFAULT_TIMEOUT_S),
            force: action.is_force,
            leftover,
            from: self.status,
        };
        let spawned = cx.start(&task, OBJECT, self.id.uuid()).await?;
        db::guest::set_status(cx.conn, self.id, GuestStatus::Stopping, None).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: self.id.uuid(),
            obj_name: &self.name,
            action: "stop",
            success: true,
            notes: if action.is_force { "requested, by force".into() } else { "requested".into() },
            status: Some((self.status, GuestStatus::Stopping)),
            task: Some(spawned.id),
        })
        .await?;
        Ok(Done::task(spawned))
    }
}

/// The session that a failed rescue left behind on the host.
pub async fn leftover(guest: &Guest, cx: &mut Cx<'_>) -> Result<Option<SessionId>> {
    if !GuestStatus::OF_RESCUE.contains(&guest.status) {
        return Ok(None);
    }
    Ok(db::session::of_guest(cx.conn, guest).await?.map(|s| s.id))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerStopTask {
    guest: GuestId,
    host: HostId,
    timeout_s: u32,
    force: bool,
    leftover: Option<SessionId>,
    from: GuestStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    StopServer,
    RestoreDesc,
}

impl Task for ServerStopTask {
    const NAME: &'static str = "ServerStopTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        match stage {
            Stage::StopServer => {
                let limit = Duration::from_secs(self.timeout_s.into()) + STOP_SLACK;
                let call =
                    Call::Stop(pb::StopGuestRequest { operation: None, timeout_s: self.timeout_s, force: self.force });
                match ask(cx, self.host, self.guest, call).await? {
                    None => Ok(Next::wait(stage, limit)),
                    Some(Outcome::Stopped { .. }) if self.leftover.is_some() => Ok(Next::go(Stage::RestoreDesc)),
                    Some(Outcome::Stopped { how, seconds, steps }) => {
                        let tried: Vec<_> = steps.iter().map(|it| format!("{} {:.1} s", it.how, it.seconds)).collect();
                        // One step needs no list.
                        let tried = if tried.len() > 1 { format!(" ({})", tried.join(", ")) } else { String::new() };
                        self.end(cx, format!("stopped by {how} in {seconds:.1} s{tried}"))
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
            Stage::RestoreDesc => {
                let Some(session) = self.leftover else {
                    return self.end(cx, "stopped".into());
                };
                let call = work::restore_call(cx.env(), session).await?;
                match ask(cx, self.host, self.guest, call).await? {
                    None => Ok(Next::wait(stage, Self::limit(&stage))),
                    Some(Outcome::Restored { .. }) => {
                        work::close_session(cx, self.guest, session, SessionState::Failed, None);
                        self.end(cx, "stopped, and out of rescue".into())
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
        }
    }

    async fn failed(&self, _: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        // A rescue that still has to be put right must not be forgotten.
        let to = if self.leftover.is_some() { self.from } else { GuestStatus::StopFailed };
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: None,
                reason: Some(why.cause.clone()),
                action: "stop",
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

impl ServerStopTask {
    fn end(&self, cx: &mut TaskCx<'_, App>, notes: String) -> Result<Next<Stage>, StepError> {
        work::change(
            cx,
            Change {
                guest: self.guest,
                to: GuestStatus::Ready,
                power: Some(PowerState::Shutoff),
                reason: None,
                action: "stop",
                success: true,
                notes,
            },
        );
        Ok(Next::done(()))
    }
}
