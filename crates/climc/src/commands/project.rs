//! Projects, and who has which role in them: `project-*`.

use api::ListQuery;
use api::account::{Described, JoinProject, LeaveProject, Project, ProjectCreate, Projects};
use clap::Subcommand;

use super::change::{self, Change};
use super::{list, show};
use crate::batch::{self, Cx, Many, Wait};
use crate::exit::Exit;
use crate::output::Shown;
use crate::text;

#[derive(Debug, Subcommand)]
#[allow(clippy::enum_variant_names, reason = "each is the name of a command")]
pub enum Command {
    /// List projects, which servers belong to
    #[command(after_help = "Example:\n  climc project-list")]
    ProjectList(Box<ListQuery>),
    /// Show a project
    #[command(after_help = "Examples:\n  climc project-show web\n  climc project-show research/web")]
    ProjectShow {
        /// Id, name, or DOMAIN/NAME
        id: String,
    },
    /// Create a project
    #[command(after_help = "Example:\n  climc project-create web --description 'The shop'")]
    ProjectCreate(ProjectCreate),
    /// Describe a project
    #[command(after_help = "Example:\n  climc project-update web --description 'The old shop'")]
    ProjectUpdate(Change<Described>),
    /// Give users roles in a project
    #[command(visible_alias = "project-add-user-group")]
    #[command(after_help = "Example:\n  climc project-add-user web --user ann --role project_owner")]
    ProjectAddUser {
        /// The project
        project: String,
        #[command(flatten)]
        members: JoinProject,
    },
    /// Take roles in a project from users
    #[command(visible_alias = "project-remove-user-group")]
    #[command(after_help = "Example:\n  climc project-remove-user web --user ann --role project_owner")]
    ProjectRemoveUser {
        /// The project
        project: String,
        #[command(flatten)]
        members: LeaveProject,
    },
    /// Delete projects that own no server
    #[command(after_help = "Example:\n  climc project-delete web")]
    ProjectDelete(Many),
}

pub async fn run(cx: &Cx, command: Command) -> Result<(), Exit> {
    let one = |id| Many { ids: vec![id], parallel: 1 };
    match command {
        Command::ProjectList(query) => list::<Projects>(cx, &query).await,
        Command::ProjectShow { id } => show::<Projects>(cx, &id).await,
        Command::ProjectCreate(body) => change::create::<Projects>(cx, &body.name, &body).await,
        Command::ProjectUpdate(change) => change::update::<Projects, _>(cx, &change).await,
        Command::ProjectAddUser { project, members } => {
            batch::perform(cx, &one(project), &members, &Wait::default()).await
        }
        Command::ProjectRemoveUser { project, members } => {
            batch::perform(cx, &one(project), &members, &Wait::default()).await
        }
        Command::ProjectDelete(many) => change::delete::<Projects>(cx, &many).await,
    }
}

impl Shown for Projects {
    const COLUMNS: &'static [&'static str] = &["ID", "Name", "Domain", "Description"];

    fn row(view: &Project) -> Vec<String> {
        vec![view.id.to_string(), view.name.clone(), view.domain.clone(), view.description.clone()]
    }

    fn details(view: &Project) -> Vec<(&'static str, String)> {
        vec![
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("domain", view.domain.clone()),
            ("description", view.description.clone()),
            ("created_at", text::time(view.created_at)),
            ("update_version", view.update_version.to_string()),
        ]
    }

    fn id(view: &Project) -> String {
        view.id.to_string()
    }
    fn name(view: &Project) -> String {
        view.name.clone()
    }
    fn status(_: &Project) -> String {
        "-".into()
    }
}
