//! Rescue sessions: one stay of one server in rescue mode.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::desc::BootFile;
use types::diagnosis::{Diagnosis, RepairReport, Trial};
use types::id::ImageId;
use types::operation::StopHow;
use types::rescue::{ReadyReport, SeenDisk};
use types::status::Arch;
use types::status::{OverlayEnd, RescueNetwork};
use types::{DiskMode, GuestId, GuestStatus, SessionId, SessionState, TaskId};

use crate::action::{Action, Invalid, NoExtra, Resource};

#[derive(Debug)]
pub enum RescueSessions {}
impl Resource for RescueSessions {
    const WORD: &'static str = "rescuesession";
    const PLURAL: &'static str = "rescuesessions";
    type View = RescueSession;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RescueSession {
    pub id: SessionId,
    pub server_id: GuestId,
    pub server: String,
    pub state: SessionState,
    pub image: SessionImage,
    pub disk_mode: DiskMode,
    /// What the rescue system may reach over the server's NICs, and who may reach it.
    #[serde(default = "full")]
    pub network: RescueNetwork,
    pub reason: Option<String>,
    pub user: String,
    /// The server's status before.
    pub prior_status: GuestStatus,
    /// How the server was stopped on the way in; absent while that has not happened.
    pub stop_how: Option<StopHow>,
    pub stop_seconds: Option<f64>,
    /// Disks as the rescue system sees them, with their names in it, in the server's own system, and below `/dev/disk/by-id`.
    pub disks: Vec<SeenDisk>,
    /// The proof that the rescue system is up, as of its first boot.
    pub ready: Option<ReadyReport>,
    /// True while the current boot has proven itself; a reboot inside rescue makes it false until it does again.
    pub is_ready: bool,
    pub boot: u32,
    /// How to compare what ssh shows: `SHA256:...`. The key is made for the session before its rescue system boots, is told here from then on, and
    /// stays over reboots of the rescue system.
    pub ssh_fingerprint: Option<String>,
    /// For a `known_hosts` file.
    pub ssh_host_key: Option<String>,
    pub password_shown: bool,
    pub start_task_id: Option<TaskId>,
    pub stop_task_id: Option<TaskId>,
    pub started_at: DateTime<Utc>,
    pub ready_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub cause: Option<String>,
    pub evidence: Vec<String>,
    /// Of disk mode `overlay`: what becomes of what was written, when the session ends by itself.
    #[serde(default)]
    pub on_expiry: Option<OverlayEnd>,
    /// The same, as stop-rescue has decided it.
    #[serde(default)]
    pub overlay: Option<OverlayEnd>,
}

/// Of a region from before there was a choice.
fn full() -> RescueNetwork {
    RescueNetwork::Full
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionImage {
    pub name: String,
    pub version: String,
    pub kernel: BootFile,
    pub initramfs: BootFile,
}

/// `GET /rescuesessions/{id}/diagnosis`: what the rescue system found, and what was repaired since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Examined {
    /// The latest; absent: nobody has asked yet.
    pub diagnosis: Option<Diagnosis>,
    pub diagnosed_at: Option<DateTime<Utc>>,
    /// The oldest first; dry runs are among them.
    pub repairs: Vec<Repaired>,
    /// What came of booting the server on what was repaired; the oldest first.
    #[serde(default)]
    pub trials: Vec<Tried>,
}

/// One boot of the server's own system on what was repaired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tried {
    pub at: DateTime<Utc>,
    pub user: String,
    pub task_id: TaskId,
    pub report: Trial,
}

/// One repair, or a dry run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Repaired {
    pub at: DateTime<Utc>,
    pub user: String,
    pub task_id: TaskId,
    pub report: RepairReport,
}

/// `POST /rescuesessions/{id}/extend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Extend {
    /// Seconds from now until the session ends by itself (300 to 2592000)
    #[cfg_attr(feature = "clap", arg(long))]
    pub ttl: u32,
}
impl Action for Extend {
    type On = RescueSessions;
    type Extra = NoExtra;
    const NAME: &'static str = "extend";
    const SUMMARY: &'static str = "Give an open rescue session more time, or less";
    fn check(&self) -> Result<(), Invalid> {
        if (300..=30 * 24 * 3600).contains(&self.ttl) {
            return Ok(());
        }
        Err(Invalid::new("ttl", format!("{} is out of range: 300 to 2592000 are allowed", self.ttl)))
    }
}

#[derive(Debug)]
pub enum RescueImages {}
impl Resource for RescueImages {
    const WORD: &'static str = "rescueimage";
    const PLURAL: &'static str = "rescueimages";
    type View = RescueImage;
}

/// A rescue image that baremetal agents offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RescueImage {
    pub id: ImageId,
    pub name: String,
    pub version: String,
    /// Of one name and version the highest is the newest.
    pub serial: u64,
    pub arch: Arch,
    pub kernel: BootFile,
    pub initramfs: BootFile,
    pub min_memory_mib: u32,
    /// Kernel drivers that it brings.
    pub drivers: Vec<String>,
    /// The agents that serve it.
    pub agents: Vec<String>,
}
