//! `POST /tasks/{id}/abandon`: a blocked task ends as failed and lets go of its server, which goes to the failed status of what was being done:
//! each of those has ways out.

use api::Action;
use api::task::Abandon;
use db::guest::Guest;
use serde_json::json;
use task_engine::TaskRow;
use types::{GuestId, GuestStatus, SessionState};

use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::Result;
use crate::guest::OBJECT;

impl Perform<Abandon> for TaskRow {
    async fn perform(self, _: Abandon, cx: &mut Cx<'_>) -> Result<Done<Abandon>> {
        super::operator(Abandon::NAME, cx).await?;
        task_engine::abandon(cx.conn, self.id).await.map_err(super::refused)?;
        let notes = format!("{} was given up at {}", self.name, self.stage_name);
        if let (Some(OBJECT), Some(id), true) = (self.obj_type.as_deref(), self.obj_id, self.holds)
            && let Some(guest) = db::guest::lock(cx.conn, GuestId::from_uuid(id)).await?
            && let Some(to) = failed_of(guest.status)
        {
            let from = guest.status;
            let name = guest.name.clone();
            leave(guest, to, &notes, cx).await?;
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

async fn leave(guest: Guest, to: GuestStatus, cause: &str, cx: &mut Cx<'_>) -> Result<()> {
    db::guest::set_status(cx.conn, guest.id, to, Some(cause)).await?;
    // The way out of a failed rescue begins by restoring the desc of the session that the row names: that stays.
    if let Some(session) = guest.rescue_session_id
        && to == GuestStatus::StartRescueFailed
    {
        db::session::close(cx.conn, session, SessionState::Failed, Some(cause), &json!([])).await?;
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
