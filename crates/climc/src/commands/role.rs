//! Roles: `role-*`. What a role may do is in policies.

use api::ListQuery;
use api::account::{Described, Role, RoleCreate, Roles};
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
    /// List roles
    #[command(after_help = "Example:\n  climc role-list")]
    RoleList(Box<ListQuery>),
    /// Show a role
    #[command(after_help = "Example:\n  climc role-show project_owner")]
    RoleShow {
        /// Id or name
        id: String,
    },
    /// Create a role; a policy says what it may do
    #[command(after_help = "Example:\n  climc role-create rescuer --description 'May rescue, nothing else'")]
    RoleCreate(RoleCreate),
    /// Describe a role
    #[command(after_help = "Example:\n  climc role-update rescuer --description 'The night shift'")]
    RoleUpdate(Change<Described>),
    /// Delete roles, and take them from whoever has them
    #[command(after_help = "Example:\n  climc role-delete rescuer")]
    RoleDelete(Many),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::RoleList(query) => list::<Roles>(cx, &query).await,
        Command::RoleShow { id } => show::<Roles>(cx, &id).await,
        Command::RoleCreate(body) => change::create::<Roles>(cx, &body.name, &body).await,
        Command::RoleUpdate(change) => change::update::<Roles, _>(cx, &change).await,
        Command::RoleDelete(many) => change::delete::<Roles>(cx, &many).await,
    }
}

impl Shown for Roles {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Built in", "Description"];

    fn row(view: &Role) -> Vec<String> {
        vec![view.id.to_string(), view.name.clone(), text::yes_no(view.built_in), view.description.clone()]
    }

    fn details(view: &Role) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("description", view.description.clone()),
            ("built_in", text::yes_no(view.built_in)),
            ("created_at", text::time(view.created_at)),
            ("update_version", view.update_version.to_string()),
        ]
    }

    fn id(view: &Role) -> String {
        view.id.to_string()
    }
    fn name(view: &Role) -> String {
        view.name.clone()
    }
    fn status(_: &Role) -> String {
        "-".into()
    }
}
