//! Rescue images, as baremetal agents offer them: `rescue-image-*`.

use api::ListQuery;
use api::rescue::{RescueImage, RescueImages};
use clap::Subcommand;

use super::{list, show};
use crate::batch::Cx;
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List rescue images that baremetal agents offer
    #[command(after_help = "Example:\n  climc rescue-image-list")]
    RescueImageList(Box<ListQuery>),
    /// Show a rescue image: its files, what it needs, who serves it
    #[command(after_help = "Example:\n  climc rescue-image-show lifeboat-rescue")]
    RescueImageShow {
        /// Id or name
        id: String,
    },
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::RescueImageList(query) => list::<RescueImages>(cx, &query).await,
        Command::RescueImageShow { id } => show::<RescueImages>(cx, &id).await,
    }
}

impl Shown for RescueImages {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Version", "Serial", "Arch", "Memory", "Agents"];

    fn row(view: &RescueImage) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.version.clone(),
            view.serial.to_string(),
            view.arch.to_string(),
            text::mib(view.min_memory_mib),
            text::or_dash(Some(view.agents.join(", "))),
        ]
    }

    fn details(view: &RescueImage) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("version", view.version.clone()),
            ("serial", view.serial.to_string()),
            ("arch", view.arch.to_string()),
            ("kernel", format!("sha256:{} {}", view.kernel.sha256, text::bytes(view.kernel.size))),
            ("initramfs", format!("sha256:{} {}", view.initramfs.sha256, text::bytes(view.initramfs.size))),
            ("min_memory", text::mib(view.min_memory_mib)),
            ("drivers", text::or_dash(Some(view.drivers.join(", ")))),
            ("agents", text::or_dash(Some(view.agents.join(", ")))),
        ]
    }

    fn id(view: &RescueImage) -> String {
        view.id.to_string()
    }
    fn name(view: &RescueImage) -> String {
        view.name.clone()
    }
    fn status(_: &RescueImage) -> String {
        String::new()
    }
}
