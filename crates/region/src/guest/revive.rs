//! Servers that ran when their host went down, once it is up again: those that should run are started by a task of their own, as if their
//! owner had said so; those in rescue get another boot of their rescue system, which has to prove itself anew.
//!
//! The host says which they are with every heartbeat until it is decided, so nothing need be remembered here: a task that holds the server
//! comes first, and the next heartbeat asks again. A heartbeat can be older than the end of the task that came first: what it says of that
//! server is then not heard.

use chrono::{DateTime, Utc};
use db::guest::Guest;
use diesel_async::AsyncConnection;
use types::operation::GuestReport;
use types::{GuestId, GuestStatus, HostId, PowerState, SessionId};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::Cx;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::one_call::On;
use crate::guest::restart::RescueRestartTask;
use crate::guest::start::ServerStartTask;

const ACTION: &str = "host_rebooted";

/// `start_failed`: the start never reached the host, as what it has tried to start is not interrupted any more.
const STARTS_AGAIN: &[GuestStatus] = &[GuestStatus::Running, GuestStatus::StartFailed];

/// What becomes of a server that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// Its own task knows what to do.
    Later,
    Start,
    StartRescue(SessionId),
    StayOff,
}

/// Decides. `held`: a task is at work on it, or was when this was said of it.
fn decide(status: GuestStatus, session: Option<SessionId>, held: bool) -> Decided {
    match session.filter(|_| status == GuestStatus::Rescue) {
        _ if held => Decided::Later,
        Some(session) => Decided::StartRescue(session),
        None if STARTS_AGAIN.contains(&status) => Decided::Start,
        // Stopped since, or paused: what was in its memory is lost, and its owner says when it is to boot. Or something failed: its owner
        // looks first.
        None => Decided::StayOff,
    }
}

/// Decides upon all that a host reports as interrupted, and starts the tasks. Gives those that are to stay off. `as_of`: the reports are no
/// older, by the database's clock; a host of an earlier release does not tell.
///
/// # Errors
/// As the database reports them; what was decided until then is kept.
pub async fn revive(
    app: &App,
    host: HostId,
    reports: &[GuestReport],
    as_of: Option<DateTime<Utc>>,
) -> Result<Vec<GuestId>> {
    let mut stay_off = Vec::new();
    let mut began = false;
    for report in reports.iter().filter(|it| it.interrupted && it.power == PowerState::Shutoff) {
        let mut conn = app.upcall_pool.get().await?;
        let decided = conn.transaction(async |conn| one(app, conn, host, report.guest, as_of).await).await?;
        began |= matches!(decided, Decided::Start | Decided::StartRescue(_));
        if decided == Decided::StayOff {
            stay_off.push(report.guest);
        }
    }
    if began {
        app.waker.wake();
    }
    Ok(stay_off)
}

async fn one(
    app: &App,
    conn: &mut db::Conn,
    host: HostId,
    id: GuestId,
    as_of: Option<DateTime<Utc>>,
) -> Result<Decided> {
    let guest = db::guest::lock(conn, id).await?.filter(|guest| guest.host_id == host);
    // One that region does not know, or that belongs elsewhere, is shown and never touched.
    let Some(guest) = guest else { return Ok(Decided::StayOff) };
    let object = task_engine::Object { kind: OBJECT.into(), id: id.uuid() };
    let ended = task_engine::last_ended(conn, &object).await?;
    let outdated = as_of.zip(ended).is_some_and(|(as_of, ended)| as_of <= ended);
    let held = outdated || task_engine::holder(conn, &object).await?.is_some();
    let decided = decide(guest.status, guest.rescue_session_id, held);
    let caller = Caller::service(format!("host-rebooted-{}", Uuid::now_v7()));
    let mut cx = Cx { app, conn, caller: &caller, parent: None };
    match decided {
        Decided::Later => {}
        Decided::StayOff => {
            tracing::info!(guest = %id, status = %guest.status, "a server stays off after its host's reboot")
        }
        Decided::Start => {
            let task = ServerStartTask::again(&guest);
            let spawned = cx.start(&task, OBJECT, id.uuid()).await?;
            db::guest::set_status(cx.conn, id, GuestStatus::Starting, None).await?;
            let status = Some((guest.status, GuestStatus::Starting));
            note(&mut cx, &guest, "its host has rebooted: it starts again", status, spawned.id).await?;
        }
        Decided::StartRescue(session) => {
            db::session::set_rebooting(cx.conn, id).await?;
            let task = RescueRestartTask::again(On::of(&guest), session);
            let spawned = cx.start(&task, OBJECT, id.uuid()).await?;
            let notes =
                "its host has rebooted: its rescue system boots again, and is not ready until it has proven itself";
            note(&mut cx, &guest, notes, None, spawned.id).await?;
        }
    }
    Ok(decided)
}

async fn note(
    cx: &mut Cx<'_>,
    guest: &Guest,
    notes: &str,
    status: Option<(GuestStatus, GuestStatus)>,
    task: Uuid,
) -> Result<()> {
    let note = Note {
        obj_type: OBJECT,
        obj_id: guest.id.uuid(),
        obj_name: &guest.name,
        action: ACTION,
        success: true,
        notes: notes.into(),
        status,
        task: Some(task),
    };
    let event = note.of("lifeboat", &guest.project, None, Some(cx.caller.request_id.clone()));
    db::event::insert(cx.conn, &event).await.map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_runs_again_and_nothing_comes_between_a_server_and_its_task() {
        let session = Some(SessionId::generate());
        for status in GuestStatus::ALL {
            for session in [None, session] {
                assert_eq!(decide(*status, session, true), Decided::Later, "{status}");
                let expected = match (status.as_str(), session) {
                    ("running" | "start_failed", _) => Decided::Start,
                    ("rescue", Some(session)) => Decided::StartRescue(session),
                    _ => Decided::StayOff,
                };
                assert_eq!(decide(*status, session, false), expected, "{status}");
            }
        }
    }
}
