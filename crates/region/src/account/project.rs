//! Projects, and who has which role in them.

use api::ErrorClass;
use api::account::{self as contract, DeleteProject, Described, JoinProject, LeaveProject, ProjectCreate, Projects};
use chrono::Utc;
use db::Conn;
use db::filter::{Column, Page};
use db::identity::{Project, User};
use types::id::ProjectId;

use crate::app::App;
use crate::dispatch::{Create, Created, Cx, Done, List, Model, Perform, Registry, Update};
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

const KIND: &str = "project";

const fn rule(action: &'static str, extra: Option<&'static str>) -> Rule {
    super::rule("projects", KIND, action, extra)
}

pub fn register(registry: &mut Registry) {
    registry
        .resource::<Project>()
        .create()
        .update()
        .verb::<JoinProject>()
        .verb::<LeaveProject>()
        .delete::<DeleteProject>();
}

impl Model for Project {
    type Api = Projects;
    const SERVICE: &'static str = "identity";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        super::single(KIND, ident, db::identity::find_projects(conn, ident).await?)
    }
    async fn find_within(conn: &mut Conn, ident: &str, access: &Access) -> Result<Self> {
        let mut found = db::identity::find_projects(conn, ident).await?;
        found.retain(|project| access.reaches(Some(&project.key())));
        super::single(KIND, ident, found)
    }
    async fn lock(self, conn: &mut Conn) -> Result<Self> {
        db::identity::lock_project(conn, self.id).await?.ok_or_else(|| Error::not_found(KIND, &self.name))
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.key()))
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<contract::Project> {
        Ok(view(self))
    }
    crate::dispatch::model::known_by_columns!(versioned);
}

impl List for Project {
    const COLUMNS: &'static [Column] = db::identity::PROJECT_COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const PROJECT: Option<Column> = Some(db::identity::PROJECT_PLACE);
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<contract::Project>, i64)> {
        let (rows, total) = db::identity::list_projects(conn, page).await?;
        Ok((rows.into_iter().map(view).collect(), total))
    }
}

fn view(project: Project) -> contract::Project {
    contract::Project {
        id: project.id,
        name: project.name,
        domain: project.domain,
        description: project.description,
        created_at: project.created_at,
        update_version: project.update_version,
    }
}

impl Create for Project {
    type Body = ProjectCreate;

    async fn create(body: ProjectCreate, cx: &mut Cx<'_>) -> Result<Created<Self>> {
        super::check_name(&body.name)?;
        super::check_description(&body.description)?;
        let project = Project {
            id: ProjectId::generate(),
            name: body.name,
            domain: super::domain_of(body.domain, &rule("create", None), cx).await?,
            description: body.description,
            created_at: Utc::now(),
            update_version: 0,
        };
        db::identity::insert_project(cx.conn, &project).await.map_err(|e| super::taken(KIND, &project.name, e))?;
        super::log(KIND, project.id.uuid(), &project.name, "create", String::new(), cx).await?;
        Ok(Created { model: project, task: None })
    }
}

impl Update for Project {
    type Body = Described;

    async fn update(self, body: Described, cx: &mut Cx<'_>) -> Result<()> {
        let description = body.description.unwrap_or(self.description);
        super::check_description(&description)?;
        db::identity::describe_project(cx.conn, self.id, &description).await?;
        super::log(KIND, self.id.uuid(), &self.name, "update", String::new(), cx).await
    }
}

impl Perform<JoinProject> for Project {
    async fn perform(self, action: JoinProject, cx: &mut Cx<'_>) -> Result<Done<JoinProject>> {
        let access = super::access(&rule("perform", Some("join")), cx).await?;
        let mut roles = Vec::new();
        for role in &action.roles {
            // By id or name; assignments hold the name.
            let found = db::policy::find_role(cx.conn, role).await?;
            roles.push(found.ok_or_else(|| Error::not_found("role", role))?.name);
        }
        super::no_wider(&access, &roles, cx).await?;
        for user in &action.users {
            let user = User::find_within(cx.conn, user, &access).await?;
            for role in &roles {
                db::identity::assign(cx.conn, user.id, self.id, role).await?;
            }
        }
        let notes = format!("{} as {}", action.users.join(", "), action.roles.join(", "));
        super::log(KIND, self.id.uuid(), &self.name, "join", notes, cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<LeaveProject> for Project {
    async fn perform(self, action: LeaveProject, cx: &mut Cx<'_>) -> Result<Done<LeaveProject>> {
        let access = super::access(&rule("perform", Some("leave")), cx).await?;
        super::no_wider(&access, &action.roles, cx).await?;
        for user in &action.users {
            let user = User::find_within(cx.conn, user, &access).await?;
            for role in &action.roles {
                if !db::identity::unassign(cx.conn, user.id, self.id, role).await? {
                    let details =
                        format!("user '{}' does not have role '{role}' in project '{}'", user.name, self.name);
                    return Err(Error::new(ErrorClass::Conflict, details));
                }
            }
        }
        let notes = format!("{} as {}", action.users.join(", "), action.roles.join(", "));
        super::log(KIND, self.id.uuid(), &self.name, "leave", notes, cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<DeleteProject> for Project {
    async fn perform(self, _: DeleteProject, cx: &mut Cx<'_>) -> Result<Done<DeleteProject>> {
        let guests = db::identity::guests_of_project(cx.conn, &self.key()).await?;
        if guests > 0 {
            let details = format!("project '{}' owns {guests} servers: delete them first", self.name);
            return Err(Error::new(ErrorClass::Conflict, details));
        }
        super::log(KIND, self.id.uuid(), &self.name, "delete", String::new(), cx).await?;
        db::identity::delete_project(cx.conn, self.id).await?;
        Ok(Done::nothing())
    }
}
