//! Users.

use api::account::{
    self as contract, DeleteUser, DisableUser, EnableUser, Membership, SetPassword, UserCreate, UserUpdate, Users,
};
use chrono::Utc;
use db::Conn;
use db::filter::{Column, Page};
use db::identity::User;
use types::UserId;

use crate::app::App;
use crate::auth::password;
use crate::dispatch::{Create, Created, Cx, Done, List, Model, Perform, Registry, Update};
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

const KIND: &str = "user";

const fn rule(action: &'static str, extra: Option<&'static str>) -> Rule {
    super::rule("users", KIND, action, extra)
}

pub fn register(registry: &mut Registry) {
    registry
        .resource::<User>()
        .create()
        .update()
        .verb::<SetPassword>()
        .verb::<EnableUser>()
        .verb::<DisableUser>()
        .delete::<DeleteUser>();
}

impl Model for User {
    type Api = Users;
    const SERVICE: &'static str = "identity";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        super::single(KIND, ident, db::identity::find_users(conn, ident).await?)
    }
    async fn find_within(conn: &mut Conn, ident: &str, access: &Access) -> Result<Self> {
        let mut found = db::identity::find_users(conn, ident).await?;
        found.retain(|user| access.reaches(Some(&db::identity::place(&user.domain))));
        super::single(KIND, ident, found)
    }
    async fn lock(self, conn: &mut Conn) -> Result<Self> {
        db::identity::lock_user(conn, self.id).await?.ok_or_else(|| Error::not_found(KIND, &self.name))
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(db::identity::place(&self.domain)))
    }
    async fn view(self, _: &App, conn: &mut Conn) -> Result<contract::User> {
        let mut views = views(vec![self], conn).await?;
        views.pop().ok_or_else(|| Error::not_found(KIND, ""))
    }
    crate::dispatch::model::known_by_columns!(versioned);
}

impl List for User {
    const COLUMNS: &'static [Column] = db::identity::USER_COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const PROJECT: Option<Column> = Some(db::identity::USER_PLACE);
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<contract::User>, i64)> {
        let (rows, total) = db::identity::list_users(conn, page).await?;
        Ok((views(rows, conn).await?, total))
    }
}

async fn views(users: Vec<User>, conn: &mut Conn) -> Result<Vec<contract::User>> {
    let assigned = db::identity::assignments_of_users(conn, users.iter().map(|u| u.id).collect()).await?;
    let projects = |id: UserId| {
        let mine = assigned.iter().filter(|(user, _)| *user == id);
        mine.map(|(_, a)| Membership { project: a.project.clone(), role: a.role.clone() }).collect()
    };
    Ok(users
        .into_iter()
        .map(|user| contract::User {
            projects: projects(user.id),
            id: user.id,
            name: user.name,
            domain: user.domain,
            description: user.description,
            enabled: user.enabled,
            created_at: user.created_at,
            update_version: user.update_version,
        })
        .collect())
}

impl Create for User {
    type Body = UserCreate;

    async fn create(body: UserCreate, cx: &mut Cx<'_>) -> Result<Created<Self>> {
        super::check_name(&body.name)?;
        super::check_description(&body.description)?;
        contract::check_password(&body.password)?;
        let user = User {
            id: UserId::generate(),
            name: body.name,
            domain: super::domain_of(body.domain, &rule("create", None), cx).await?,
            password_hash: password::hash(body.password).await?,
            enabled: true,
            created_at: Utc::now(),
            update_version: 0,
            description: body.description,
        };
        db::identity::insert_user(cx.conn, &user).await.map_err(|e| super::taken(KIND, &user.name, e))?;
        super::log(KIND, user.id.uuid(), &user.name, "create", String::new(), cx).await?;
        Ok(Created { model: user, task: None })
    }
}

impl Update for User {
    type Body = UserUpdate;

    async fn update(mut self, body: UserUpdate, cx: &mut Cx<'_>) -> Result<()> {
        mine_to_change(&self, &rule("update", None), cx).await?;
        let mut notes = String::new();
        if let Some(name) = body.name.filter(|name| *name != self.name) {
            super::check_name(&name)?;
            notes = format!("was {}", self.name);
            self.name = name;
        }
        if let Some(description) = body.description {
            super::check_description(&description)?;
            self.description = description;
        }
        db::identity::update_user(cx.conn, &self).await.map_err(|e| super::taken(KIND, &self.name, e))?;
        super::log(KIND, self.id.uuid(), &self.name, "update", notes, cx).await
    }
}

impl Perform<SetPassword> for User {
    async fn perform(self, action: SetPassword, cx: &mut Cx<'_>) -> Result<Done<SetPassword>> {
        mine_to_change(&self, &rule("perform", Some("set-password")), cx).await?;
        let hash = password::hash(action.password).await?;
        db::identity::set_password(cx.conn, self.id, &hash).await?;
        super::log(KIND, self.id.uuid(), &self.name, "set_password", String::new(), cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<EnableUser> for User {
    async fn perform(self, _: EnableUser, cx: &mut Cx<'_>) -> Result<Done<EnableUser>> {
        mine_to_change(&self, &rule("perform", Some("enable")), cx).await?;
        db::identity::set_enabled(cx.conn, self.id, true).await?;
        super::log(KIND, self.id.uuid(), &self.name, "enable", String::new(), cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<DisableUser> for User {
    async fn perform(self, _: DisableUser, cx: &mut Cx<'_>) -> Result<Done<DisableUser>> {
        mine_to_change(&self, &rule("perform", Some("disable")), cx).await?;
        not_oneself(&self, cx)?;
        db::identity::set_enabled(cx.conn, self.id, false).await?;
        super::log(KIND, self.id.uuid(), &self.name, "disable", String::new(), cx).await?;
        Ok(Done::nothing())
    }
}

impl Perform<DeleteUser> for User {
    async fn perform(self, _: DeleteUser, cx: &mut Cx<'_>) -> Result<Done<DeleteUser>> {
        mine_to_change(&self, &rule("delete", None), cx).await?;
        not_oneself(&self, cx)?;
        super::log(KIND, self.id.uuid(), &self.name, "delete", String::new(), cx).await?;
        db::identity::delete_user(cx.conn, self.id).await?;
        Ok(Done::nothing())
    }
}

/// Whoever may change a user could act as it: so its roles must not reach further than the caller's permission.
async fn mine_to_change(user: &User, rule: &Rule, cx: &mut Cx<'_>) -> Result<()> {
    let access = super::access(rule, cx).await?;
    let held = db::identity::assignments_of_users(cx.conn, vec![user.id]).await?;
    let roles: Vec<String> = held.into_iter().map(|(_, assignment)| assignment.role).collect();
    super::no_wider(&access, &roles, cx).await
}

/// The last administrator must not lock everybody out.
fn not_oneself(user: &User, cx: &Cx<'_>) -> Result<()> {
    if user.id == cx.caller.user_id {
        return Err(Error::new(api::ErrorClass::Conflict, "this is you: let another administrator do it"));
    }
    Ok(())
}
