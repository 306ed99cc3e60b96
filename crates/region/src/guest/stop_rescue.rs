//! `POST /servers/{id}/stop-rescue`: the server leaves rescue and goes back exactly as it was.

use std::time::Duration;

use api::server::{PowerAfter, StopRescue};
use db::guest::Guest;
use db::session::RescueSession;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::status::OverlayEnd;
use types::{DiskMode, GuestId, GuestStatus, HostId, PowerState, SessionId, SessionState, TaskId};

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::one_call::On;
use crate::guest::stop::{DEFAULT_TIMEOUT_S, STOP_SLACK};
use crate::guest::work::{self, Change};
use crate::host_client::{Call, ask, unexpected};

impl Perform<StopRescue> for Guest {
    const FROM: &'static [GuestStatus] = GuestStatus::MAY_STOP_RESCUE;

    async fn perform(self, action: StopRescue, cx: &mut Cx<'_>) -> Result<Done<StopRescue>> {
        let session = db::session::of_guest(cx.conn, &self).await?;
        let session = session.ok_or_else(|| Error::status(format!("server '{}' has no rescue session", self.name)))?;
        let overlay = decided(&session, action.overlay)?;
        let start = match action.power.unwrap_or(PowerAfter::Previous) {
            PowerAfter::Previous => session.prior_status == GuestStatus::Running,
            PowerAfter::On => true,
            PowerAfter::Off => false,
        };
        let task = StopRescueTask {
            guest: self.id,
            host: self.host_id,
            session: session.id,
            timeout_s: action.stop_timeout.unwrap_or(DEFAULT_TIMEOUT_S),
            force: action.force,
            start,
            overlay,
        };
        if let Some(end) = overlay {
            db::session::set_overlay_end(cx.conn, session.id, end).await?;
        }
        let spawned = cx.start(&task, OBJECT, self.id.uuid()).await?;
        if session.ended_at.is_none() {
            db::session::set_stopping(cx.conn, session.id, TaskId::from_uuid(spawned.id)).await?;
        }
        db::guest::set_status(cx.conn, self.id, GuestStatus::StopRescue, None).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: self.id.uuid(),
            obj_name: &self.name,
            action: "stop_rescue",
            success: true,
            notes: format!(
                "requested{}{}",
                if action.force { ", by force" } else { "" },
                overlay.map(|end| format!("; what was written beside the disks: {end}")).unwrap_or_default()
            ),
            status: Some((self.status, GuestStatus::StopRescue)),
            task: Some(spawned.id),
        })
        .await?;
        Ok(Done::task(spawned))
    }
}

/// What becomes of what was written beside the disks. Where there is such a thing it has to be said: neither is right by default.
fn decided(session: &RescueSession, wanted: Option<OverlayEnd>) -> Result<Option<OverlayEnd>> {
    match (session.disk_mode, wanted.or(session.overlay_end)) {
        (DiskMode::Overlay, Some(end)) => Ok(Some(end)),
        (DiskMode::Overlay, None) => Err(Error::input(
            "overlay: the rescue wrote beside the server's disks: commit merges it into them, discard leaves them as they were",
        )),
        (DiskMode::Rw | DiskMode::Ro, _) if wanted.is_some() => {
            Err(Error::input(format!("overlay: the disk mode is {}: there is nothing to decide", session.disk_mode)))
        }
        (DiskMode::Rw | DiskMode::Ro, _) => Ok(None),
    }
}

/// Whatever was written has to be written again.
const MERGE_LIMIT: Duration = Duration::from_secs(4 * 3600);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopRescueTask {
    guest: GuestId,
    host: HostId,
    session: SessionId,
    timeout_s: u32,
    force: bool,
    /// Whether the server is on afterwards.
    start: bool,
    #[serde(default)]
    overlay: Option<OverlayEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    StopRescueSystem,
    RestoreDesc,
    StartServer,
}

impl Stage {
    pub const ALL: &'static [Self] = &[Self::StopRescueSystem, Self::RestoreDesc, Self::StartServer];
}

impl Task for StopRescueTask {
    const NAME: &'static str = "StopRescueTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let (call, limit) = match stage {
            Stage::StopRescueSystem => (
                Call::Stop(pb::StopGuestRequest { operation: None, timeout_s: self.timeout_s, force: self.force }),
                Duration::from_secs(self.timeout_s.into()) + STOP_SLACK,
            ),
            Stage::RestoreDesc => (
                Call::RestoreDesc(pb::RestoreDescRequest {
                    operation: None,
                    session_id: self.session.to_string(),
                    overlay: self.overlay.map(|end| end.to_string()).unwrap_or_default(),
                }),
                if self.overlay == Some(OverlayEnd::Commit) { MERGE_LIMIT } else { Self::limit(&stage) },
            ),
            Stage::StartServer => (Call::Start(pb::StartGuestRequest::default()), Self::limit(&stage)),
        };
        let Some(outcome) = ask(cx, self.host, self.guest, call).await? else {
            return Ok(Next::wait(stage, limit));
        };
        match (stage, outcome) {
            (Stage::StopRescueSystem, Outcome::Stopped { .. }) => Ok(Next::go(Stage::RestoreDesc)),
            (Stage::RestoreDesc, Outcome::Restored { desc_sha256, .. }) => {
                self.compare(cx.env(), &desc_sha256).await?;
                if self.start {
                    return Ok(Next::go(Stage::StartServer));
                }
                Ok(self.end(cx, GuestStatus::Ready, PowerState::Shutoff, "left rescue; the server is off"))
            }
            (Stage::StartServer, Outcome::Started) => Ok(self.end(
                cx,
                GuestStatus::Running,
                PowerState::Running,
                "left rescue; the server boots from its own disks",
            )),
            (_, other) => Err(unexpected(&other)),
        }
    }

    async fn failed(&self, _: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        work::change(
            cx,
            Change {
                guest: self.guest,
                to: GuestStatus::StopRescueFailed,
                power: None,
                reason: Some(why.cause.clone()),
                action: "stop_rescue",
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

impl StopRescueTask {
    /// Of an open session whose disk mode is overlay. `start`: the server is on afterwards.
    pub(super) fn of(on: On, session: SessionId, timeout_s: u32, start: bool, overlay: OverlayEnd) -> Self {
        Self { guest: on.guest, host: on.host, session, timeout_s, force: false, start, overlay: Some(overlay) }
    }

    /// A server leaves rescue with the configuration it entered with, or the failure is told.
    async fn compare(&self, app: &App, now: &str) -> Result<(), StepError> {
        let session = {
            let mut conn = app.pool.get().await?;
            db::session::get(&mut conn, self.session).await?
        };
        match session.and_then(|s| s.source_sha256) {
            Some(before) if before != now => Err(StepError::permanent(format!(
                "the server's description differs from the one before rescue: {now}, it was {before}"
            ))
            .with_code("desc_differs")),
            _ => Ok(()),
        }
    }

    fn end(&self, cx: &mut TaskCx<'_, App>, to: GuestStatus, power: PowerState, notes: &str) -> Next<Stage> {
        work::close_session(cx, self.guest, self.session, SessionState::Closed, None);
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: Some(power),
                reason: None,
                action: "stop_rescue",
                success: true,
                notes: notes.into(),
            },
        );
        Next::done(())
    }
}
