//! `POST /servers/{id}/detach-disk`: the disk keeps what is on it, and stays where its server was.

use api::server::DetachDisk;
use db::guest::Guest;
use types::GuestStatus;
use types::desc::{Desc, DiskDesc};

use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::attach_disk::hot;
use crate::guest::change::{self, What};

impl Perform<DetachDisk> for Guest {
    const FROM: &'static [GuestStatus] = change::FROM;

    async fn perform(self, action: DetachDisk, cx: &mut Cx<'_>) -> Result<Done<DetachDisk>> {
        let now = self.parsed_desc()?;
        let disk = of(&self, &now, &action.disk_id)?;
        if disk.index == 0 || !hot(disk.driver) {
            change::must_be_off(&self, "its first disk, and any that is not virtio or scsi, is detached")?;
        }
        let notes = format!("disk {}, number {}", disk.serial, disk.index);
        let gone = disk.id;
        let disks = now.disks.iter().filter(|d| d.id != gone).cloned().collect();
        let desc = Desc { disks, ..now };
        Ok(Done::task(change::begin(&self, What::DetachDisk, desc, notes, cx).await?))
    }
}

/// A disk of the server, by id or serial number.
pub fn of<'d>(guest: &Guest, desc: &'d Desc, ident: &str) -> Result<&'d DiskDesc> {
    desc.disks.iter().find(|d| d.id.to_string() == ident || d.serial == ident).ok_or_else(|| {
        let there: Vec<&str> = desc.disks.iter().map(|d| d.serial.as_str()).collect();
        let ident: String = ident.chars().take(80).collect();
        Error::new(
            api::ErrorClass::ResourceNotFound,
            format!("server '{}' has no disk '{ident}'; it has {}", guest.name, there.join(", ")),
        )
    })
}
