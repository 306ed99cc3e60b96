//! How a guest is, asked of its host, and what follows for its row: power state, desc, and a status that fits both.

use proto::host::v1 as pb;
use task_engine::{StepError, TaskCx};
use types::desc::Desc;
use types::operation::{GuestReport, Outcome};
use types::{GuestId, GuestStatus, HostId, PowerState, SessionId};
use uuid::Uuid;

use crate::app::App;
use crate::guest::work::{self, Change};
use crate::host_client::{Call, ask, look, unexpected};

/// What a host says of a guest.
#[derive(Debug, Clone)]
pub struct Seen {
    pub report: GuestReport,
    pub desc: Desc,
}

/// Asks, with a request of its own first that changes nothing: once that is answered, nothing that was asked before is under way, and
/// nothing late can act any more. `None`: the host is at it.
///
/// # Errors
/// As [`ask`].
pub async fn see(cx: &mut TaskCx<'_, App>, host: HostId, guest: GuestId) -> Result<Option<Seen>, StepError> {
    let nobody = SessionId::from_uuid(Uuid::nil());
    let fence = Call::RestoreDesc(pb::RestoreDescRequest { session_id: nobody.to_string(), ..Default::default() });
    match ask(cx, host, guest, fence).await? {
        None => Ok(None),
        Some(Outcome::Restored { .. }) => {
            let (report, desc) = look(cx.env(), host, guest).await?;
            Ok(Some(Seen { report, desc }))
        }
        Some(other) => Err(unexpected(&other)),
    }
}

/// The status of a guest that is not in rescue and has no task, from what its host observes.
#[must_use]
pub fn resting(power: PowerState) -> Option<GuestStatus> {
    match power {
        PowerState::Running => Some(GuestStatus::Running),
        PowerState::Shutoff => Some(GuestStatus::Ready),
        PowerState::Paused => Some(GuestStatus::Suspended),
        PowerState::Unknown => None,
    }
}

/// What becomes of a status once the host has been asked. Pure.
#[must_use]
pub fn settled(status: GuestStatus, power: PowerState, session: Option<SessionId>) -> GuestStatus {
    if GuestStatus::OF_RESCUE.contains(&status) {
        return status;
    }
    match session {
        // A rescue that nobody knows of any more: its ways out put it right.
        Some(_) => GuestStatus::StopRescueFailed,
        None => resting(power).unwrap_or(status),
    }
}

/// Why the host was asked, for the event.
pub struct Asked {
    pub action: &'static str,
    pub success: bool,
    pub reason: Option<String>,
    pub notes: String,
}

/// Makes what was seen part of the step's save. `from`: the status that counts where the host's word does not.
pub fn adopt(cx: &mut TaskCx<'_, App>, id: GuestId, from: GuestStatus, seen: Seen, asked: Asked) {
    let Seen { report, desc } = seen;
    let to = settled(from, report.power, report.rescue_session);
    let session = report.rescue_session;
    cx.on_save(async move |conn| {
        let Some(guest) = db::guest::lock(conn, id).await? else { return Ok(()) };
        match session {
            None => db::guest::set_desc(conn, &guest, &desc).await?,
            Some(session) => {
                let boot = i32::try_from(report.rescue_boot).unwrap_or(i32::MAX);
                db::session::set_boots(conn, guest.host_id, &[(id, session, boot, report.rescue_ready)]).await?;
                let known = db::session::get(conn, session).await?.is_some_and(|s| s.guest_id == id);
                if known && guest.rescue_session_id.is_none() {
                    db::guest::set_session(conn, id, Some(session)).await?;
                }
            }
        }
        Ok(())
    });
    let Asked { action, success, reason, notes } = asked;
    work::change(cx, Change { guest: id, to, power: Some(report.power), reason, action, success, notes });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_sees_decides_but_never_over_a_rescue() {
        use GuestStatus::{AttachDiskFailed, Ready, Rescue, Running, StopFailed, StopRescueFailed, Suspended};
        let session = Some(SessionId::generate());
        let table = [
            (Ready, PowerState::Running, None, Running),
            (Running, PowerState::Shutoff, None, Ready),
            (Running, PowerState::Paused, None, Suspended),
            (StopFailed, PowerState::Shutoff, None, Ready),
            (AttachDiskFailed, PowerState::Running, None, Running),
            (Running, PowerState::Unknown, None, Running),
            (Rescue, PowerState::Shutoff, session, Rescue),
            (Rescue, PowerState::Running, None, Rescue),
            (Ready, PowerState::Running, session, StopRescueFailed),
        ];
        for (status, power, session, expected) in table {
            assert_eq!(settled(status, power, session), expected, "{status} {power} {session:?}");
        }
    }
}
