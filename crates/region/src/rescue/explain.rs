//! `GET /rescuesessions/{id}/explain`: which stage, what was seen, what to do next; in words for somebody at a bad moment.

use db::session::RescueSession;
use serde_json::{Value, json};
use types::SessionState;

use crate::app::App;
use crate::dispatch::Model;
use crate::error::Result;

pub async fn explain(app: App, session: RescueSession) -> Result<Value> {
    let mut conn = app.pool.get().await?;
    let name =
        db::guest::names(&mut conn, vec![session.guest_id]).await?.pop().map(|(_, name)| name).unwrap_or_default();
    let task_id = session.stop_task_id.or(session.start_task_id);
    let task = match task_id {
        Some(id) => match task_engine::get(&mut conn, id.uuid()).await? {
            Some(row) => Some(Model::view(row, &app, &mut conn).await?),
            None => None,
        },
        None => None,
    };
    let code = task.as_ref().and_then(|t| t.cause.as_deref());
    Ok(json!({
        "id": session.id,
        "server": name,
        "state": session.state,
        "stage": task.as_ref().map(|t| t.stage.clone()),
        "what_happened": what_happened(&session, code),
        "what_next": what_next(&session, &name),
        "cause": session.cause,
        "evidence": session.evidence,
        "stages": task.map(|t| t.stages),
    }))
}

fn what_happened(session: &RescueSession, cause: Option<&str>) -> String {
    match session.state {
        SessionState::Starting => "The server is on its way into the rescue system.".into(),
        SessionState::Active if session.is_ready => {
            "The rescue system has proven that it is up, and sees the server's disks.".into()
        }
        SessionState::Active => "The rescue system was rebooted or went off, and has not proven itself again.".into(),
        SessionState::Stopping => match cause {
            Some(cause) => format!("Leaving rescue failed: {cause}"),
            None => "The server is on its way back to its own disks.".into(),
        },
        SessionState::Closed => "The server has left rescue and is as it was before.".into(),
        SessionState::Failed => {
            format!("The way into rescue failed: {}", session.cause.as_deref().unwrap_or("the cause was not recorded"))
        }
    }
}

/// One step, as a command.
fn what_next(session: &RescueSession, name: &str) -> String {
    let cause = session.cause.as_deref().unwrap_or_default();
    match session.state {
        SessionState::Starting => format!("Wait: climc server-tasks {name} shows the stages."),
        SessionState::Active if session.is_ready => {
            format!(
                "Get in: climc server-rescue-show {name} says how. When it is repaired: climc server-stop-rescue {name} --wait"
            )
        }
        SessionState::Active => format!("Wait a moment, or leave rescue: climc server-stop-rescue {name} --wait"),
        SessionState::Stopping => format!("If its task has failed, try again: climc server-stop-rescue {name} --wait"),
        SessionState::Closed => format!("Nothing. Watch it boot: climc server-console {name}"),
        SessionState::Failed if cause.contains("prepare_rescue") => {
            format!(
                "The boot files could not be had or trusted: climc agent-list; then climc server-start-rescue {name} --wait"
            )
        }
        SessionState::Failed if cause.contains("preflight") => {
            format!("Mend what the cause names on the host, then climc server-start-rescue {name} --wait")
        }
        SessionState::Failed => {
            format!(
                "Read the evidence; the server is back as it was. To try again: climc server-start-rescue {name} --wait"
            )
        }
    }
}
