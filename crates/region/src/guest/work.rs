//! What the tasks on guests share.

use db::Conn;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde_json::Value;
use task_engine::{StepError, TaskCx};
use types::{GuestId, GuestStatus, PowerState, SessionId, SessionState};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::host_client::Call;

/// A move of a guest's status by a task, with its event.
#[derive(Debug, Clone)]
pub struct Change {
    pub guest: GuestId,
    pub to: GuestStatus,
    /// What the host has said of the power state, where the step learnt it.
    pub power: Option<PowerState>,
    /// Why, where the status alone does not say.
    pub reason: Option<String>,
    pub action: &'static str,
    pub success: bool,
    pub notes: String,
}

/// Makes the change part of the step's save.
pub fn change(cx: &mut TaskCx<'_, App>, change: Change) {
    let event = Event::of(cx, change.action, change.success, change.notes);
    cx.on_save(async move |conn| {
        let Some(guest) = db::guest::lock(conn, change.guest).await? else { return Ok(()) };
        if let Some(power) = change.power {
            db::guest::set_power(conn, guest.id, guest.host_id, power).await?;
        }
        db::guest::set_status(conn, guest.id, change.to, change.reason.as_deref()).await?;
        event.insert(conn, &guest, Some((guest.status, change.to))).await
    });
}

/// Makes an event about the guest part of the step's save; its status stays.
pub fn tell(cx: &mut TaskCx<'_, App>, guest: GuestId, action: &'static str, success: bool, notes: String) {
    let event = Event::of(cx, action, success, notes);
    cx.on_save(async move |conn| {
        let Some(guest) = db::guest::get(conn, guest).await? else { return Ok(()) };
        event.insert(conn, &guest, None).await
    });
}

/// What a task has to tell, in the name of whoever started it.
struct Event {
    task: Uuid,
    request: Option<String>,
    who: Value,
    action: &'static str,
    success: bool,
    notes: String,
}

impl Event {
    fn of(cx: &TaskCx<'_, App>, action: &'static str, success: bool, notes: String) -> Self {
        let who = cx.created_by().cloned().unwrap_or_default();
        Self { task: cx.id(), request: cx.request_id().map(str::to_owned), who, action, success, notes }
    }

    async fn insert(
        self,
        conn: &mut Conn,
        guest: &Guest,
        status: Option<(GuestStatus, GuestStatus)>,
    ) -> Result<(), StepError> {
        let note = Note {
            obj_type: super::OBJECT,
            obj_id: guest.id.uuid(),
            obj_name: &guest.name,
            action: self.action,
            success: self.success,
            notes: self.notes,
            status,
            task: Some(self.task),
        };
        let text = |key: &str| self.who.get(key).and_then(Value::as_str).map(str::to_owned);
        let (user, project) = (text("user").unwrap_or_default(), text("project").unwrap_or_default());
        Ok(db::event::insert(conn, &note.of(&user, &project, text("source"), self.request)).await?)
    }
}

/// Makes the end of a session part of the step's save: its credentials go, and the guest lets go of it.
pub fn close_session(
    cx: &mut TaskCx<'_, App>,
    guest: GuestId,
    session: SessionId,
    state: SessionState,
    why: Option<&Why>,
) {
    let cause = why.map(|w| w.cause.clone());
    let evidence = why.map_or_else(|| Value::Array(vec![]), |w| w.evidence.clone().into());
    cx.on_save(async move |conn| {
        db::session::close(conn, session, state, cause.as_deref(), &evidence).await?;
        Ok(db::guest::set_session(conn, guest, None).await?)
    });
}

/// Why a task failed, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    pub cause: String,
    pub evidence: Vec<String>,
}

/// The first failure of the task, or the one at hand.
#[must_use]
pub fn why(cx: &TaskCx<'_, App>, error: &StepError) -> Why {
    let (at, first) = match cx.cause() {
        Some(failure) => (Some(failure.at_name.as_str()), &failure.error),
        None => (None, error),
    };
    let evidence = first
        .detail()
        .and_then(|d| d.get("evidence"))
        .and_then(Value::as_array)
        .map(|lines| lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let cause = match at {
        Some(at) => format!("{at}: {}", first.message()),
        None => first.message().to_owned(),
    };
    Why { cause, evidence }
}

/// What ends a rescue session on the host. What was written beside the disks goes where stop-rescue has last said; nowhere if it has not.
///
/// # Errors
/// As the database reports them.
pub async fn restore_call(app: &App, session: SessionId) -> Result<Call, StepError> {
    let row = {
        let mut conn = app.pool.get().await?;
        db::session::get(&mut conn, session).await?
    };
    let overlay = row.and_then(|s| s.overlay_end).map(|end| end.to_string()).unwrap_or_default();
    Ok(Call::RestoreDesc(pb::RestoreDescRequest { operation: None, session_id: session.to_string(), overlay }))
}

/// The guest a task is about. It can't go away: deleting it needs the hold that the task has.
///
/// # Errors
/// The guest is gone all the same.
pub async fn guest(app: &App, id: GuestId) -> Result<Guest, StepError> {
    let mut conn = app.pool.get().await?;
    db::guest::get(&mut conn, id).await?.ok_or_else(|| StepError::permanent(format!("server {id} does not exist")))
}
