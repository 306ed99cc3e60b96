//! Roles and policies that administrators made. The built-in ones are part of the program.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::id::{PolicyId, RoleId};
use types::status::Scope;

use crate::filter::{Column, Kind, Page};
use crate::schema::{assignments, policies, roles};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = policies, check_for_backend(Pg))]
pub struct Policy {
    pub id: PolicyId,
    pub name: String,
    pub scope: Scope,
    pub roles: Value,
    pub rules: Value,
    pub enabled: bool,
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
    /// Part of the program, which knows better what is in it.
    pub built_in: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = roles, check_for_backend(Pg))]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
    /// Part of the program.
    pub built_in: bool,
}

/// Writes the rows of what is part of the program, and takes away those of what no longer is. What an administrator made under the same
/// name stays as it is.
pub async fn write_built_in(conn: &mut Conn, made: &[(Role, Policy)]) -> QueryResult<()> {
    let names: Vec<&str> = made.iter().map(|(role, _)| role.name.as_str()).collect();
    let gone = roles::table.filter(roles::built_in).filter(roles::name.ne_all(&names));
    diesel::delete(gone).execute(conn).await?;
    let gone = policies::table.filter(policies::built_in).filter(policies::name.ne_all(&names));
    diesel::delete(gone).execute(conn).await?;
    for (role, policy) in made {
        diesel::insert_into(roles::table).values(role).on_conflict_do_nothing().execute(conn).await?;
        diesel::update(roles::table.filter(roles::built_in).filter(roles::name.eq(&role.name)))
            .set(roles::description.eq(&role.description))
            .execute(conn)
            .await?;
        diesel::insert_into(policies::table).values(policy).on_conflict_do_nothing().execute(conn).await?;
        diesel::update(policies::table.filter(policies::built_in).filter(policies::name.eq(&policy.name)))
            .set((
                policies::scope.eq(policy.scope),
                policies::roles.eq(&policy.roles),
                policies::rules.eq(&policy.rules),
                policies::description.eq(&policy.description),
            ))
            .execute(conn)
            .await?;
    }
    Ok(())
}

pub async fn insert_policy(conn: &mut Conn, policy: &Policy) -> QueryResult<()> {
    diesel::insert_into(policies::table).values(policy).execute(conn).await.map(drop)
}

/// Replaces everything but id, name and creation.
pub async fn update_policy(conn: &mut Conn, policy: &Policy) -> QueryResult<()> {
    diesel::update(policies::table.find(policy.id))
        .set((
            policies::scope.eq(policy.scope),
            policies::roles.eq(&policy.roles),
            policies::rules.eq(&policy.rules),
            policies::enabled.eq(policy.enabled),
            policies::description.eq(&policy.description),
            policies::update_version.eq(policies::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn delete_policy(conn: &mut Conn, id: PolicyId) -> QueryResult<()> {
    diesel::delete(policies::table.find(id)).execute(conn).await.map(drop)
}

pub async fn find_policy(conn: &mut Conn, ident: &str) -> QueryResult<Option<Policy>> {
    if let Ok(id) = ident.parse::<PolicyId>() {
        let found = policies::table.find(id).select(Policy::as_select()).first(conn).await.optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    policies::table.filter(policies::name.eq(ident)).select(Policy::as_select()).first(conn).await.optional()
}

/// Those that administrators made.
pub async fn enabled(conn: &mut Conn) -> QueryResult<Vec<Policy>> {
    policies::table
        .filter(policies::enabled)
        .filter(diesel::dsl::not(policies::built_in))
        .select(Policy::as_select())
        .load(conn)
        .await
}

pub async fn insert_role(conn: &mut Conn, role: &Role) -> QueryResult<()> {
    diesel::insert_into(roles::table).values(role).execute(conn).await.map(drop)
}

pub async fn describe_role(conn: &mut Conn, id: RoleId, description: &str) -> QueryResult<()> {
    diesel::update(roles::table.find(id))
        .set((roles::description.eq(description), roles::update_version.eq(roles::update_version + 1)))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn delete_role(conn: &mut Conn, role: &Role) -> QueryResult<()> {
    diesel::delete(assignments::table.filter(assignments::role.eq(&role.name))).execute(conn).await?;
    diesel::delete(roles::table.find(role.id)).execute(conn).await.map(drop)
}

pub async fn find_role(conn: &mut Conn, ident: &str) -> QueryResult<Option<Role>> {
    if let Ok(id) = ident.parse::<RoleId>() {
        let found = roles::table.find(id).select(Role::as_select()).first(conn).await.optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    roles::table.filter(roles::name.eq(ident)).select(Role::as_select()).first(conn).await.optional()
}

/// What a list of policies may be filtered and ordered by.
pub const POLICY_COLUMNS: &[Column] = &[
    Column::new("id", "policies.id", Kind::Id),
    Column::new("name", "policies.name", Kind::Text),
    Column::words("scope", "policies.scope", Scope::WORDS),
    Column::new("enabled", "policies.enabled", Kind::Boolean),
    Column::new("built_in", "policies.built_in", Kind::Boolean),
    Column::new("created_at", "policies.created_at", Kind::Time),
];

/// What a list of roles may be filtered and ordered by.
pub const ROLE_COLUMNS: &[Column] = &[
    Column::new("id", "roles.id", Kind::Id),
    Column::new("name", "roles.name", Kind::Text),
    Column::new("built_in", "roles.built_in", Kind::Boolean),
    Column::new("created_at", "roles.created_at", Kind::Time),
];

/// One page of policies, and how many there are in all.
pub async fn list_policies(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Policy>, i64)> {
    let matching = || policies::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("policies.id");
    let rows =
        matching().select(Policy::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}

/// One page of roles, and how many there are in all.
pub async fn list_roles(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Role>, i64)> {
    let matching = || roles::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("roles.id");
    let rows =
        matching().select(Role::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}
