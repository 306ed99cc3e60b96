//! `POST /servers/{id}/attach-disk`: a detached disk of the same host, or a new one.

use api::ErrorClass;
use api::server::AttachDisk;
use db::guest::Guest;
use types::GuestStatus;
use types::desc::{Desc, DiskDesc, DiskDriver};
use types::status::DiskStatus;

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::change::{self, What};
use crate::guest::placement;

/// The most disks that a server has.
const MOST: u32 = 16;

impl Perform<AttachDisk> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: AttachDisk, cx: &mut Cx<'_>) -> Result<Done<AttachDisk>> {
        let now = self.parsed_desc()?;
        let index = change::free_index("disks", self.status, now.disks.iter().map(|d| d.index), MOST)?;
        let disk = match &action.disk_id {
            Some(ident) => DiskDesc { index, ..promised(&self, ident, action.driver, cx).await? },
            None => placement::new_disk(&action.new_disk(), index),
        };
        if !hot(disk.driver) {
            change::must_be_off(&self, "a disk of this driver is attached")?;
        }
        let notes = format!("disk {} as number {index}", disk.serial);
        let mut disks = now.disks.clone();
        disks.push(disk);
        disks.sort_by_key(|d| d.index);
        let desc = Desc { disks, ..now };
        Ok(Done::task(change::begin(&self, What::AttachDisk, desc, notes, cx).await?))
    }
}

/// Whether disks of this driver come and go while the server runs.
pub fn hot(driver: DiskDriver) -> bool {
    match driver {
        DiskDriver::Virtio | DiskDriver::Scsi => true,
        DiskDriver::Ide | DiskDriver::Sata => false,
    }
}

/// The detached disk, which nobody else may have from now on.
async fn promised(guest: &Guest, ident: &str, driver: Option<DiskDriver>, cx: &mut Cx<'_>) -> Result<DiskDesc> {
    let missing = || Error::not_found("disk", ident);
    let disk = db::disk::find(cx.conn, ident).await?.filter(|d| d.project == guest.project).ok_or_else(missing)?;
    if let Some(server) = disk.guest {
        return Err(Error::new(
            ErrorClass::Conflict,
            format!("disk '{ident}' belongs to server '{server}': detach it first"),
        ));
    }
    let row = db::detached::lock(cx.conn, disk.id).await?.ok_or_else(missing)?;
    if row.status != DiskStatus::Ready {
        return Err(Error::status(format!("disk '{ident}' is in {}: it must be ready", row.status)));
    }
    if row.host_id != guest.host_id {
        return Err(Error::new(
            ErrorClass::Conflict,
            format!(
                "disk '{ident}' is on another host than server '{}': only a server of that host can have it",
                guest.name
            ),
        ));
    }
    db::detached::promise(cx.conn, row.id, guest.id).await?;
    let desc = row.parsed()?;
    Ok(DiskDesc { driver: driver.unwrap_or(desc.driver), ..desc })
}
