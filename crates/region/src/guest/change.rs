//! What the verbs share that change what a server is made of. Each makes the desc that is to be, and the host does what is between that and
//! its own; the row follows once the host has done it.

use api::ErrorClass;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{Spawned, StepError, TaskCx};
use types::GuestStatus;
use types::desc::Desc;
use types::operation::Outcome;

use crate::app::App;
use crate::dispatch::Cx;
use crate::error::{Error, Result};
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::host_client::{Call, unexpected};

/// Where what a server is made of can change. What of it only while it is off is [`must_be_off`]'s to say.
pub const FROM: &[GuestStatus] = &[GuestStatus::Ready, GuestStatus::Running];

/// The verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    ChangeConfig,
    AttachDisk,
    DetachDisk,
    AttachNetwork,
    DetachNetwork,
    InsertIso,
    EjectIso,
}

impl What {
    /// The word in events, the status meanwhile, and the one where nobody can say how far it came.
    const fn row(self) -> (&'static str, GuestStatus, GuestStatus) {
        use GuestStatus::{
            AttachDisk, AttachDiskFailed, ChangeConfig, ChangeConfigFailed, DetachDisk, DetachDiskFailed,
        };
        match self {
            Self::ChangeConfig => ("change_config", ChangeConfig, ChangeConfigFailed),
            Self::AttachDisk => ("attach_disk", AttachDisk, AttachDiskFailed),
            Self::DetachDisk => ("detach_disk", DetachDisk, DetachDiskFailed),
            Self::AttachNetwork => ("attach_network", ChangeConfig, ChangeConfigFailed),
            Self::DetachNetwork => ("detach_network", ChangeConfig, ChangeConfigFailed),
            Self::InsertIso => ("insert_iso", ChangeConfig, ChangeConfigFailed),
            Self::EjectIso => ("eject_iso", ChangeConfig, ChangeConfigFailed),
        }
    }
}

/// Starts the task that makes the server be as described.
///
/// # Errors
/// 409 if another task is at work on the guest.
pub async fn begin(guest: &Guest, what: What, desc: Desc, notes: String, cx: &mut Cx<'_>) -> Result<Spawned> {
    one_call::begin(ServerChange { on: On::of(guest), what, desc }, guest, notes, cx).await
}

/// # Errors
/// 409: the server runs, and what is asked can't be done meanwhile.
pub fn must_be_off(guest: &Guest, what: &str) -> Result<()> {
    if guest.status == GuestStatus::Ready {
        return Ok(());
    }
    Err(Error::status(format!(
        "{what} only while the server is off, but '{}' is in {}. Stop it first. Allowed now: stop",
        guest.name, guest.status
    )))
}

/// The lowest index that no device of the kind has: the others stay where they are.
/// The first place is filled only while the guest is off: it is on the machine itself, where nothing can be plugged in.
///
/// # Errors
/// 409: there are as many as there may be.
pub fn free_index(kind: &str, status: GuestStatus, used: impl Iterator<Item = u32> + Clone, most: u32) -> Result<u32> {
    let first = u32::from(status != GuestStatus::Ready);
    (first..most).find(|n| !used.clone().any(|index| index == *n)).ok_or_else(|| {
        let details = format!("the server has no place for more {kind} now; {most} is the most while it is off");
        Error::new(ErrorClass::Conflict, details)
    })
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerChange {
    on: On,
    what: What,
    desc: Desc,
}

impl OneCall for ServerChange {
    const TASK: &'static str = "ServerChangeTask";
    /// A disk may be a copy of a large image.
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(3600);

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        self.what.row().0
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(self.what.row().1)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(self.what.row().2)
    }
    fn call(&self) -> Call {
        let desc_json = serde_json::to_string(&self.desc).expect("a desc is plain data");
        Call::Change(pb::ChangeGuestRequest { operation: None, desc_json })
    }

    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        let Outcome::Changed { live_pending, .. } = outcome else { return Err(unexpected(&outcome)) };
        let (id, desc) = (self.on.guest, self.desc.clone());
        cx.on_save(async move |conn| match db::guest::lock(conn, id).await? {
            Some(guest) => Ok(db::guest::set_desc(conn, &guest, &desc).await?),
            None => Ok(()),
        });
        let notes = match live_pending.as_slice() {
            [] => "done".into(),
            fields => format!("done; with its next start the server gets: {}", fields.join(", ")),
        };
        Ok(Settled { to: self.on.from, power: None, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_device_takes_the_lowest_place_that_is_free() {
        assert_eq!(free_index("disks", GuestStatus::Ready, [].into_iter(), 16).unwrap(), 0);
        assert_eq!(free_index("disks", GuestStatus::Ready, [0, 2, 1].into_iter(), 16).unwrap(), 3);
        assert_eq!(free_index("disks", GuestStatus::Ready, [0, 2].into_iter(), 16).unwrap(), 1);
        assert_eq!(free_index("disks", GuestStatus::Running, [2].into_iter(), 16).unwrap(), 1);
        let error = free_index("disks", GuestStatus::Ready, [0, 1].into_iter(), 2).unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
    }
}
