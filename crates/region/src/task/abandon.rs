//! `POST /tasks/{id}/abandon`: a blocked task ends as failed and lets go of its server, which goes to the failed status of what was being done:
//! each of those has ways out.

use api::Action;
use api::task::Abandon;
use db::guest::Guest;
use serde_json::json;
use task_engine::TaskRow;
use types::{GuestId, GuestStatus, SessionState, TaskId};
use uuid::Uuid;

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::OBJECT;

impl Perform<Abandon> for TaskRow {
    async fn perform(self, _: Abandon, cx: &mut Cx<'_>) -> Result<Done<Abandon>> {
        super::operator(Abandon::NAME, cx).await?;
        task_engine::abandon(cx.conn, self.id).await.map_err(super::refused)?;
        let notes = format!("{} was given up at {}", self.name, self.stage_name);
        // A part of a task on the same server does not hold that itself, and still says how it is.
        let parent = match self.parent_id {
            Some(parent) if !self.holds => task_engine::get(cx.conn, parent).await?,
            _ => None,
        };
        let is_its = self.holds || parent.is_some_and(|it| (&it.obj_type, it.obj_id) == (&self.obj_type, self.obj_id));
        if let (Some(OBJECT), Some(id), true) = (self.obj_type.as_deref(), self.obj_id, is_its)
            && let Some(guest) = db::guest::lock(cx.conn, GuestId::from_uuid(id)).await?
            && let Some(to) = failed_of(guest.status)
        {
            let from = guest.status;
            let name = guest.name.clone();
            leave(guest, to, &notes, self.id, cx).await?;
            cx.event(Note {
                obj_type: OBJECT,
                obj_id: id,
                obj_name: &name,
                action: "abandon_task",
                success: true,
                notes,
                status: Some((from, to)),
                task: Some(self.id),
            })
            .await?;
        } else {
            super::note(&self, "abandon_task", notes, cx).await?;
        }
        Ok(Done::nothing())
    }
}

async fn leave(guest: Guest, to: GuestStatus, cause: &str, task: Uuid, cx: &mut Cx<'_>) -> Result<()> {
    db::guest::set_status(cx.conn, guest.id, to, Some(cause)).await?;
    // The way out of a failed rescue begins by restoring the desc of the session that the row names: that stays.
    if let Some(session) = guest.rescue_session_id
        && to == GuestStatus::StartRescueFailed
    {
        db::session::close(cx.conn, session, SessionState::Failed, Some(cause), &json!([])).await?;
    }
    // Nothing is tried any more: what follows is the way out.
    if let Some(session) = guest.rescue_session_id
        && to == GuestStatus::StopRescueFailed
    {
        db::session::set_stopping(cx.conn, session, TaskId::from_uuid(task)).await?;
    }
    Ok(())
}

/// The failed status of what a status says is being done: `start_rescue` leads to `start_rescue_failed`, `starting` to `start_failed`.
fn failed_of(status: GuestStatus) -> Option<GuestStatus> {
    if !GuestStatus::IN_TRANSITION.contains(&status) {
        return None;
    }
    let word = status.as_str();
    let stem = word.strip_suffix("ing").unwrap_or(word);
    let known = match word {
        "restarting" => "start_failed",
        "snapshot_delete" => "snapshot_failed",
        _ => "",
    };
    let stems = [known.to_owned(), format!("{stem}_failed"), format!("{stem}e_failed")];
    let doubled = stem.get(..stem.len().saturating_sub(1)).map(|short| format!("{short}_failed"));
    stems.into_iter().chain(doubled).find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_being_done_can_be_given_up() {
        for status in GuestStatus::IN_TRANSITION {
            let failed = failed_of(*status);
            assert!(failed.is_some_and(|f| f.as_str().ends_with("_failed")), "{status} leads to {failed:?}");
        }
        assert_eq!(failed_of(GuestStatus::Stopping), Some(GuestStatus::StopFailed));
        assert_eq!(failed_of(GuestStatus::Deleting), Some(GuestStatus::DeleteFailed));
        assert_eq!(failed_of(GuestStatus::StopRescue), Some(GuestStatus::StopRescueFailed));
        assert_eq!(failed_of(GuestStatus::Running), None);
    }
}
