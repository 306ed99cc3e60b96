//! Hosts: `host-*`.

use api::ListQuery;
use api::host::{DisableHost, EnableHost, Host, Hosts};
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
    /// List hosts, the hypervisor nodes
    #[command(after_help = "Example:\n  climc host-list")]
    HostList(ListQuery),
    /// Show a host
    #[command(after_help = "Example:\n  climc host-show h1")]
    HostShow {
        /// Id or name
        id: String,
    },
    /// Let new servers and rescues be placed on hosts
    #[command(after_help = "Example:\n  climc host-enable h1")]
    HostEnable(QuickVerb<EnableHost>),
    /// Place nothing new on hosts; what runs there goes on
    #[command(after_help = "Example:\n  climc host-disable h1 h2")]
    HostDisable(QuickVerb<DisableHost>),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::HostList(query) => list::<Hosts>(cx, &query).await,
        Command::HostShow { id } => show::<Hosts>(cx, &id).await,
        Command::HostEnable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::HostDisable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
    }
}

impl Shown for Hosts {
    const COLUMNS: &'static [&'static str] =
        &["ID", "Name", "Zone", "Status", "Enabled", "Guests", "CPU", "Memory free", "Accelerator", "Heard"];

    fn row(view: &Host) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.zone.clone(),
            view.host_status.to_string(),
            text::yes_no(view.enabled),
            view.guests.to_string(),
            view.cpu_count.to_string(),
            format!("{} of {}", text::mib(view.mem_free), text::mib(view.mem_size)),
            view.accelerator.clone(),
            format!("{} ago", text::span(Utc::now() - view.last_heartbeat)),
        ]
    }

    fn details(view: &Host) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("zone", view.zone.clone()),
            ("host_status", view.host_status.to_string()),
            ("enabled", text::yes_no(view.enabled)),
            ("endpoint", view.endpoint.clone()),
            ("version", view.version.clone()),
            ("arch", view.arch.to_string()),
            ("accelerator", view.accelerator.clone()),
            ("qemu_versions", text::or_dash(Some(view.qemu_versions.join(", ")))),
            ("cpu_count", view.cpu_count.to_string()),
            ("mem_size", text::mib(view.mem_size)),
            ("mem_free", text::mib(view.mem_free)),
            ("storage_free", text::mib(view.storage_free)),
            ("guests", view.guests.to_string()),
            ("last_heartbeat", text::time(view.last_heartbeat)),
            ("created_at", text::time(view.created_at)),
        ]
    }

    fn id(view: &Host) -> String {
        view.id.to_string()
    }
    fn name(view: &Host) -> String {
        view.name.clone()
    }
    fn status(view: &Host) -> String {
        view.host_status.to_string()
    }
}
