//! Baremetal agents: the processes that serve boot files.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::AgentId;

use crate::action::{Action, NoExtra, Resource};
use crate::host::Reachability;

#[derive(Debug)]
pub enum BaremetalAgents {}
impl Resource for BaremetalAgents {
    const WORD: &'static str = "baremetalagent";
    const PLURAL: &'static str = "baremetalagents";
    type View = BaremetalAgent;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BaremetalAgent {
    pub id: AgentId,
    pub name: String,
    pub zone: String,
    pub status: Reachability,
    pub enabled: bool,
    /// It is going away and gets no new work.
    pub draining: bool,
    /// Files it was sending when it was heard last.
    pub transfers: u32,
    pub version: String,
    /// Base URL of its HTTP service.
    pub manager_uri: String,
    /// host:port of its TFTP service.
    pub tftp_endpoint: String,
    /// What it serves, as `name version`.
    pub images: Vec<String>,
    pub last_heartbeat: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// `POST /baremetalagents/{id}/enable`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct EnableAgent {}
impl Action for EnableAgent {
    type On = BaremetalAgents;
    type Extra = NoExtra;
    const NAME: &'static str = "enable";
    const SUMMARY: &'static str = "Let rescues download from a baremetal agent";
}

/// `POST /baremetalagents/{id}/disable`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DisableAgent {}
impl Action for DisableAgent {
    type On = BaremetalAgents;
    type Extra = NoExtra;
    const NAME: &'static str = "disable";
    const SUMMARY: &'static str = "Let no rescue download from a baremetal agent";
}
