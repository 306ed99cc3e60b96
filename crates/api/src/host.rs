//! Hosts: hypervisor nodes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::status::Arch;
use types::{HostId, words};

use crate::action::{Action, NoExtra, Resource};

#[derive(Debug)]
pub enum Hosts {}
impl Resource for Hosts {
    const WORD: &'static str = "host";
    const PLURAL: &'static str = "hosts";
    type View = Host;
}

words! {
    /// Whether a process that sends heartbeats has sent one lately.
    pub enum Reachability as "host status" {
        Online = "online",
        Offline = "offline",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Host {
    pub id: HostId,
    pub name: String,
    pub zone: String,
    pub host_status: Reachability,
    pub enabled: bool,
    pub endpoint: String,
    pub version: String,
    pub arch: Arch,
    pub accelerator: String,
    pub qemu_versions: Vec<String>,
    pub cpu_count: i32,
    /// MiB.
    pub mem_size: i64,
    /// MiB, as of the last heartbeat.
    pub mem_free: i64,
    /// MiB free where guests live, as of the last heartbeat.
    pub storage_free: i64,
    pub guests: i64,
    pub last_heartbeat: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// `POST /hosts/{id}/enable`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct EnableHost {}
impl Action for EnableHost {
    type On = Hosts;
    type Extra = NoExtra;
    const NAME: &'static str = "enable";
    const SUMMARY: &'static str = "Let new servers and rescues be placed on a host";
}

/// `POST /hosts/{id}/disable`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DisableHost {}
impl Action for DisableHost {
    type On = Hosts;
    type Extra = NoExtra;
    const NAME: &'static str = "disable";
    const SUMMARY: &'static str = "Place nothing new on a host; what runs there goes on";
}
