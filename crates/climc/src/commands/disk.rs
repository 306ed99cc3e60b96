//! Disks: `disk-*`.

use api::ListQuery;
use api::disk::{Disk, Disks};
use clap::Subcommand;

use super::{list, show};
use crate::batch::{self, Cx, Many, Wait};
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List disks, those of servers and detached ones
    #[command(after_help = "Examples:\n  climc disk-list\n  climc disk-list --status ready    # detached ones")]
    DiskList(Box<ListQuery>),
    /// Show a disk
    #[command(after_help = "Example:\n  climc disk-show 9f3a...")]
    DiskShow {
        /// Id or serial number
        id: String,
    },
    /// Delete detached disks, with all that is on them
    #[command(after_help = "Example:\n  climc disk-delete 9f3a... --wait")]
    DiskDelete {
        #[command(flatten)]
        many: Many,
        #[command(flatten)]
        wait: Wait,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::DiskList(query) => list::<Disks>(cx, &query).await,
        Command::DiskShow { id } => show::<Disks>(cx, &id).await,
        Command::DiskDelete { many, wait } => {
            batch::run::<Disks>(cx, "delete", &many.ids, many.parallel, &wait, async |id| {
                Ok(cx.client.delete::<Disks>(id).await?.into())
            })
            .await
        }
    }
}

impl Shown for Disks {
    const COLUMNS: &'static [&'static str] = &["ID", "Serial", "Server", "Index", "Status", "Size", "Driver", "Format"];

    fn row(view: &Disk) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            text::or_dash(view.server.as_ref()),
            text::or_dash(view.index),
            view.status.to_string(),
            text::mib(view.size),
            view.driver.to_string(),
            view.format.to_string(),
        ]
    }

    fn details(view: &Disk) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("serial", view.name.clone()),
            ("server", text::or_dash(view.server.as_ref())),
            ("index", text::or_dash(view.index)),
            ("status", view.status.to_string()),
            ("size", text::mib(view.size)),
            ("driver", view.driver.to_string()),
            ("format", view.format.to_string()),
            ("image", text::or_dash(view.image.as_ref())),
            ("host_id", view.host_id.to_string()),
            ("created_at", text::time(view.created_at)),
        ]
    }

    fn id(view: &Disk) -> String {
        view.id.to_string()
    }
    fn name(view: &Disk) -> String {
        view.name.clone()
    }
    fn status(view: &Disk) -> String {
        view.status.to_string()
    }
}
