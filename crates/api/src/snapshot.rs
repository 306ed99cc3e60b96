//! Snapshots: all disks of a server at one moment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::GuestId;
use types::id::SnapshotId;
use types::status::SnapshotStatus;

use crate::action::{Action, Invalid, NoExtra, Resource};
use crate::server::{ServerDisk, Servers, check_name};

#[derive(Debug)]
pub enum Snapshots {}
impl Resource for Snapshots {
    const WORD: &'static str = "snapshot";
    const PLURAL: &'static str = "snapshots";
    type View = Snapshot;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snapshot {
    pub id: SnapshotId,
    /// Unique among those of its server.
    pub name: String,
    pub server_id: GuestId,
    pub server: String,
    pub status: SnapshotStatus,
    pub status_reason: Option<String>,
    pub description: String,
    /// The disks at that moment.
    pub disks: Vec<ServerDisk>,
    /// Whether the server was on: then its disks are as after a power failure.
    pub running: bool,
    pub created_at: DateTime<Utc>,
}

/// The most that a server has.
pub const MAX_SNAPSHOTS: i64 = 32;

/// `POST /servers/{id}/create-snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct CreateSnapshot {
    /// What to call it: 1 to 63 letters, digits, '-', '_' and '.'; unique among those of the server
    #[cfg_attr(feature = "clap", arg(long = "snapshot", value_name = "NAME", required = true))]
    pub name: String,
    /// For people; at most 1024 bytes
    #[cfg_attr(feature = "clap", arg(long, default_value = ""))]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}
impl Action for CreateSnapshot {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "create-snapshot";
    const SUMMARY: &'static str = "Keep all of a server's disks as they are now";
    fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        crate::server::edit::check_description(&self.description)
    }
}

/// `POST /servers/{id}/revert-snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct RevertSnapshot {
    /// The snapshot, by id or name
    #[cfg_attr(feature = "clap", arg(long = "snapshot", value_name = "SNAPSHOT", required = true))]
    pub snapshot_id: String,
}
impl Action for RevertSnapshot {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "revert-snapshot";
    const SUMMARY: &'static str = "Put all of a server's disks back to what they were; what was written since is lost";
}

/// `DELETE /snapshots/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DeleteSnapshot {}
impl Action for DeleteSnapshot {
    type On = Snapshots;
    type Extra = NoExtra;
    const NAME: &'static str = "delete";
    const SUMMARY: &'static str = "Forget a snapshot";
}
