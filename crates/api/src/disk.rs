//! Disks of servers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::desc::{DiskDriver, DiskFormat};
use types::id::DiskId;
use types::{GuestId, HostId};

use crate::action::Resource;

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
    pub server_id: GuestId,
    pub server: String,
    pub host_id: HostId,
    pub index: u32,
    pub driver: DiskDriver,
    pub format: DiskFormat,
    /// MiB; 0: as large as its image.
    pub size: u64,
    pub image: Option<String>,
    pub created_at: DateTime<Utc>,
}
