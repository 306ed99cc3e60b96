//! Hosts: `host-*`.

use api::ListQuery;
use api::host::{DisableHost, EnableHost, Host, Hosts, PingHost, UnknownGuest};
use chrono::Utc;
use clap::Subcommand;

use super::{list, show};
use crate::batch::{self, Cx, QuickVerb, Wait};
use crate::exit::Exit;
use crate::output::{self, Format, Shown};
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List hosts, the hypervisor nodes
    #[command(after_help = "Example:\n  climc host-list")]
    HostList(Box<ListQuery>),
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
    /// Ask hosts now whether they answer, and how fast
    #[command(after_help = "Example:\n  climc host-ping h1 h2")]
    HostPing(QuickVerb<PingHost>),
    /// List guests that a host has and the service does not know; they are never touched
    #[command(after_help = "Example:\n  climc host-unknown-guests h1")]
    HostUnknownGuests {
        /// Id or name
        id: String,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::HostList(query) => list::<Hosts>(cx, &query).await,
        Command::HostShow { id } => show::<Hosts>(cx, &id).await,
        Command::HostEnable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::HostDisable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::HostPing(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::HostUnknownGuests { id } => unknown_guests(cx, &id).await,
    }
}

async fn unknown_guests(cx: &Cx, id: &str) -> Result<(), Exit> {
    let told = cx.client.detail::<Hosts>(id, "unknown-guests").await?;
    let guests: Vec<UnknownGuest> = serde_json::from_value(told.get("unknown_guests").cloned().unwrap_or_default())
        .map_err(|e| Exit::failed(e.to_string()))?;
    if cx.format != Format::Table {
        return Ok(output::data(cx.format, &guests)?);
    }
    let rows = guests.iter().map(|guest| {
        vec![
            guest.id.to_string(),
            text::or_dash(guest.name.as_ref()),
            guest.power_state.to_string(),
            guest.reason.clone(),
        ]
    });
    Ok(output::rows(&["ID", "Name", "Power", "Why it should not be there"], rows)?)
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
            ("mem_promised", text::mib(view.mem_promised)),
            ("vcpu_promised", view.vcpu_promised.to_string()),
            ("storage_free", text::mib(view.storage_free)),
            ("guests", view.guests.to_string()),
            ("guests_running", view.guests_running.to_string()),
            ("guests_in_rescue", view.guests_in_rescue.to_string()),
            ("registered_at", text::or_dash(view.registered_at.map(text::time))),
            ("last_heartbeat", text::time(view.last_heartbeat)),
            ("offline_since", text::or_dash(view.offline_since.map(text::time))),
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
