//! `POST /servers/{id}/rescue-repair` with `auto`: a repair that goes all the way by itself.
//!
//! Into rescue if need be, what is written goes beside the disks; diagnose, do the fixes that are marked safe, diagnose again, as long as
//! that leads on; then the server's own system boots on the result (the session is `confirming`). If it asks for a login, what was
//! written is committed by an ordinary stop-rescue. If it does not, that is thrown away, and the server is in rescue again. Where
//! nothing safe can be done the server stays in rescue for its owner; where nothing keeps it from booting it goes back as it was, unless its
//! owner had brought it into rescue.

use std::time::Duration;

use api::Action;
use api::server::{AutoEnd, AutoRepaired, RescueRepair, StartRescue, StopRescue};
use chrono::Utc;
use db::examination::{Examination, Kind};
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use task_engine::{Child, Failure, Next, Spawned, Start, StepError, Task, TaskCx, TaskRow};
use types::diagnosis::{Diagnosis, FixState, RepairReport, Severity, Trial};
use types::operation::Outcome;
use types::status::{OverlayEnd, RescueNetwork};
use types::verb::Verb;
use types::{DiskMode, GuestStatus, PowerState, SessionId, TaskId};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::Cx;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::batch::Many;
use crate::guest::one_call::On;
use crate::guest::rescue_verb::{self, Asked};
use crate::guest::start_rescue::{self, start_call};
use crate::guest::stop::{DEFAULT_TIMEOUT_S, STOP_SLACK};
use crate::guest::stop_rescue::StopRescueTask;
use crate::guest::work::{self, Change};
use crate::host_client::{Call, ask, unexpected};
use crate::policy::Rule;

const ACTION: &str = "rescue_repair";
/// A repair may bring to light what a fault had hidden.
const ROUNDS: u32 = 3;
/// Seconds that the server gets to ask for a login, unless another time is given.
const MAX_WAIT_S: u32 = 300;
/// A system that has just booted may still be starting services when it is told to stop.
const STOP_TIMEOUT_S: u32 = 2 * DEFAULT_TIMEOUT_S;
const DIAGNOSE_LIMIT: Duration = Duration::from_secs(300);
const REPAIR_LIMIT: Duration = Duration::from_secs(1800);

/// Starts it: on a server in rescue at once, on any other after it has entered rescue.
///
/// # Errors
/// 403: the caller may not do what it is made of, start-rescue and stop-rescue. 409: the rescue it is in writes to its disks themselves, or
/// has no network, so that no boot could be tried; or as for start-rescue.
pub async fn begin(guest: Guest, action: &RescueRepair, cx: &mut Cx<'_>) -> Result<Spawned> {
    if guest.status != GuestStatus::Rescue {
        allowed(&<StartRescue as Many>::RULE, &guest, cx).await?;
    }
    allowed(&Rule { extra: Some(StopRescue::NAME), ..<StartRescue as Many>::RULE }, &guest, cx).await?;
    let max_wait_s = action.max_wait.unwrap_or(MAX_WAIT_S);
    let (on, id, name, from) = (On::of(&guest), guest.id, guest.name.clone(), guest.status);
    let spawned = if from == GuestStatus::Rescue {
        let session = rescue_verb::proven(&guest, cx).await?;
        if session.disk_mode != DiskMode::Overlay {
            return Err(Error::status(format!(
                "server '{name}' is in rescue with disk mode {}, where a repair could not be taken back: stop-rescue, then give auto again",
                session.disk_mode
            )));
        }
        if session.network == RescueNetwork::None {
            return Err(Error::status(format!(
                "server '{name}' is in rescue without network, in which its own system might wait for it in vain: stop-rescue, then give auto again"
            )));
        }
        if !action.ssh_keys.is_empty() || action.rescue_image.is_some() {
            return Err(Error::input(format!(
                "server '{name}' is in rescue already: rescue_image and ssh_keys are for entering it"
            )));
        }
        let on_before = session.prior_status == GuestStatus::Running;
        cx.start(&RescueAutoRepairTask { on, session: Some(session.id), on_before, max_wait_s }, OBJECT, id.uuid())
            .await?
    } else {
        let on_before = from == GuestStatus::Running;
        let task = RescueAutoRepairTask { on, session: None, on_before, max_wait_s };
        let spawned = cx.start(&task, OBJECT, id.uuid()).await?;
        let mut child = Cx { app: cx.app, conn: cx.conn, caller: cx.caller, parent: Some(spawned.id) };
        start_rescue::enter(guest, action.entry(), true, &mut child).await?;
        spawned
    };
    cx.event(Note {
        obj_type: OBJECT,
        obj_id: id.uuid(),
        obj_name: &name,
        action: ACTION,
        success: true,
        notes: match &action.reason {
            Some(reason) => format!("requested, automatically: {reason}"),
            None => "requested, automatically".into(),
        },
        status: None,
        task: Some(spawned.id),
    })
    .await?;
    Ok(spawned)
}

/// As the caller's own request for it would be.
async fn allowed(rule: &Rule, guest: &Guest, cx: &mut Cx<'_>) -> Result<()> {
    let access = cx.app.policies.require(cx.conn, cx.caller, rule).await?;
    if !access.reaches(Some(&guest.project)) {
        return Err(Error::not_found("server", &guest.name));
    }
    Ok(())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RescueAutoRepairTask {
    on: On,
    /// The one that it was in; none: it enters rescue for this.
    session: Option<SessionId>,
    /// Whether it ran before rescue, and so runs afterwards.
    on_before: bool,
    max_wait_s: u32,
}

/// What is known so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SoFar {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    rounds: u32,
    found: Vec<String>,
    left: Vec<String>,
    tried: Vec<String>,
    fixed: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sign: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_seconds: Option<f64>,
}

impl SoFar {
    fn end(&self, end: AutoEnd) -> AutoRepaired {
        let Self { found, fixed, left, sign, boot_seconds, .. } = self.clone();
        AutoRepaired { end, found, fixed, left, sign, boot_seconds }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its child is the way into rescue.
    #[default]
    EnterRescue,
    Entered,
    Diagnose(SoFar),
    Repair {
        codes: Vec<String>,
        so_far: SoFar,
    },
    StopRescueSystem(SoFar),
    ConfirmBoot(SoFar),
    /// It stays in rescue for its owner: it fails, once what was found is saved.
    NothingSafe(SoFar),
    /// Its child is the way out of rescue.
    LeaveRescue {
        so_far: SoFar,
        end: AutoEnd,
    },
    // The way back: into rescue again, without what was written.
    StopServer(SoFar),
    RescueStartServer(SoFar),
    AwaitReady(SoFar),
    /// Another way back: the way into rescue ends first.
    ChildEnded,
}

/// What follows from a diagnosis.
#[derive(Debug, PartialEq, Eq)]
enum Decided {
    Repair(Vec<String>),
    /// What was repaired is tried, or the server as it is.
    Confirm,
    Healthy,
    NothingSafe,
}

/// Decides. Of each finding the gentlest safe fix that was not tried yet; notes are no reason for anything. `own`: it entered rescue for
/// this, so that nothing but what is done here is beside its disks.
fn decide(diagnosis: &Diagnosis, so_far: &SoFar, own: bool) -> Decided {
    let mut codes: Vec<String> = Vec::new();
    for finding in diagnosis.findings.iter().filter(|it| it.severity != Severity::Note) {
        let fix = finding.fixes.iter().find(|fix| fix.safe && !so_far.tried.contains(&fix.code));
        if let Some(fix) = fix.filter(|fix| !codes.contains(&fix.code)) {
            codes.push(fix.code.clone());
        }
    }
    let worst = |severity| diagnosis.findings.iter().any(|it| it.severity == severity);
    let (critical, warning) = (worst(Severity::Critical), worst(Severity::Warning));
    if !codes.is_empty() && so_far.rounds < ROUNDS {
        Decided::Repair(codes)
    } else if !so_far.fixed.is_empty() || (own && warning && !critical) {
        // With warnings alone it may well boot as it is.
        Decided::Confirm
    } else if critical || warning {
        Decided::NothingSafe
    } else {
        Decided::Healthy
    }
}

impl Task for RescueAutoRepairTask {
    const NAME: &'static str = "RescueAutoRepairTask";
    type Env = App;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let limit = self.limit_of(&stage, cx.env());
        match stage.clone() {
            Stage::EnterRescue => Ok(Next::join(Stage::Entered, vec![])),
            Stage::Entered => {
                let children = cx.children().await?;
                if let Some(failed) = children.last().and_then(why) {
                    return Err(failed);
                }
                let session = match self.session {
                    Some(session) => session,
                    None => open_session(cx.env(), self.on).await?,
                };
                Ok(Next::go(Stage::Diagnose(SoFar { session: Some(session), ..SoFar::default() })))
            }
            Stage::Diagnose(so_far) => {
                let asked = self.asked(&so_far)?;
                let call = asked.call(&Verb::Diagnose { serial_log: String::new() }, DIAGNOSE_LIMIT);
                let Some(outcome) = ask(cx, self.on.host, self.on.guest, call).await? else {
                    return Ok(Next::wait(stage, limit));
                };
                let diagnosis: Diagnosis = asked.keep(outcome, Kind::Diagnosis, cx)?;
                self.diagnosed(&diagnosis, so_far, cx)
            }
            Stage::Repair { codes, mut so_far } => {
                let asked = self.asked(&so_far)?;
                let call = asked.call(&Verb::Repair { codes: codes.clone(), dry_run: false }, REPAIR_LIMIT);
                let Some(outcome) = ask(cx, self.on.host, self.on.guest, call).await? else {
                    return Ok(Next::wait(stage, limit));
                };
                let report: RepairReport = asked.keep(outcome, Kind::Repair, cx)?;
                let done = report.fixes.iter().filter(|fix| fix.state == FixState::Done);
                so_far.fixed.extend(done.map(|fix| fix.code.clone()));
                so_far.tried.extend(codes);
                so_far.rounds += 1;
                let said = |fix: &types::diagnosis::FixResult| format!("{} {}", fix.code, fix.state);
                let notes = report.fixes.iter().map(said).collect::<Vec<_>>().join(", ");
                self.change(cx, GuestStatus::Rescue, None, true, notes);
                Ok(Next::go(Stage::Diagnose(so_far)))
            }
            Stage::StopRescueSystem(so_far) | Stage::StopServer(so_far) => {
                let Some(outcome) = ask(cx, self.on.host, self.on.guest, stop(DEFAULT_TIMEOUT_S)).await? else {
                    return Ok(Next::wait(stage, limit));
                };
                match (stage, outcome) {
                    (Stage::StopRescueSystem(_), Outcome::Stopped { .. }) => Ok(Next::go(Stage::ConfirmBoot(so_far))),
                    (_, Outcome::Stopped { .. }) => Ok(Next::go(Stage::RescueStartServer(so_far))),
                    (_, other) => Err(unexpected(&other)),
                }
            }
            Stage::ConfirmBoot(so_far) => {
                let session_id = so_far.session()?.to_string();
                let timeout_s = self.max_wait_s;
                let call = Call::ConfirmBoot(pb::ConfirmBootRequest { operation: None, session_id, timeout_s });
                match ask(cx, self.on.host, self.on.guest, call).await? {
                    None => Ok(Next::wait(stage, limit)),
                    Some(Outcome::Confirmed { sign, seconds, console }) => {
                        let trial = Trial { sign: Some(sign.clone()), seconds: Some(seconds), cause: None, console };
                        keep_trial(so_far.session()?, &trial, cx)?;
                        let so_far = SoFar { sign: Some(sign), boot_seconds: Some(seconds), ..so_far };
                        match so_far.fixed.is_empty() {
                            true => self.leave(so_far, AutoEnd::Healthy, OverlayEnd::Discard, cx),
                            false => self.leave(so_far, AutoEnd::Repaired, OverlayEnd::Commit, cx),
                        }
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
            Stage::NothingSafe(so_far) => {
                let found = so_far.left.join(", ");
                Err(StepError::permanent(format!(
                    "no fix that is marked safe mends what was found ({found}); the server stays in rescue: server-rescue-findings says what to do"
                ))
                .with_code("nothing_safe"))
            }
            Stage::LeaveRescue { so_far, end } => {
                if let Some(failed) = cx.children().await?.last().and_then(why) {
                    return Err(failed);
                }
                self.tell(cx, true, so_far.in_words(end));
                Ok(Next::done(so_far.end(end)))
            }
            Stage::ChildEnded => {
                let why = work::why(cx, &StepError::permanent("the cause was not recorded"));
                self.tell(cx, false, why.cause);
                Ok(Next::done(SoFar::default().end(AutoEnd::Failed)))
            }
            Stage::RescueStartServer(so_far) => {
                let call = start_call(cx.env(), so_far.session()?, true).await?;
                match ask(cx, self.on.host, self.on.guest, call).await? {
                    None => Ok(Next::wait(stage, limit)),
                    Some(Outcome::RescueStarted { .. }) => Ok(Next::go(Stage::AwaitReady(so_far))),
                    Some(other) => Err(unexpected(&other)),
                }
            }
            Stage::AwaitReady(so_far) => {
                let session = so_far.session()?;
                let call = start_rescue::await_call(cx.env(), session);
                match ask(cx, self.on.host, self.on.guest, call).await? {
                    None => Ok(Next::wait(stage, limit)),
                    Some(Outcome::Ready { ready, .. }) => {
                        let boot = i32::try_from(ready.boot).unwrap_or(i32::MAX);
                        let report = serde_json::to_value(&*ready).map_err(|e| StepError::because(&e))?;
                        cx.on_save(async move |conn| Ok(db::session::set_ready(conn, session, &report, boot).await?));
                        let why = work::why(cx, &StepError::permanent("the cause was not recorded"));
                        let notes =
                            format!("{}; what was written is discarded, and the server is in rescue again", why.cause);
                        self.change(cx, GuestStatus::Rescue, Some(PowerState::Running), false, notes);
                        Ok(Next::done(so_far.end(AutoEnd::NotConfirmed)))
                    }
                    Some(other) => Err(unexpected(&other)),
                }
            }
        }
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, App>) -> Result<Next<Stage>, StepError> {
        let why = work::why(cx, cause);
        match at {
            // The way into rescue, and the way out, say how the server is themselves.
            Stage::EnterRescue | Stage::Entered => Ok(Next::join(Stage::ChildEnded, vec![])),
            Stage::LeaveRescue { so_far, .. } => {
                self.tell(cx, false, why.cause);
                Ok(Next::done(so_far.end(AutoEnd::Failed)))
            }
            Stage::ChildEnded => Ok(Next::done(SoFar::default().end(AutoEnd::Failed))),
            // It stays in rescue, with what was found and done so far.
            Stage::Diagnose(so_far) | Stage::Repair { so_far, .. } | Stage::NothingSafe(so_far) => {
                self.tell(cx, false, why.cause);
                Ok(Next::done(so_far.end(AutoEnd::NotRepaired)))
            }
            Stage::StopRescueSystem(so_far) => Ok(Next::go(Stage::StopServer(so_far))),
            Stage::ConfirmBoot(so_far) => {
                let trial = Trial { sign: None, seconds: None, cause: Some(why.cause), console: why.evidence };
                keep_trial(so_far.session()?, &trial, cx)?;
                Ok(Next::go(Stage::StopServer(so_far)))
            }
            Stage::StopServer(so_far) | Stage::RescueStartServer(so_far) | Stage::AwaitReady(so_far) => {
                let notes = format!("{}; and the way back into rescue failed: {}", why.cause, cause.message());
                // Nothing is tried any more: what follows is the way out.
                let (session, task) = (so_far.session()?, TaskId::from_uuid(cx.id()));
                cx.on_save(async move |conn| Ok(db::session::set_stopping(conn, session, task).await?));
                self.change(cx, GuestStatus::StopRescueFailed, None, false, notes);
                Ok(Next::done(so_far.end(AutoEnd::Failed)))
            }
        }
    }

    fn limit(stage: &Stage) -> Duration {
        match stage {
            Stage::Diagnose(_) => DIAGNOSE_LIMIT,
            Stage::Repair { .. } => REPAIR_LIMIT,
            _ => Duration::from_secs(300),
        }
    }

    fn cancellable(stage: &Stage) -> bool {
        matches!(stage, Stage::Diagnose(_) | Stage::ConfirmBoot(_))
    }
}

impl RescueAutoRepairTask {
    /// Where the request sets the time, the limit follows it.
    fn limit_of(&self, stage: &Stage, app: &App) -> Duration {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        match stage {
            Stage::ConfirmBoot(_) => seconds(self.max_wait_s) + Duration::from_secs(180),
            Stage::StopRescueSystem(_) | Stage::StopServer(_) => seconds(DEFAULT_TIMEOUT_S) + STOP_SLACK,
            Stage::AwaitReady(_) => seconds(app.config.rescue.ready_timeout_s) + Duration::from_secs(60),
            other => Self::limit(other),
        }
    }

    fn asked(&self, so_far: &SoFar) -> Result<Asked, StepError> {
        Ok(Asked { on: self.on, session: so_far.session()? })
    }

    fn diagnosed(
        &self,
        diagnosis: &Diagnosis,
        mut so_far: SoFar,
        cx: &mut TaskCx<'_, App>,
    ) -> Result<Next<Stage>, StepError> {
        let codes: Vec<_> = diagnosis.findings.iter().map(|it| it.code.clone()).collect();
        if so_far.rounds == 0 {
            so_far.found.clone_from(&codes);
        }
        so_far.left = codes;
        match decide(diagnosis, &so_far, self.session.is_none()) {
            Decided::Repair(codes) => Ok(Next::go(Stage::Repair { codes, so_far })),
            Decided::Confirm => {
                let session = so_far.session()?;
                cx.on_save(async move |conn| Ok(db::session::set_confirming(conn, session).await?));
                let notes = "the server's own system is tried on what was repaired".to_owned();
                self.change(cx, GuestStatus::StopRescue, None, true, notes);
                Ok(Next::go(Stage::StopRescueSystem(so_far)))
            }
            // Its owner had brought it here, and may want to look on.
            Decided::Healthy if self.session.is_some() => {
                self.tell(cx, true, so_far.in_words(AutoEnd::Healthy));
                Ok(Next::done(so_far.end(AutoEnd::Healthy)))
            }
            Decided::Healthy => self.leave(so_far, AutoEnd::Healthy, OverlayEnd::Discard, cx),
            Decided::NothingSafe => Ok(Next::go(Stage::NothingSafe(so_far))),
        }
    }

    /// By an ordinary stop-rescue, as a child.
    fn leave(
        &self,
        so_far: SoFar,
        end: AutoEnd,
        overlay: OverlayEnd,
        cx: &mut TaskCx<'_, App>,
    ) -> Result<Next<Stage>, StepError> {
        let session = so_far.session()?;
        let task = StopRescueTask::of(self.on, session, STOP_TIMEOUT_S, self.on_before, overlay);
        let id = Uuid::now_v7();
        let start = Start::new().id(id).holding(OBJECT, self.on.guest.uuid());
        let start = start.request(cx.request_id().unwrap_or_default()).by(cx.created_by().cloned().unwrap_or_default());
        cx.on_save(async move |conn| {
            db::session::set_overlay_end(conn, session, overlay).await?;
            Ok(db::session::set_stopping(conn, session, TaskId::from_uuid(id)).await?)
        });
        let notes = match overlay {
            OverlayEnd::Commit => format!(
                "the server asks for a login ({}): what was repaired is committed",
                so_far.sign.as_deref().unwrap_or_default()
            ),
            OverlayEnd::Discard => "nothing was repaired: the server goes back as it was".to_owned(),
        };
        self.change(cx, GuestStatus::StopRescue, None, true, notes);
        Ok(Next::join(Stage::LeaveRescue { so_far, end }, vec![Child::new(&task, start)?]))
    }

    /// A move of the status, with its event.
    fn change(
        &self,
        cx: &mut TaskCx<'_, App>,
        to: GuestStatus,
        power: Option<PowerState>,
        success: bool,
        notes: String,
    ) {
        let reason = (!success).then(|| notes.clone());
        work::change(cx, Change { guest: self.on.guest, to, power, reason, action: ACTION, success, notes });
    }

    /// An event; the status stays.
    fn tell(&self, cx: &mut TaskCx<'_, App>, success: bool, notes: String) {
        work::tell(cx, self.on.guest, ACTION, success, notes);
    }
}

impl SoFar {
    fn session(&self) -> Result<SessionId, StepError> {
        self.session.ok_or_else(|| StepError::permanent("the task does not know its rescue session"))
    }

    fn in_words(&self, end: AutoEnd) -> String {
        match end {
            AutoEnd::Repaired => format!("repaired: {}", self.fixed.join(", ")),
            AutoEnd::Healthy if self.left.is_empty() => "nothing was found that keeps it from booting".into(),
            AutoEnd::Healthy => format!("it boots as it is; found: {}", self.left.join(", ")),
            AutoEnd::NotRepaired | AutoEnd::NotConfirmed | AutoEnd::Failed => end.to_string(),
        }
    }
}

fn stop(timeout_s: u32) -> Call {
    Call::Stop(pb::StopGuestRequest { operation: None, timeout_s, force: false })
}

/// Why a child failed, if it did.
fn why(child: &TaskRow) -> Option<StepError> {
    let Failure { at_name, error, .. } = child.cause()?;
    let again = StepError::permanent(format!("{at_name}: {}", error.message()));
    let again = again.with_code(error.code().unwrap_or("child_failed"));
    Some(again.with_detail(error.detail().cloned().unwrap_or_default()))
}

async fn open_session(app: &App, on: On) -> Result<SessionId, StepError> {
    let mut conn = app.pool.get().await?;
    let session = db::session::open_of(&mut conn, on.guest).await?;
    session.map(|session| session.id).ok_or_else(|| StepError::permanent("the server's rescue session has ended"))
}

/// Keeps it with the session when the step is saved.
fn keep_trial(session_id: SessionId, trial: &Trial, cx: &mut TaskCx<'_, App>) -> Result<(), StepError> {
    let user = cx.created_by().and_then(|who| who.get("user")).and_then(Value::as_str).unwrap_or_default();
    let examination = Examination {
        id: cx.operation(),
        session_id,
        kind: Kind::Trial.as_str().to_owned(),
        user_name: user.to_owned(),
        task_id: TaskId::from_uuid(cx.id()),
        at: Utc::now(),
        report: serde_json::to_value(trial).map_err(|e| StepError::because(&e))?,
    };
    cx.on_save(async move |conn| Ok(db::examination::insert(conn, &examination).await?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::diagnosis::{DIAGNOSIS_VERSION, Finding, FixOffer, SystemSeen};

    /// Findings by severity, each with fixes: `+` before the code of a safe one.
    fn found(findings: &[(Severity, &[&str])]) -> Diagnosis {
        let offer = |code: &&str| FixOffer {
            code: code.trim_start_matches('+').into(),
            safe: code.starts_with('+'),
            reason: String::new(),
            title: String::new(),
        };
        let finding = |(severity, fixes): &(Severity, &[&str])| Finding {
            code: "x".into(),
            severity: *severity,
            title: String::new(),
            evidence: vec![],
            what_to_do: String::new(),
            fixes: fixes.iter().map(offer).collect(),
        };
        Diagnosis {
            version: DIAGNOSIS_VERSION,
            started: Utc::now(),
            seconds: 0.0,
            system: SystemSeen::default(),
            findings: findings.iter().map(finding).collect(),
            checked: vec![],
            skipped: vec![],
        }
    }

    #[test]
    fn what_follows_from_a_diagnosis() {
        use Severity::{Critical, Note, Warning};
        let repair = |codes: &[&str]| Decided::Repair(codes.iter().map(|code| (*code).to_owned()).collect());
        let fresh = SoFar::default();
        let tried = SoFar { rounds: 1, tried: vec!["a".into()], ..SoFar::default() };
        let fixed = SoFar { fixed: vec!["a".into()], ..tried.clone() };
        let last = SoFar { rounds: ROUNDS, ..fixed.clone() };
        let table = [
            (found(&[]), &fresh, Decided::Healthy),
            (found(&[(Note, &["+a"])]), &fresh, Decided::Healthy),
            (found(&[(Critical, &["a", "+b"]), (Warning, &["+c"]), (Critical, &["+b"])]), &fresh, repair(&["b", "c"])),
            (found(&[(Critical, &["+a", "+b"])]), &tried, repair(&["b"])),
            (found(&[(Critical, &["+a"])]), &tried, Decided::NothingSafe),
            (found(&[(Critical, &["a"])]), &fresh, Decided::NothingSafe),
            (found(&[(Critical, &["+a"])]), &fixed, Decided::Confirm),
            (found(&[]), &fixed, Decided::Confirm),
            (found(&[(Critical, &["+b"])]), &last, Decided::Confirm),
            (found(&[(Warning, &["a"])]), &fresh, Decided::Confirm),
        ];
        for (diagnosis, so_far, expected) in table {
            assert_eq!(decide(&diagnosis, so_far, true), expected, "{:?}", diagnosis.findings);
        }
        // What its owner wrote by hand is not thrown away for a warning.
        assert_eq!(decide(&found(&[(Warning, &["a"])]), &fresh, false), Decided::NothingSafe);
    }
}
