//! Verbs that turn servers on and off, and ask how they are.

use serde::{Deserialize, Serialize};

use super::{Servers, within};
use crate::action::{Action, Invalid, NoExtra};

/// `POST /servers/{id}/start`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Start {}
impl Action for Start {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "start";
    const SUMMARY: &'static str = "Boot a server from its own disks";
}

/// `POST /servers/{id}/stop`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Stop {
    /// Do not wait for the guest: quit it at once
    #[cfg_attr(feature = "clap", arg(long = "force", alias = "is-force"))]
    #[serde(default)]
    pub is_force: bool,
    /// Seconds the guest gets to power off before it is quit (1 to 3600; default 60)
    #[cfg_attr(feature = "clap", arg(long = "stop-timeout", alias = "timeout-secs"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<u32>,
}
impl Action for Stop {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "stop";
    const SUMMARY: &'static str = "Power a server off, gently unless forced";
    fn check(&self) -> Result<(), Invalid> {
        self.timeout_secs.map_or(Ok(()), |t| within("timeout_secs", t, 1, 3600))
    }
}

/// `POST /servers/{id}/restart`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Restart {
    /// Do not wait for the guest: quit it at once
    #[cfg_attr(feature = "clap", arg(long = "force", alias = "is-force"))]
    #[serde(default)]
    pub is_force: bool,
    /// Seconds the guest gets to power off before it is quit (1 to 3600; default 60)
    #[cfg_attr(feature = "clap", arg(long = "stop-timeout", alias = "timeout-secs"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<u32>,
}
impl Action for Restart {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "restart";
    const SUMMARY: &'static str =
        "Power a server off, gently unless forced, and boot it again; in rescue: the rescue system";
    fn check(&self) -> Result<(), Invalid> {
        self.timeout_secs.map_or(Ok(()), |t| within("timeout_secs", t, 1, 3600))
    }
}

/// `POST /servers/{id}/reset`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Reset {}
impl Action for Reset {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "reset";
    const SUMMARY: &'static str = "Press a server's reset button: what is in its memory is lost";
}

/// `POST /servers/{id}/syncstatus`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct SyncStatus {}
impl Action for SyncStatus {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "syncstatus";
    const SUMMARY: &'static str = "Ask a server's host now how it is, and let its status follow";
}

/// `POST /servers/{id}/suspend`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Suspend {}
impl Action for Suspend {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "suspend";
    const SUMMARY: &'static str = "Let a server stand still, with all that is in its memory";
}

/// `POST /servers/{id}/resume`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Resume {}
impl Action for Resume {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "resume";
    const SUMMARY: &'static str = "Let a suspended server go on";
}
