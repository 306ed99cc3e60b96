//! Domains. Users and projects refer to one by its name, which never changes.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use types::id::DomainId;

use crate::filter::{Column, Kind, Page};
use crate::schema::{domains, projects, users};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = domains, check_for_backend(Pg))]
pub struct Domain {
    pub id: DomainId,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    pub update_version: i64,
}

pub async fn insert(conn: &mut Conn, domain: &Domain) -> QueryResult<()> {
    diesel::insert_into(domains::table).values(domain).execute(conn).await.map(drop)
}

/// By id, else by name.
pub async fn find(conn: &mut Conn, ident: &str) -> QueryResult<Option<Domain>> {
    if let Ok(id) = ident.parse::<DomainId>() {
        let found = domains::table.find(id).select(Domain::as_select()).first(conn).await.optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    domains::table.filter(domains::name.eq(ident)).select(Domain::as_select()).first(conn).await.optional()
}

/// Locked until the transaction ends.
pub async fn lock(conn: &mut Conn, id: DomainId) -> QueryResult<Option<Domain>> {
    domains::table.find(id).select(Domain::as_select()).for_update().first(conn).await.optional()
}

/// Replaces everything but id, name and creation.
pub async fn update(conn: &mut Conn, domain: &Domain) -> QueryResult<()> {
    diesel::update(domains::table.find(domain.id))
        .set((
            domains::description.eq(&domain.description),
            domains::enabled.eq(domain.enabled),
            domains::update_version.eq(domains::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn delete(conn: &mut Conn, id: DomainId) -> QueryResult<()> {
    diesel::delete(domains::table.find(id)).execute(conn).await.map(drop)
}

/// How many users and projects belong to it.
pub async fn members(conn: &mut Conn, name: &str) -> QueryResult<(i64, i64)> {
    let users = users::table.filter(users::domain.eq(name)).count().get_result(conn).await?;
    let projects = projects::table.filter(projects::domain.eq(name)).count().get_result(conn).await?;
    Ok((users, projects))
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "domains.id", Kind::Id),
    Column::new("name", "domains.name", Kind::Text),
    Column::new("enabled", "domains.enabled", Kind::Boolean),
    Column::new("created_at", "domains.created_at", Kind::Time),
];

/// Where a domain belongs, as policies reach it: to itself.
pub const PLACE: Column = Column::new("place", "(domains.name || '/')", Kind::Text);

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Domain>, i64)> {
    let matching = || domains::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let order = page.order_by("domains.id");
    let rows =
        matching().select(Domain::as_select()).order(order).limit(page.limit).offset(page.offset).load(conn).await?;
    Ok((rows, total))
}
