//! `POST /servers/{id}/resize-disk`: larger, never smaller; also while the server runs.

use api::server::ResizeDisk;
use db::guest::Guest;
use proto::host::v1 as pb;
use serde::{Deserialize, Serialize};
use task_engine::{StepError, TaskCx};
use types::GuestStatus;
use types::id::DiskId;
use types::operation::Outcome;

use crate::app::App;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::one_call::{self, On, OneCall, Settled};
use crate::guest::{change, detach_disk};
use crate::host_client::{Call, unexpected};

impl Perform<ResizeDisk> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: ResizeDisk, cx: &mut Cx<'_>) -> Result<Done<ResizeDisk>> {
        let now = self.parsed_desc()?;
        let disk = detach_disk::of(&self, &now, &action.disk_id)?;
        if action.size == disk.size_mib {
            return Ok(Done::nothing());
        }
        if action.size < disk.size_mib {
            return Err(Error::input(format!(
                "size: disk {} has {} MiB, and a disk never becomes smaller",
                disk.serial, disk.size_mib
            )));
        }
        let notes = format!("disk {} to {} MiB", disk.serial, action.size);
        let verb = ServerResizeDisk { on: On::of(&self), disk: disk.id, size_mib: action.size };
        Ok(Done::task(one_call::begin(verb, &self, notes, cx).await?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerResizeDisk {
    on: On,
    disk: DiskId,
    size_mib: u64,
}

impl OneCall for ServerResizeDisk {
    const TASK: &'static str = "ServerResizeDiskTask";

    fn on(&self) -> On {
        self.on
    }
    fn action(&self) -> &'static str {
        "resize_disk"
    }
    fn during(&self) -> Option<GuestStatus> {
        Some(GuestStatus::DiskResize)
    }
    fn failed(&self) -> Option<GuestStatus> {
        Some(GuestStatus::DiskResizeFailed)
    }
    fn call(&self) -> Call {
        let (disk_id, size_mib) = (self.disk.to_string(), self.size_mib);
        Call::ResizeDisk(pb::ResizeDiskRequest { operation: None, disk_id, size_mib })
    }

    fn done(&self, outcome: Outcome, cx: &mut TaskCx<'_, App>) -> Result<Settled, StepError> {
        let Outcome::Resized { size_mib, .. } = outcome else { return Err(unexpected(&outcome)) };
        let (id, disk) = (self.on.guest, self.disk);
        cx.on_save(async move |conn| {
            let Some(guest) = db::guest::lock(conn, id).await? else { return Ok(()) };
            let mut desc = guest.parsed_desc().map_err(|e| StepError::because(&e))?;
            desc.disks.iter_mut().filter(|d| d.id == disk).for_each(|d| d.size_mib = size_mib);
            Ok(db::guest::set_desc(conn, &guest, &desc).await?)
        });
        Ok(Settled { to: self.on.from, power: None, notes: format!("the disk has {size_mib} MiB now") })
    }
}
