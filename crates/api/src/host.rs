//! Hosts: hypervisor nodes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::status::Arch;
use types::{GuestId, HostId, PowerState, SessionId, words};

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
    /// MiB promised to its guests, running or not.
    #[serde(default)]
    pub mem_promised: i64,
    /// Processors promised to its guests.
    #[serde(default)]
    pub vcpu_promised: i64,
    pub guests: i64,
    #[serde(default)]
    pub guests_running: i64,
    /// In a rescue session.
    #[serde(default)]
    pub guests_in_rescue: i64,
    /// Since when it is silent: what its guests do is unknown meanwhile.
    #[serde(default)]
    pub offline_since: Option<DateTime<Utc>>,
    /// When its program started last.
    #[serde(default)]
    pub registered_at: Option<DateTime<Utc>>,
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

/// `POST /hosts/{id}/ping`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct PingHost {}
impl Action for PingHost {
    type On = Hosts;
    type Extra = Pinged;
    const NAME: &'static str = "ping";
    const SUMMARY: &'static str = "Ask a host now whether it answers, and how fast";
}

/// What a host answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pinged {
    pub ping: Option<Ping>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ping {
    /// Milliseconds until its answer was there.
    pub round_trip_ms: f64,
    /// The version of its program.
    pub version: String,
}

/// A guest that a host has and region does not, as `GET /hosts/{id}/unknown-guests` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnknownGuest {
    pub id: GuestId,
    pub power_state: PowerState,
    pub rescue_session_id: Option<SessionId>,
    /// As region knew it once.
    pub name: Option<String>,
    /// Why it should not be there.
    pub reason: String,
}
