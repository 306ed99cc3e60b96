//! What people call a server and remember with it; and its description as its host has it.

use std::collections::BTreeMap;

use api::server::{AddMetadata, ServerUpdate, Servers, SetMetadata};
use clap::Subcommand;

use super::refuse;
use crate::batch::{self, Cx, Many, Wait};
use crate::commands::{change, create};
use crate::exit::Exit;
use crate::output;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// Change a server's name or description
    #[command(after_help = "Example:\n  climc server-update web1 --name front --desc 'the shop'")]
    ServerUpdate(Update),
    /// Show a server's metadata
    #[command(after_help = "Example:\n  climc server-metadata web1")]
    ServerMetadata {
        /// Id or name
        id: String,
    },
    /// Set some of servers' metadata; an empty value removes its key
    #[command(after_help = "Examples:\n  climc server-set-metadata web1 --set owner=me --set team=shop\n  \
        climc server-set-metadata web1 --set owner=\n  climc server-set-metadata web1 --replace --set owner=me")]
    ServerSetMetadata(Set),
    /// Show a server's description as its host has it now: what QEMU is started with
    #[command(after_help = "Example:\n  climc server-desc web1 --output-format json")]
    ServerDesc {
        /// Id or name
        id: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct Update {
    /// Id or name
    id: String,
    /// The new name
    #[arg(long)]
    name: Option<String>,
    /// For people
    #[arg(long, visible_alias = "description", value_name = "TEXT")]
    desc: Option<String>,
    /// Only if its update_version is still this one
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

#[derive(Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    many: Many,
    /// KEY=VALUE; may be repeated
    #[arg(long, value_name = "KEY=VALUE", required = true, value_parser = create::pair)]
    set: Vec<(String, String)>,
    /// All metadata anew: what is not given goes
    #[arg(long)]
    replace: bool,
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::ServerUpdate(args) => {
            let body = ServerUpdate { name: args.name, description: args.desc, metadata: None };
            body.check().map_err(|e| refuse(&e))?;
            change::put::<Servers>(cx, &args.id, &body, args.if_version).await
        }
        Command::ServerMetadata { id } => detail(cx, &id, "metadata").await,
        Command::ServerSetMetadata(args) => {
            let keys = BTreeMap::from_iter(args.set);
            match args.replace {
                true => batch::perform(cx, &args.many, &SetMetadata(keys), &Wait::default()).await,
                false => batch::perform(cx, &args.many, &AddMetadata(keys), &Wait::default()).await,
            }
        }
        Command::ServerDesc { id } => detail(cx, &id, "desc").await,
    }
}

/// The value under the detail's own name.
async fn detail(cx: &Cx, id: &str, name: &str) -> Result<(), Exit> {
    let mut told = cx.client.detail::<Servers>(id, name).await?;
    let value = told.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
    Ok(output::data(cx.format, &value)?)
}
