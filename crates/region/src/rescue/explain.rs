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
        // Archived or not.
        Some(id) => match db::task::by_ids(&mut conn, &[id.uuid()]).await?.pop() {
            Some(row) => Some(Model::view(row, &app, &mut conn).await?),
            None => None,
        },
        None => None,
    };
    let cause = task.as_ref().and_then(|t| t.cause.as_deref());
    let failed_at = session.cause.as_deref().or(cause).and_then(stage_of);
    Ok(json!({
        "id": session.id,
        "server": name,
        "state": session.state,
        "stage": task.as_ref().map(|t| t.stage.clone()),
        "failed_at": failed_at,
        "what_happened": what_happened(&session, cause),
        "what_next": what_next(&session, cause, &name),
        "cause": session.cause.as_deref().or(cause),
        "evidence": if session.evidence.as_array().is_some_and(|lines| !lines.is_empty()) {
            session.evidence.clone()
        } else {
            json!(task.as_ref().map(|t| t.evidence.clone()).unwrap_or_default())
        },
        "task_id": task.as_ref().map(|t| t.id),
        "stages": task.map(|t| t.stages),
    }))
}

/// The stage that a cause begins with: `prepare_rescue: ...`.
fn stage_of(cause: &str) -> Option<&str> {
    let (stage, _) = cause.split_once(": ")?;
    stage.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then_some(stage)
}

/// What was being done when it failed, and what to do next. `None`: a stage that this version does not know.
fn of_stage(stage: &str, name: &str) -> Option<(&'static str, String)> {
    let again = format!("climc server-start-rescue {name} --wait");
    let leave = format!("climc server-stop-rescue {name} --wait");
    Some(match stage {
        "preflight" => (
            "The host looked at what a rescue needs (disks, space, QEMU) and found something missing; the server was not touched.",
            format!("Mend on the host what the cause names, then {again}"),
        ),
        "stop_leftover" | "restore_leftover" | "preflight_restored" => (
            "What an earlier rescue had left behind could not be put right.",
            format!("Put the server back first: {leave}; then {again}"),
        ),
        "prepare_rescue" => (
            "The boot files could not be fetched, or were not what a trusted key had signed; the server was not touched.",
            format!("Is an agent online, and does it have the image? climc agent-list; then {again}"),
        ),
        "stop_server" => (
            "The server could not be stopped.",
            format!("Look at what it does: climc server-console {name}; then {again}, with --stop-timeout or --force"),
        ),
        "write_desc" => (
            "The host could not write the rescue into the server's description.",
            format!("Is there space on the host? climc host-list; then {again}"),
        ),
        "rescue_start_server" => (
            "QEMU did not start with the rescue system.",
            format!("The evidence has QEMU's own words; mend that on the host, then {again}"),
        ),
        "await_ready" => (
            "The rescue system booted but did not prove in time that it is up and sees the server's disks.",
            format!(
                "The evidence ends with the last lines of its console; then {again}, with another --rescue-image if it is the same again"
            ),
        ),
        "finish_stop" => {
            ("On the way back the rescue system could not be stopped.", format!("Try the way out: {leave}"))
        }
        "undo_desc" => (
            "On the way back the server's own description could not be restored.",
            format!("Try the way out, which restores it again: {leave}"),
        ),
        "start_again" => (
            "The server has its own description again but did not start.",
            format!("climc server-start {name} --wait; its console may say why"),
        ),
        "stop_rescue_system" => (
            "The rescue system could not be stopped.",
            format!("Try again: {leave}; with --force it is cut off, and what it has not written is lost"),
        ),
        "restore_desc" => (
            "The server's own description could not be restored.",
            format!("Mend on the host what the cause names, then {leave}"),
        ),
        "start_server" => (
            "The server is out of rescue but did not start.",
            format!("climc server-start {name} --wait; climc server-console {name} shows its boot"),
        ),
        stage if stage.contains("overlay") || stage.contains("commit") || stage.contains("drop") => (
            "What the rescue had written beside the disks could not be merged or dropped; nothing of it is lost.",
            format!("Mend on the host what the cause names, then {leave}: it goes on from there"),
        ),
        _ => return None,
    })
}

fn what_happened(session: &RescueSession, cause: Option<&str>) -> String {
    match session.state {
        SessionState::Starting => "The server is on its way into the rescue system.".into(),
        SessionState::Active if session.is_ready => {
            "The rescue system has proven that it is up, and sees the server's disks.".into()
        }
        SessionState::Active => "The rescue system was rebooted or went off, and has not proven itself again.".into(),
        SessionState::Confirming => {
            "Something was repaired beside the server's disks, and its own system is tried on the result.".into()
        }
        SessionState::Stopping => match cause {
            Some(cause) => match stage_of(cause).and_then(|stage| of_stage(stage, "")) {
                Some((what, _)) => format!("Leaving rescue failed. {what} {cause}"),
                None => format!("Leaving rescue failed: {cause}"),
            },
            None => "The server is on its way back to its own disks.".into(),
        },
        SessionState::Closed => "The server has left rescue and is as it was before.".into(),
        SessionState::Failed => {
            let cause = session.cause.as_deref().unwrap_or("the cause was not recorded");
            match stage_of(cause).and_then(|stage| of_stage(stage, "")) {
                Some((what, _)) => format!("The way into rescue failed. {what} {cause}"),
                None => format!("The way into rescue failed: {cause}"),
            }
        }
    }
}

/// One step, as a command.
fn what_next(session: &RescueSession, cause: Option<&str>, name: &str) -> String {
    let advice =
        |cause: Option<&str>| cause.and_then(stage_of).and_then(|stage| of_stage(stage, name)).map(|(_, next)| next);
    match session.state {
        SessionState::Starting => format!("Wait: climc server-tasks {name} shows the stages."),
        SessionState::Active if session.is_ready => {
            format!(
                "Get in: climc server-rescue-show {name} says how. When it is repaired: climc server-stop-rescue {name} --wait"
            )
        }
        SessionState::Active => format!("Wait a moment, or leave rescue: climc server-stop-rescue {name} --wait"),
        SessionState::Confirming => format!("Wait; watch it boot: climc server-console {name}"),
        SessionState::Stopping => advice(cause)
            .unwrap_or_else(|| format!("If its task has failed, try again: climc server-stop-rescue {name} --wait")),
        SessionState::Closed => format!("Nothing. Watch it boot: climc server-console {name}"),
        SessionState::Failed => advice(session.cause.as_deref())
            .unwrap_or_else(|| format!("Read the evidence. To try again: climc server-start-rescue {name} --wait")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every stage there is, from the checked-in list.
    #[test]
    fn each_stage_that_can_fail_is_explained_with_a_command() {
        let tasks = include_str!("../../tasks.txt");
        let mut explained = 0;
        for line in tasks.lines().filter(|l| l.starts_with("StartRescueTask:") || l.starts_with("StopRescueTask:")) {
            for stage in line.split(": ").nth(1).unwrap().split(' ') {
                let (what, next) = of_stage(stage, "web1").unwrap_or_else(|| panic!("{stage} is not explained"));
                assert!(what.ends_with('.') && what.len() > 30, "{stage}: {what}");
                assert!(next.contains("climc ") && next.contains("web1"), "{stage}: {next}");
                explained += 1;
            }
        }
        assert!(explained >= 15, "{explained}");
    }

    #[test]
    fn a_cause_names_its_stage() {
        assert_eq!(stage_of("prepare_rescue: 404 from the agent: gone"), Some("prepare_rescue"));
        for cause in ["no stage", "Odd: text", "the host is gone: really"] {
            assert_eq!(stage_of(cause), None, "{cause}");
        }
    }
}
