//! Users, projects, and the roles that users have in projects; tokens. A token is stored as its SHA-256 only: a row can't be used to log in.
//!
//! Outside of this file a user or a project is known by its [`key`].

use api::account::DEFAULT_DOMAIN;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use types::UserId;
use types::id::ProjectId;

use crate::filter::{Column, Kind, Page};
use crate::schema::{assignments, domains, projects, tokens, users};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, check_for_backend(Pg))]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub domain: String,
    pub password_hash: String,
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
    pub description: String,
}

impl User {
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.domain, &self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = projects, check_for_backend(Pg))]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    pub domain: String,
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

impl Project {
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.domain, &self.name)
    }
}

/// How a user or a project is called where all domains meet: `name` in the domain Default, `domain/name` in any other. No name holds a
/// slash, so no two have the same key.
#[must_use]
pub fn key(domain: &str, name: &str) -> String {
    if domain == DEFAULT_DOMAIN { name.to_owned() } else { format!("{domain}/{name}") }
}

/// The same in SQL.
const PROJECT_KEY: &str =
    "(case projects.domain when 'Default' then projects.name else projects.domain || '/' || projects.name end)";

/// The place of what belongs to a domain itself, as policies reach it. No key ends in a slash.
#[must_use]
pub fn place(domain: &str) -> String {
    format!("{domain}/")
}

/// A role of a user in a project, by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub user: String,
    pub project: String,
    pub role: String,
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub user: User,
    pub project: Option<Project>,
    pub roles: Vec<String>,
    pub expires_at: DateTime<Utc>,
}

pub async fn insert_user(conn: &mut Conn, user: &User) -> QueryResult<()> {
    diesel::insert_into(users::table).values(user).execute(conn).await.map(drop)
}

pub async fn insert_project(conn: &mut Conn, project: &Project) -> QueryResult<()> {
    diesel::insert_into(projects::table).values(project).execute(conn).await.map(drop)
}

pub async fn user(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    users::table.find(id).select(User::as_select()).first(conn).await.optional()
}

pub async fn user_named(conn: &mut Conn, domain: &str, name: &str) -> QueryResult<Option<User>> {
    let named = users::table.filter(users::domain.eq(domain)).filter(users::name.eq(name));
    named.select(User::as_select()).first(conn).await.optional()
}

/// By id, `domain/name`, or the name alone: then there may be one in each domain.
pub async fn find_users(conn: &mut Conn, ident: &str) -> QueryResult<Vec<User>> {
    if let Ok(id) = ident.parse::<UserId>()
        && let Some(user) = user(conn, id).await?
    {
        return Ok(vec![user]);
    }
    if let Some((domain, name)) = ident.split_once('/') {
        return Ok(user_named(conn, domain, name).await?.into_iter().collect());
    }
    users::table.filter(users::name.eq(ident)).select(User::as_select()).load(conn).await
}

/// Locked until the transaction ends.
pub async fn lock_user(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    users::table.find(id).select(User::as_select()).for_update().first(conn).await.optional()
}

/// Replaces name and description.
pub async fn update_user(conn: &mut Conn, user: &User) -> QueryResult<()> {
    diesel::update(users::table.find(user.id))
        .set((
            users::name.eq(&user.name),
            users::description.eq(&user.description),
            users::update_version.eq(users::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn project(conn: &mut Conn, id: ProjectId) -> QueryResult<Option<Project>> {
    projects::table.find(id).select(Project::as_select()).first(conn).await.optional()
}

pub async fn project_named(conn: &mut Conn, domain: &str, name: &str) -> QueryResult<Option<Project>> {
    let named = projects::table.filter(projects::domain.eq(domain)).filter(projects::name.eq(name));
    named.select(Project::as_select()).first(conn).await.optional()
}

/// By key.
pub async fn project_of_key(conn: &mut Conn, key: &str) -> QueryResult<Option<Project>> {
    let (domain, name) = key.split_once('/').unwrap_or((DEFAULT_DOMAIN, key));
    project_named(conn, domain, name).await
}

/// By id, `domain/name`, or the name alone: then there may be one in each domain.
pub async fn find_projects(conn: &mut Conn, ident: &str) -> QueryResult<Vec<Project>> {
    if let Ok(id) = ident.parse::<ProjectId>()
        && let Some(project) = project(conn, id).await?
    {
        return Ok(vec![project]);
    }
    if let Some((domain, name)) = ident.split_once('/') {
        return Ok(project_named(conn, domain, name).await?.into_iter().collect());
    }
    projects::table.filter(projects::name.eq(ident)).select(Project::as_select()).load(conn).await
}

/// Locked until the transaction ends.
pub async fn lock_project(conn: &mut Conn, id: ProjectId) -> QueryResult<Option<Project>> {
    projects::table.find(id).select(Project::as_select()).for_update().first(conn).await.optional()
}

pub async fn describe_project(conn: &mut Conn, id: ProjectId, description: &str) -> QueryResult<()> {
    diesel::update(projects::table.find(id))
        .set((projects::description.eq(description), projects::update_version.eq(projects::update_version + 1)))
        .execute(conn)
        .await
        .map(drop)
}

/// The keys of a domain's projects.
pub async fn projects_of_domain(conn: &mut Conn, domain: &str) -> QueryResult<Vec<String>> {
    let names: Vec<String> =
        projects::table.filter(projects::domain.eq(domain)).select(projects::name).load(conn).await?;
    Ok(names.into_iter().map(|name| key(domain, &name)).collect())
}

/// Sets a password, and ends the tokens that were issued under the old one.
pub async fn set_password(conn: &mut Conn, id: UserId, password_hash: &str) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((users::password_hash.eq(password_hash), users::update_version.eq(users::update_version + 1)))
        .execute(conn)
        .await?;
    revoke_tokens(conn, id).await
}

/// Enables or disables a user; disabled, it loses its tokens.
pub async fn set_enabled(conn: &mut Conn, id: UserId, enabled: bool) -> QueryResult<()> {
    diesel::update(users::table.find(id))
        .set((users::enabled.eq(enabled), users::update_version.eq(users::update_version + 1)))
        .execute(conn)
        .await?;
    if enabled { Ok(()) } else { revoke_tokens(conn, id).await }
}

async fn revoke_tokens(conn: &mut Conn, id: UserId) -> QueryResult<()> {
    diesel::update(tokens::table.filter(tokens::user_id.eq(id)).filter(tokens::revoked_at.is_null()))
        .set(tokens::revoked_at.eq(diesel::dsl::now))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn delete_user(conn: &mut Conn, id: UserId) -> QueryResult<()> {
    diesel::delete(users::table.find(id)).execute(conn).await.map(drop)
}

pub async fn delete_project(conn: &mut Conn, id: ProjectId) -> QueryResult<()> {
    diesel::delete(projects::table.find(id)).execute(conn).await.map(drop)
}

pub async fn assign(conn: &mut Conn, user: UserId, project: ProjectId, role: &str) -> QueryResult<()> {
    diesel::insert_into(assignments::table)
        .values((assignments::user_id.eq(user), assignments::project_id.eq(project), assignments::role.eq(role)))
        .on_conflict_do_nothing()
        .execute(conn)
        .await
        .map(drop)
}

pub async fn unassign(conn: &mut Conn, user: UserId, project: ProjectId, role: &str) -> QueryResult<bool> {
    diesel::delete(assignments::table.find((user, project, role))).execute(conn).await.map(|rows| rows > 0)
}

/// The roles of these users, by name.
pub async fn assignments_of_users(conn: &mut Conn, ids: Vec<UserId>) -> QueryResult<Vec<(UserId, Assignment)>> {
    /// Domain and name.
    type Named = (String, String);
    let rows: Vec<(UserId, Named, Named, String)> = assignments::table
        .inner_join(users::table)
        .inner_join(projects::table)
        .filter(assignments::user_id.eq_any(ids))
        .order((projects::domain, projects::name, assignments::role))
        .select((users::id, (users::domain, users::name), (projects::domain, projects::name), assignments::role))
        .load(conn)
        .await?;
    let whole = |(domain, name): Named| key(&domain, &name);
    Ok(rows
        .into_iter()
        .map(|(id, user, project, role)| (id, Assignment { user: whole(user), project: whole(project), role }))
        .collect())
}

pub async fn roles_in(conn: &mut Conn, user: UserId, project: ProjectId) -> QueryResult<Vec<String>> {
    assignments::table
        .filter(assignments::user_id.eq(user))
        .filter(assignments::project_id.eq(project))
        .order(assignments::role)
        .select(assignments::role)
        .load(conn)
        .await
}

/// The projects that a user has roles in, in domains that are enabled, with those roles; by domain and name.
pub async fn projects_of_user(conn: &mut Conn, user: UserId) -> QueryResult<Vec<(Project, Vec<String>)>> {
    let rows: Vec<(Project, String)> = assignments::table
        .inner_join(projects::table)
        .filter(assignments::user_id.eq(user))
        .filter(projects::domain.eq_any(enabled_domains()))
        .order((projects::domain, projects::name, assignments::role))
        .select((Project::as_select(), assignments::role))
        .load(conn)
        .await?;
    let mut found: Vec<(Project, Vec<String>)> = Vec::new();
    for (project, role) in rows {
        match found.last_mut() {
            Some((last, roles)) if last.id == project.id => roles.push(role),
            _ => found.push((project, vec![role])),
        }
    }
    Ok(found)
}

/// The first project, by name, that a user has a role in.
pub async fn home_project(conn: &mut Conn, user: UserId) -> QueryResult<Option<Project>> {
    assignments::table
        .inner_join(projects::table)
        .filter(assignments::user_id.eq(user))
        .order(projects::name)
        .select(Project::as_select())
        .first(conn)
        .await
        .optional()
}

pub async fn insert_token(
    conn: &mut Conn,
    hash: &[u8],
    user: UserId,
    project: Option<ProjectId>,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(tokens::table)
        .values((
            tokens::hash.eq(hash),
            tokens::user_id.eq(user),
            tokens::project_id.eq(project),
            tokens::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn enabled_domains() -> _ {
    domains::table.filter(domains::enabled).select(domains::name)
}

/// Who a token speaks for, if it is valid now.
pub async fn holder(conn: &mut Conn, hash: &[u8]) -> QueryResult<Option<Holder>> {
    let found: Option<(User, Option<Project>, DateTime<Utc>)> = tokens::table
        .inner_join(users::table)
        .left_join(projects::table)
        .filter(tokens::hash.eq(hash))
        .filter(tokens::expires_at.gt(diesel::dsl::now))
        .filter(tokens::revoked_at.is_null())
        .filter(users::enabled)
        .filter(users::domain.eq_any(enabled_domains()))
        .filter(
            projects::domain.nullable().is_null().or(projects::domain.nullable().eq_any(enabled_domains().nullable())),
        )
        .select((User::as_select(), Option::<Project>::as_select(), tokens::expires_at))
        .first(conn)
        .await
        .optional()?;
    let Some((user, project, expires_at)) = found else { return Ok(None) };
    let roles = match &project {
        Some(project) => roles_in(conn, user.id, project.id).await?,
        None => Vec::new(),
    };
    Ok(Some(Holder { user, project, roles, expires_at }))
}

/// False: there was no such token.
pub async fn revoke_token(conn: &mut Conn, hash: &[u8]) -> QueryResult<bool> {
    diesel::update(tokens::table.find(hash).filter(tokens::revoked_at.is_null()))
        .set(tokens::revoked_at.eq(diesel::dsl::now))
        .execute(conn)
        .await
        .map(|rows| rows > 0)
}

pub async fn delete_expired_tokens(conn: &mut Conn) -> QueryResult<usize> {
    diesel::delete(tokens::table.filter(tokens::expires_at.lt(diesel::dsl::now))).execute(conn).await
}

/// What a list of users may be filtered and ordered by.
pub const USER_COLUMNS: &[Column] = &[
    Column::new("id", "users.id", Kind::Id),
    Column::new("name", "users.name", Kind::Text),
    Column::new("domain", "users.domain", Kind::Text),
    Column::new("enabled", "users.enabled", Kind::Boolean),
    Column::new("created_at", "users.created_at", Kind::Time),
];

/// What a list of projects may be filtered and ordered by.
pub const PROJECT_COLUMNS: &[Column] = &[
    Column::new("id", "projects.id", Kind::Id),
    Column::new("name", "projects.name", Kind::Text),
    Column::new("domain", "projects.domain", Kind::Text),
    Column::new("created_at", "projects.created_at", Kind::Time),
];

/// Where a user belongs, as policies reach it.
pub const USER_PLACE: Column = Column::new("place", "(users.domain || '/')", Kind::Text);
/// A project's key, as policies reach it.
pub const PROJECT_PLACE: Column = Column::new("key", PROJECT_KEY, Kind::Text);

/// One page of users, and how many there are in all.
pub async fn list_users(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<User>, i64)> {
    let matching = || users::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("users.id");
    let rows =
        matching().select(User::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}

/// One page of projects, and how many there are in all.
pub async fn list_projects(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Project>, i64)> {
    let matching = || projects::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("projects.id");
    let rows =
        matching().select(Project::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}

/// How many live guests a project has.
pub async fn guests_of_project(conn: &mut Conn, key: &str) -> QueryResult<i64> {
    use crate::schema::guests;
    guests::table.filter(guests::project.eq(key)).filter(guests::deleted_at.is_null()).count().get_result(conn).await
}
