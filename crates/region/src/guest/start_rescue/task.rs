//! The way into rescue, stage by stage, and the way back.
//!
//! Until `stop_server` nothing of the guest has been touched: a failure there changes nothing but the status, which goes back. From then on the
//! way back finishes the stop, restores the desc and starts the guest again if it was on. Only if that fails too the guest is left in
//! `start_rescue_failed`, which has ways out.

use std::time::Duration;

use db::agent::RescueImage;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Next, StepError, Task, TaskCx};
use types::operation::Outcome;
use types::status::RescueNetwork;
use types::{DiskMode, GuestId, GuestStatus, HostId, PowerState, SessionId, SessionState};

use super::agents;
use crate::app::App;
use crate::guest::stop::STOP_SLACK;
use crate::guest::work::{self, Change};
use crate::host_client::{Call, GLANCE, Heard, ask_or_glance, told, unexpected};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRescueTask {
    pub guest: GuestId,
    pub host: HostId,
    pub session: SessionId,
    pub image: RescueImage,
    pub disk_mode: DiskMode,
    #[serde(default = "full")]
    pub network: RescueNetwork,
    pub stop_timeout_s: u32,
    /// The status the request came in.
    pub from_status: GuestStatus,
    /// The status to go back to once the guest is right again: `ready` or `running`.
    pub prior_status: GuestStatus,
    /// A session that could not be ended: what it left on the host is put right on the way.
    pub leftover: Option<SessionId>,
    /// It stands still, and can't hear the power button: it is quit at once.
    #[serde(default)]
    pub paused: bool,
    /// The QEMU to run the rescue system with; else the host's choice.
    #[serde(default)]
    pub qemu_version: Option<String>,
    /// An automatic repair follows, which a host of an older version can't do.
    #[serde(default)]
    pub to_repair: bool,
}

/// Of tasks from before there was a choice.
fn full() -> RescueNetwork {
    RescueNetwork::Full
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    Preflight,
    // Only where an earlier rescue left something behind: a host looks at nothing new before that is put right.
    StopLeftover,
    RestoreLeftover,
    PreflightRestored,
    PrepareRescue,
    StopServer,
    WriteDesc,
    RescueStartServer,
    AwaitReady,
    // The way back.
    FinishStop,
    UndoDesc,
    StartAgain,
}

impl Stage {
    pub const ALL: &'static [Self] = &[
        Self::Preflight,
        Self::StopLeftover,
        Self::RestoreLeftover,
        Self::PreflightRestored,
        Self::PrepareRescue,
        Self::StopServer,
        Self::WriteDesc,
        Self::RescueStartServer,
        Self::AwaitReady,
        Self::FinishStop,
        Self::UndoDesc,
        Self::StartAgain,
    ];
}

impl Task for StartRescueTask {
    const NAME: &'static str = "StartRescueTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        if stage == Stage::Preflight && self.leftover.is_some() {
            return Ok(Next::go(Stage::StopLeftover));
        }
        let limit = self.limit_of(stage, cx.env());
        let outcome = match told(cx)? {
            Some(outcome) => outcome,
            // What is asked for is looked up only if it must be asked.
            None => match ask_or_glance(cx, self.host, self.guest, self.call(stage, cx.env()).await?).await? {
                Heard::Outcome(outcome) => outcome,
                Heard::Pending => return Ok(Next::wait(stage, limit)),
                Heard::Downloading => return Ok(Next::wait(stage, limit).poll_after(GLANCE)),
            },
        };
        let session = self.session;
        match (stage, outcome) {
            (Stage::StopLeftover, Outcome::Stopped { .. }) => Ok(Next::go(Stage::RestoreLeftover)),
            (Stage::RestoreLeftover, Outcome::Restored { .. }) => Ok(Next::go(Stage::PreflightRestored)),
            (Stage::Preflight | Stage::PreflightRestored, Outcome::Preflighted { network, .. }) => {
                // A host that does not say so would give the rescue system its network all the same.
                if self.network == RescueNetwork::None && network != Some(RescueNetwork::None) {
                    return Err(StepError::permanent(
                        "the server's host is of an older version and can't keep network none: upgrade it, or start without",
                    ));
                }
                if self.to_repair && network.is_none() {
                    return Err(StepError::permanent(
                        "the server's host is of an older version and can't repair by itself: upgrade it, or start-rescue without auto",
                    ));
                }
                Ok(Next::go(Stage::PrepareRescue))
            }
            (Stage::PrepareRescue, Outcome::Prepared { .. }) => Ok(Next::go(Stage::StopServer)),
            (Stage::StopServer | Stage::FinishStop, Outcome::Stopped { how, seconds, .. }) => {
                cx.on_save(async move |conn| Ok(db::session::set_stopped(conn, session, how, seconds).await?));
                Ok(Next::go(if stage == Stage::StopServer { Stage::WriteDesc } else { Stage::UndoDesc }))
            }
            (Stage::WriteDesc, Outcome::DescWritten { source_sha256 }) => {
                cx.on_save(async move |conn| Ok(db::session::set_source(conn, session, &source_sha256).await?));
                Ok(Next::go(Stage::RescueStartServer))
            }
            (Stage::RescueStartServer, Outcome::RescueStarted { ssh_host_key, .. }) => {
                keep_host_key(cx, session, ssh_host_key);
                Ok(Next::go(Stage::AwaitReady))
            }
            (Stage::AwaitReady, Outcome::Ready { ready, seconds, notices }) => {
                let boot = i32::try_from(ready.boot).unwrap_or(i32::MAX);
                let disks = ready.disks.len();
                let report = serde_json::to_value(&*ready).map_err(|e| StepError::because(&e))?;
                cx.on_save(async move |conn| Ok(db::session::set_ready(conn, session, &report, boot).await?));
                work::change(
                    cx,
                    Change {
                        guest: self.guest,
                        to: GuestStatus::Rescue,
                        power: Some(PowerState::Running),
                        reason: None,
                        action: "start_rescue",
                        success: true,
                        notes: format!(
                            "the rescue system {} {} has proven itself after {seconds:.1} s and sees {disks} disks{}",
                            self.image.name,
                            self.image.version,
                            notices.iter().map(|notice| format!("; {notice}")).collect::<String>()
                        ),
                    },
                );
                Ok(Next::done(()))
            }
            (Stage::UndoDesc, Outcome::Restored { .. }) if self.was_on() => Ok(Next::go(Stage::StartAgain)),
            (Stage::UndoDesc, Outcome::Restored { .. }) => Ok(self.back(cx, self.prior_status, PowerState::Shutoff)),
            (Stage::StartAgain, Outcome::Started) => Ok(self.back(cx, self.prior_status, PowerState::Running)),
            (_, other) => Err(unexpected(&other)),
        }
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        match at {
            // Nothing has been touched, or nothing but what an earlier failure left.
            Stage::Preflight
            | Stage::StopLeftover
            | Stage::RestoreLeftover
            | Stage::PreflightRestored
            | Stage::PrepareRescue => {
                self.give_up(cx, at, cause, self.from_status, None);
                Ok(Next::done(()))
            }
            Stage::StopServer => Ok(Next::go(Stage::FinishStop)),
            Stage::WriteDesc | Stage::RescueStartServer | Stage::AwaitReady => Ok(Next::go(Stage::UndoDesc)),
            Stage::FinishStop | Stage::UndoDesc | Stage::StartAgain => {
                let way_back = format!("; and the way back failed: {}", cause.message());
                self.give_up(cx, at, cause, GuestStatus::StartRescueFailed, Some(&way_back));
                Ok(Next::done(()))
            }
        }
    }

    fn limit(stage: &Stage) -> Duration {
        Duration::from_secs(match stage {
            Stage::Preflight | Stage::PreflightRestored => 60,
            Stage::PrepareRescue => 15 * 60,
            Stage::WriteDesc | Stage::RescueStartServer | Stage::RestoreLeftover => 120,
            Stage::StopLeftover | Stage::StopServer | Stage::FinishStop | Stage::AwaitReady => 300,
            Stage::UndoDesc | Stage::StartAgain => 300,
        })
    }

    fn cancellable(stage: &Stage) -> bool {
        matches!(stage, Stage::Preflight | Stage::PreflightRestored | Stage::PrepareRescue | Stage::AwaitReady)
    }
}

impl StartRescueTask {
    fn was_on(&self) -> bool {
        self.prior_status == GuestStatus::Running
    }

    /// Where the request sets the time, the limit follows it.
    fn limit_of(&self, stage: Stage, app: &App) -> Duration {
        match stage {
            Stage::StopLeftover | Stage::StopServer | Stage::FinishStop => {
                Duration::from_secs(self.stop_timeout_s.into()) + STOP_SLACK
            }
            Stage::AwaitReady => {
                Duration::from_secs(app.config.rescue.ready_timeout_s.into()) + Duration::from_secs(60)
            }
            other => Self::limit(&other),
        }
    }

    /// What the host is asked in a stage.
    async fn call(&self, stage: Stage, app: &App) -> Result<Call, StepError> {
        let operation = None;
        let session_id = self.session.to_string();
        let disk_mode = self.disk_mode.to_string();
        let qemu_version = self.qemu_version.clone().unwrap_or_default();
        // What is usual is left out: a request that an older region began is the same when this one repeats it.
        let network = match self.network {
            RescueNetwork::Full => String::new(),
            RescueNetwork::None => self.network.to_string(),
        };
        Ok(match stage {
            Stage::Preflight | Stage::PreflightRestored => {
                let image = Some(self.image());
                Call::Preflight(pb::PreflightRescueRequest { operation, image, disk_mode, qemu_version, network })
            }
            Stage::PrepareRescue => {
                let endpoints = agents::endpoints(app, self.host, &self.image, self.session).await?;
                Call::Prepare(pb::PrepareRescueRequest { operation, image: Some(self.image()), endpoints })
            }
            Stage::RestoreLeftover => work::restore_call(app, self.leftover.unwrap_or(self.session)).await?,
            Stage::StopLeftover | Stage::StopServer | Stage::FinishStop => {
                Call::Stop(pb::StopGuestRequest { operation, timeout_s: self.stop_timeout_s, force: self.paused })
            }
            Stage::WriteDesc => Call::WriteDesc(pb::WriteRescueDescRequest {
                operation,
                session_id,
                image: Some(self.image()),
                disk_mode,
                qemu_version,
                network,
            }),
            Stage::RescueStartServer => start_call(app, self.session, false).await?,
            Stage::AwaitReady => await_call(app, self.session),
            Stage::UndoDesc => work::restore_call(app, self.session).await?,
            Stage::StartAgain => Call::Start(pb::StartGuestRequest { operation }),
        })
    }

    fn image(&self) -> pb::RescueImage {
        pb::RescueImage {
            name: self.image.name.clone(),
            version: self.image.version.clone(),
            serial: self.image.serial,
            kernel: Some(self.image.kernel.clone().into()),
            initramfs: Some(self.image.initramfs.clone().into()),
            cmdline: self.image.cmdline.clone(),
            min_memory_mib: self.image.min_memory_mib,
        }
    }

    /// The guest is as it was before; the session says why it came to nothing.
    fn back(&self, cx: &mut TaskCx<'_, App>, to: GuestStatus, power: PowerState) -> Next<Stage> {
        let unknown = StepError::permanent("the cause was not recorded");
        let why = work::why(cx, &unknown);
        work::close_session(cx, self.guest, self.session, SessionState::Failed, Some(&why));
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: Some(power),
                reason: Some(format!("rescue failed, the server is back as it was: {}", why.cause)),
                action: "start_rescue",
                success: false,
                notes: why.cause,
            },
        );
        Next::done(())
    }

    /// The session whose desc the host may have, after a failure at this stage.
    fn left_behind(&self, at: Stage) -> SessionId {
        match at {
            Stage::Preflight
            | Stage::StopLeftover
            | Stage::RestoreLeftover
            | Stage::PreflightRestored
            | Stage::PrepareRescue => self.leftover.unwrap_or(self.session),
            Stage::StopServer
            | Stage::WriteDesc
            | Stage::RescueStartServer
            | Stage::AwaitReady
            | Stage::FinishStop
            | Stage::UndoDesc
            | Stage::StartAgain => self.session,
        }
    }

    fn give_up(&self, cx: &mut TaskCx<'_, App>, at: Stage, cause: &StepError, to: GuestStatus, more: Option<&str>) {
        let mut why = work::why(cx, cause);
        why.cause.push_str(more.unwrap_or_default());
        work::close_session(cx, self.guest, self.session, SessionState::Failed, Some(&why));
        if GuestStatus::OF_RESCUE.contains(&to) {
            // Every way out begins by restoring the desc of the session that the host has.
            let (guest, left) = (self.guest, self.left_behind(at));
            cx.on_save(async move |conn| Ok(db::guest::set_session(conn, guest, Some(left)).await?));
        }
        work::change(
            cx,
            Change {
                guest: self.guest,
                to,
                power: None,
                reason: Some(why.cause.clone()),
                action: "start_rescue",
                success: false,
                notes: why.cause,
            },
        );
    }
}

/// What waits for the proof of a session's rescue system.
pub fn await_call(app: &App, session: SessionId) -> Call {
    let timeout_s = app.config.rescue.ready_timeout_s;
    Call::AwaitReady(pb::AwaitReadyRequest { operation: None, session_id: session.to_string(), timeout_s })
}

/// Whoever is to come in by ssh can know the key before there is anything to connect to. An older host tells none here.
pub fn keep_host_key(cx: &mut TaskCx<'_, App>, session: SessionId, line: Option<String>) {
    if let Some(line) = line {
        cx.on_save(async move |conn| Ok(db::session::set_host_key(conn, session, &line).await?));
    }
}

/// What starts the rescue system of a session, with the credentials that it lets in.
/// `fresh`: what was written beside the disks so far is set aside.
pub async fn start_call(app: &App, session: SessionId, fresh: bool) -> Result<Call, StepError> {
    let row = {
        let mut conn = app.pool.get().await?;
        db::session::get(&mut conn, session).await?
    };
    let sealed = row.and_then(|s| s.credentials);
    let sealed = sealed.ok_or_else(|| StepError::permanent("the session has ended, and its credentials are gone"))?;
    let credentials = app.secrets.open(session, &sealed).map_err(|e| StepError::because(&e))?;
    Ok(Call::StartRescue(pb::StartRescueRequest {
        operation: None,
        session_id: session.to_string(),
        ssh_keys: credentials.ssh_keys,
        password_hash: credentials.password_hash.map(|h| h.expose().to_owned()).unwrap_or_default(),
        fresh_overlays: fresh,
    }))
}
