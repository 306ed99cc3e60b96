//! `POST /servers/{id}/restart`: off, gently unless forced, and on again, as one task. In rescue it is the rescue system that is stopped
//! gently and booted again: the server stays in rescue, and is ready once it has proven itself anew.

use std::time::Duration;

use api::server::Restart;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::{GuestStatus, PowerState, SessionId};

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::one_call::On;
use crate::guest::start_rescue::{await_call, keep_host_key, start_call};
use crate::guest::stop::{DEFAULT_TIMEOUT_S, STOP_SLACK};
use crate::guest::work::{self, Change};
use crate::host_client::{Call, ask, unexpected};

const ACTION: &str = "restart";

impl Perform<Restart> for Guest {
    const FROM: &'static [GuestStatus] =
        &[GuestStatus::Running, GuestStatus::StartFailed, GuestStatus::StopFailed, GuestStatus::Rescue];

    async fn perform(self, action: Restart, cx: &mut Cx<'_>) -> Result<Done<Restart>> {
        let on = On::of(&self);
        let stop = HowToStop { timeout_s: action.timeout_secs.unwrap_or(DEFAULT_TIMEOUT_S), force: action.is_force };
        let in_rescue = self.status == GuestStatus::Rescue;
        let (spawned, status) = if in_rescue {
            let session = db::session::of_guest(cx.conn, &self).await?;
            let session =
                session.ok_or_else(|| Error::status(format!("server '{}' has no rescue session", self.name)))?;
            db::session::set_rebooting(cx.conn, self.id).await?;
            (cx.start(&RescueRestartTask { on, stop, session: session.id }, OBJECT, self.id.uuid()).await?, None)
        } else {
            let spawned = cx.start(&ServerRestartTask { on, stop }, OBJECT, self.id.uuid()).await?;
            db::guest::set_status(cx.conn, self.id, GuestStatus::Restarting, None).await?;
            (spawned, Some((self.status, GuestStatus::Restarting)))
        };
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: self.id.uuid(),
            obj_name: &self.name,
            action: ACTION,
            success: true,
            notes: if action.is_force { "requested, by force".into() } else { "requested".into() },
            status,
            task: Some(spawned.id),
        })
        .await?;
        Ok(Done::task(spawned))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct HowToStop {
    timeout_s: u32,
    force: bool,
}

impl HowToStop {
    fn call(self) -> Call {
        Call::Stop(pb::StopGuestRequest { operation: None, timeout_s: self.timeout_s, force: self.force })
    }
    fn limit(self) -> Duration {
        Duration::from_secs(self.timeout_s.into()) + STOP_SLACK
    }
}

/// Beyond a host's answer to a start.
const START_LIMIT: Duration = Duration::from_secs(120);

fn change(on: On, to: GuestStatus, success: bool, notes: String) -> Change {
    let reason = (!success).then(|| notes.clone());
    Change { guest: on.guest, to, power: None, reason, action: ACTION, success, notes }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerRestartTask {
    on: On,
    stop: HowToStop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    StopServer,
    StartServer,
}

impl Task for ServerRestartTask {
    const NAME: &'static str = "ServerRestartTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let (call, limit) = match stage {
            Stage::StopServer => (self.stop.call(), self.stop.limit()),
            Stage::StartServer => (Call::Start(pb::StartGuestRequest::default()), START_LIMIT),
        };
        match (stage, ask(cx, self.on.host, self.on.guest, call).await?) {
            (_, None) => Ok(Next::wait(stage, limit)),
            (Stage::StopServer, Some(Outcome::Stopped { .. })) => Ok(Next::go(Stage::StartServer)),
            (Stage::StartServer, Some(Outcome::Started)) => {
                let done = change(self.on, GuestStatus::Running, true, "restarted".into());
                work::change(cx, Change { power: Some(PowerState::Running), ..done });
                Ok(Next::done(()))
            }
            (_, Some(other)) => Err(unexpected(&other)),
        }
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let to = match at {
            Stage::StopServer => GuestStatus::StopFailed,
            Stage::StartServer => GuestStatus::StartFailed,
        };
        let why = work::why(cx, cause);
        work::change(cx, change(self.on, to, false, why.cause));
        Ok(Next::done(()))
    }

    fn limit(_: &Stage) -> Duration {
        START_LIMIT
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RescueRestartTask {
    on: On,
    stop: HowToStop,
    session: SessionId,
}

impl RescueRestartTask {
    /// Of a rescue system that went down with its host.
    pub(super) fn again(on: On, session: SessionId) -> Self {
        Self { on, stop: HowToStop { timeout_s: 0, force: true }, session }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RescueStage {
    #[default]
    StopRescueSystem,
    RescueStartServer,
    AwaitReady,
}

impl Task for RescueRestartTask {
    const NAME: &'static str = "RescueRestartTask";
    type Env = App;
    type Stage = RescueStage;

    async fn step(&self, stage: RescueStage, cx: &mut TaskCx<'_, App>) -> Result<Next<RescueStage>, StepError> {
        let (call, limit) = match stage {
            RescueStage::StopRescueSystem => (self.stop.call(), self.stop.limit()),
            RescueStage::RescueStartServer => (start_call(cx.env(), self.session, false).await?, START_LIMIT),
            RescueStage::AwaitReady => {
                let timeout_s = cx.env().config.rescue.ready_timeout_s;
                (await_call(cx.env(), self.session), Duration::from_secs(timeout_s.into()) + Duration::from_secs(60))
            }
        };
        let session = self.session;
        match (stage, ask(cx, self.on.host, self.on.guest, call).await?) {
            (_, None) => Ok(Next::wait(stage, limit)),
            (RescueStage::StopRescueSystem, Some(Outcome::Stopped { .. })) => {
                Ok(Next::go(RescueStage::RescueStartServer))
            }
            (RescueStage::RescueStartServer, Some(Outcome::RescueStarted { ssh_host_key, .. })) => {
                keep_host_key(cx, session, ssh_host_key);
                Ok(Next::go(RescueStage::AwaitReady))
            }
            (RescueStage::AwaitReady, Some(Outcome::Ready { ready, seconds, .. })) => {
                let boot = i32::try_from(ready.boot).unwrap_or(i32::MAX);
                let report = serde_json::to_value(&*ready).map_err(|e| StepError::because(&e))?;
                cx.on_save(async move |conn| Ok(db::session::set_ready(conn, session, &report, boot).await?));
                let notes = format!("the rescue system has proven itself again after {seconds:.1} s");
                let done = change(self.on, GuestStatus::Rescue, true, notes);
                work::change(cx, Change { power: Some(PowerState::Running), ..done });
                Ok(Next::done(()))
            }
            (_, Some(other)) => Err(unexpected(&other)),
        }
    }

    /// The server stays in rescue, off or not ready: restart and stop-rescue lead on.
    async fn failed(
        &self,
        _: RescueStage,
        cause: &StepError,
        cx: &mut TaskCx<'_, App>,
    ) -> Result<Next<RescueStage>, StepError> {
        let why = work::why(cx, cause);
        work::change(cx, change(self.on, GuestStatus::Rescue, false, why.cause));
        Ok(Next::done(()))
    }

    fn limit(_: &RescueStage) -> Duration {
        Duration::from_secs(300)
    }
}
