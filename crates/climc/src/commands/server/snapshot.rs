//! Snapshots: `server-snapshot-*`.

use api::ListQuery;
use api::snapshot::{CreateSnapshot, RevertSnapshot, Snapshot, Snapshots};
use clap::Subcommand;

use super::perform;
use crate::batch::{self, Cx, Many, Verb, Wait};
use crate::commands::{list, show};
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// Keep all of a server's disks as they are now
    #[command(after_help = "Example:\n  climc server-snapshot-create web1 --snapshot before-upgrade --wait")]
    ServerSnapshotCreate(Verb<CreateSnapshot>),
    /// List snapshots
    #[command(after_help = "Example:\n  climc server-snapshot-list --search upgrade")]
    ServerSnapshotList(Box<ListQuery>),
    /// Show a snapshot
    #[command(after_help = "Example:\n  climc server-snapshot-show before-upgrade")]
    ServerSnapshotShow {
        /// Id or name
        id: String,
    },
    /// Put all of a server's disks back to what they were; what was written since is lost
    #[command(after_help = "Example:\n  climc server-snapshot-revert web1 --snapshot before-upgrade --wait")]
    ServerSnapshotRevert(Verb<RevertSnapshot>),
    /// Forget snapshots
    #[command(after_help = "Example:\n  climc server-snapshot-delete before-upgrade --wait")]
    ServerSnapshotDelete {
        #[command(flatten)]
        many: Many,
        #[command(flatten)]
        wait: Wait,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::ServerSnapshotCreate(verb) => perform(cx, verb).await,
        Command::ServerSnapshotList(query) => list::<Snapshots>(cx, &query).await,
        Command::ServerSnapshotShow { id } => show::<Snapshots>(cx, &id).await,
        Command::ServerSnapshotRevert(verb) => perform(cx, verb).await,
        Command::ServerSnapshotDelete { many, wait } => {
            batch::run::<Snapshots>(cx, "delete", &many.ids, many.parallel, &wait, async |id| {
                Ok(cx.client.delete::<Snapshots>(id).await?.into())
            })
            .await
        }
    }
}

impl Shown for Snapshots {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Server", "Status", "Disks", "Running", "Made"];

    fn row(view: &Snapshot) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.server.clone(),
            view.status.to_string(),
            view.disks.len().to_string(),
            text::yes_no(view.running),
            text::time(view.created_at),
        ]
    }

    fn details(view: &Snapshot) -> Vec<(&'static str, String)> {
        let disks = view.disks.iter().map(|d| format!("{}: {} serial {}", d.index, text::mib(d.size), d.serial));
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("server", format!("{} ({})", view.server, view.server_id)),
            ("status", view.status.to_string()),
            ("status_reason", text::or_dash(view.status_reason.as_ref())),
            ("description", text::or_dash(Some(&view.description).filter(|d| !d.is_empty()))),
            ("disks", text::or_dash(Some(disks.collect::<Vec<_>>().join("\n")))),
            ("running", text::yes_no(view.running)),
            ("created_at", text::time(view.created_at)),
        ]
    }

    fn id(view: &Snapshot) -> String {
        view.id.to_string()
    }
    fn name(view: &Snapshot) -> String {
        view.name.clone()
    }
    fn status(view: &Snapshot) -> String {
        view.status.to_string()
    }
}
