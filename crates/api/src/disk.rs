//! Disks of servers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::desc::{DiskDriver, DiskFormat};
use types::id::DiskId;
use types::status::DiskStatus;
use types::{GuestId, HostId};

use crate::action::{Action, NoExtra, Resource};

#[derive(Debug)]
pub enum Disks {}
impl Resource for Disks {
    const WORD: &'static str = "disk";
    const PLURAL: &'static str = "disks";
    type View = Disk;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disk {
    pub id: DiskId,
    /// The serial number that the server reads.
    pub name: String,
    /// Null for a detached disk, as are `server` and `index`.
    pub server_id: Option<GuestId>,
    pub server: Option<String>,
    pub host_id: HostId,
    pub index: Option<u32>,
    pub status: DiskStatus,
    pub driver: DiskDriver,
    pub format: DiskFormat,
    /// MiB; 0: as large as its image.
    pub size: u64,
    pub image: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// `DELETE /disks/{id}`: of a detached one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DeleteDisk {}
impl Action for DeleteDisk {
    type On = Disks;
    type Extra = NoExtra;
    const NAME: &'static str = "delete";
    const SUMMARY: &'static str = "Delete a detached disk, with all that is on it";
}
