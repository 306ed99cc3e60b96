//! Baremetal agents, which serve boot files: `agent-*`.

use api::ListQuery;
use api::baremetal::{BaremetalAgent, BaremetalAgents, DisableAgent, EnableAgent};
use chrono::Utc;
use clap::Subcommand;

use super::{list, show};
use crate::batch::{self, Cx, QuickVerb, Wait};
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List baremetal agents, which serve boot files
    #[command(after_help = "Example:\n  climc agent-list")]
    AgentList(Box<ListQuery>),
    /// Show a baremetal agent
    #[command(after_help = "Example:\n  climc agent-show a1")]
    AgentShow {
        /// Id or name
        id: String,
    },
    /// Let rescues download from baremetal agents
    #[command(after_help = "Example:\n  climc agent-enable a1")]
    AgentEnable(QuickVerb<EnableAgent>),
    /// Let no rescue download from baremetal agents
    #[command(after_help = "Example:\n  climc agent-disable a1")]
    AgentDisable(QuickVerb<DisableAgent>),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::AgentList(query) => list::<BaremetalAgents>(cx, &query).await,
        Command::AgentShow { id } => show::<BaremetalAgents>(cx, &id).await,
        Command::AgentEnable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::AgentDisable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
    }
}

impl Shown for BaremetalAgents {
    const COLUMNS: &'static [&'static str] =
        &["ID", "Name", "Zone", "Status", "Enabled", "Manager URI", "TFTP", "Images", "Heard"];

    fn row(view: &BaremetalAgent) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.zone.clone(),
            view.status.to_string(),
            text::yes_no(view.enabled),
            view.manager_uri.clone(),
            view.tftp_endpoint.clone(),
            text::or_dash(Some(view.images.join(", "))),
            format!("{} ago", text::span(Utc::now() - view.last_heartbeat)),
        ]
    }

    fn details(view: &BaremetalAgent) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("zone", view.zone.clone()),
            ("status", view.status.to_string()),
            ("enabled", text::yes_no(view.enabled)),
            ("draining", text::yes_no(view.draining)),
            ("transfers", view.transfers.to_string()),
            ("version", view.version.clone()),
            ("manager_uri", view.manager_uri.clone()),
            ("tftp_endpoint", view.tftp_endpoint.clone()),
            ("images", text::or_dash(Some(view.images.join("\n")))),
            ("last_heartbeat", text::time(view.last_heartbeat)),
            ("created_at", text::time(view.created_at)),
        ]
    }

    fn id(view: &BaremetalAgent) -> String {
        view.id.to_string()
    }
    fn name(view: &BaremetalAgent) -> String {
        view.name.clone()
    }
    fn status(view: &BaremetalAgent) -> String {
        view.status.to_string()
    }
}
