//! Domains: `domain-*`.

use api::ListQuery;
use api::domain::{Domain, DomainCreate, DomainUpdate, Domains};
use clap::Subcommand;

use super::change::{self, Change};
use super::{list, show};
use crate::batch::{Cx, Many};
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List domains, which users and projects belong to
    #[command(after_help = "Example:\n  climc domain-list")]
    DomainList(Box<ListQuery>),
    /// Show a domain
    #[command(after_help = "Example:\n  climc domain-show Default")]
    DomainShow {
        /// Id or name
        id: String,
    },
    /// Create a domain
    #[command(after_help = "Example:\n  climc domain-create research --description 'The labs'")]
    DomainCreate(DomainCreate),
    /// Describe a domain, or disable it and with it all of its users
    #[command(after_help = "Example:\n  climc domain-update research --enabled false")]
    DomainUpdate(Change<DomainUpdate>),
    /// Delete domains that have neither users nor projects
    #[command(after_help = "Example:\n  climc domain-delete research")]
    DomainDelete(Many),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::DomainList(query) => list::<Domains>(cx, &query).await,
        Command::DomainShow { id } => show::<Domains>(cx, &id).await,
        Command::DomainCreate(body) => change::create::<Domains>(cx, &body.name, &body).await,
        Command::DomainUpdate(change) => change::update::<Domains, _>(cx, &change).await,
        Command::DomainDelete(many) => change::delete::<Domains>(cx, &many).await,
    }
}

impl Shown for Domains {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Enabled", "Description"];

    fn row(view: &Domain) -> Vec<String> {
        vec![view.id.to_string(), view.name.clone(), text::yes_no(view.enabled), view.description.clone()]
    }

    fn details(view: &Domain) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("description", view.description.clone()),
            ("enabled", text::yes_no(view.enabled)),
            ("created_at", text::time(view.created_at)),
            ("update_version", view.update_version.to_string()),
        ]
    }

    fn id(view: &Domain) -> String {
        view.id.to_string()
    }
    fn name(view: &Domain) -> String {
        view.name.clone()
    }
    fn status(view: &Domain) -> String {
        if view.enabled { "enabled" } else { "disabled" }.into()
    }
}
