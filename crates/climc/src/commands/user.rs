//! Users: `user-*`.

use api::ListQuery;
use api::account::{DisableUser, EnableUser, SetPassword, User, UserCreate, UserUpdate, Users};
use clap::Subcommand;

use super::change::{self, Change};
use super::{list, password, show};
use crate::batch::{self, Cx, Many, QuickVerb, Receipt, Wait};
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List users
    #[command(after_help = "Example:\n  climc user-list")]
    UserList(Box<ListQuery>),
    /// Show a user, with its projects and roles
    #[command(after_help = "Examples:\n  climc user-show ann\n  climc user-show research/ann")]
    UserShow {
        /// Id, name, or DOMAIN/NAME
        id: String,
    },
    /// Create a user; asks for its password
    #[command(
        after_help = "Examples:\n  climc user-create ann\n  climc user-create ann --domain research < password.txt"
    )]
    UserCreate {
        /// Its name
        name: String,
        /// The domain it belongs to; else your own
        #[arg(long)]
        domain: Option<String>,
        /// Who it is
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        password: password::Source,
    },
    /// Rename or describe a user
    #[command(after_help = "Example:\n  climc user-update ann --description 'Ann of the night shift'")]
    UserUpdate(Change<UserUpdate>),
    /// Set a user's password; tokens issued before end
    #[command(visible_alias = "user-reset-password")]
    #[command(after_help = "Examples:\n  climc user-set-password ann\n  climc user-set-password ann < password.txt")]
    UserSetPassword {
        /// Id, name, or DOMAIN/NAME
        id: String,
        #[command(flatten)]
        password: password::Source,
    },
    /// Let users log in
    #[command(after_help = "Example:\n  climc user-enable ann")]
    UserEnable(QuickVerb<EnableUser>),
    /// Shut users out; their tokens end
    #[command(after_help = "Example:\n  climc user-disable ann")]
    UserDisable(QuickVerb<DisableUser>),
    /// Delete users; their tokens end
    #[command(after_help = "Example:\n  climc user-delete ann bob")]
    UserDelete(Many),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    match command {
        Command::UserList(query) => list::<Users>(cx, &query).await,
        Command::UserShow { id } => show::<Users>(cx, &id).await,
        Command::UserCreate { name, domain, description, password } => {
            let body = UserCreate { name, password: password.read().await?, domain, description };
            change::create::<Users>(cx, &body.name, &body).await
        }
        Command::UserUpdate(change) => change::update::<Users, _>(cx, &change).await,
        Command::UserSetPassword { id, password } => {
            let action = SetPassword { password: password.read().await? };
            batch::run::<Users>(cx, "set-password", &[id], 1, &Wait::default(), async |id| {
                Ok(Receipt::accepted(cx.client.perform(id, &action).await?, |_| Vec::new()))
            })
            .await
        }
        Command::UserEnable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::UserDisable(verb) => batch::perform(cx, &verb.many, &verb.action, &Wait::default()).await,
        Command::UserDelete(many) => change::delete::<Users>(cx, &many).await,
    }
}

impl Shown for Users {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Domain", "Enabled", "Projects", "Description"];

    fn row(view: &User) -> Vec<String> {
        vec![
            view.id.to_string(),
            view.name.clone(),
            view.domain.clone(),
            text::yes_no(view.enabled),
            memberships(view),
            view.description.clone(),
        ]
    }

    fn details(view: &User) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("domain", view.domain.clone()),
            ("description", view.description.clone()),
            ("enabled", text::yes_no(view.enabled)),
            ("projects", text::or_dash(Some(memberships(view)))),
            ("created_at", text::time(view.created_at)),
            ("update_version", view.update_version.to_string()),
        ]
    }

    fn id(view: &User) -> String {
        view.id.to_string()
    }
    fn name(view: &User) -> String {
        view.name.clone()
    }
    fn status(view: &User) -> String {
        if view.enabled { "enabled" } else { "disabled" }.into()
    }
}

fn memberships(view: &User) -> String {
    let each: Vec<String> = view.projects.iter().map(|m| format!("{}: {}", m.project, m.role)).collect();
    each.join(", ")
}
