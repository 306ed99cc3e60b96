//! Snapshots: all disks of a guest at one moment. Those of deleted guests are gone with them.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::GuestId;
use types::id::SnapshotId;
use types::status::SnapshotStatus;

use crate::filter::{Column, Kind, Page};
use crate::schema::{guests, snapshots};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = snapshots, check_for_backend(Pg))]
pub struct Snapshot {
    pub id: SnapshotId,
    pub guest_id: GuestId,
    pub name: String,
    pub project: String,
    pub status: SnapshotStatus,
    pub status_reason: Option<String>,
    pub description: String,
    /// The disks as the desc had them.
    pub disks: Value,
    /// Whether the guest was on.
    pub running: bool,
    pub created_at: DateTime<Utc>,
}

pub async fn insert(conn: &mut Conn, snapshot: &Snapshot) -> QueryResult<()> {
    diesel::insert_into(snapshots::table).values(snapshot).execute(conn).await.map(drop)
}

pub async fn delete(conn: &mut Conn, id: SnapshotId) -> QueryResult<()> {
    diesel::delete(snapshots::table.find(id)).execute(conn).await.map(drop)
}

pub async fn set_status(
    conn: &mut Conn,
    id: SnapshotId,
    status: SnapshotStatus,
    reason: Option<&str>,
) -> QueryResult<()> {
    diesel::update(snapshots::table.find(id))
        .set((snapshots::status.eq(status), snapshots::status_reason.eq(reason)))
        .execute(conn)
        .await
        .map(drop)
}

/// With the guest's name. By id, or all of this name, at most two.
pub async fn find(conn: &mut Conn, ident: &str) -> QueryResult<Vec<(Snapshot, String)>> {
    let living = || {
        snapshots::table
            .inner_join(guests::table)
            .filter(guests::deleted_at.is_null())
            .select((Snapshot::as_select(), guests::name))
    };
    if let Ok(id) = ident.parse::<SnapshotId>() {
        let found = living().filter(snapshots::id.eq(id)).load(conn).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    living().filter(snapshots::name.eq(ident)).limit(2).load(conn).await
}

/// One of a guest, by id or name.
pub async fn of_guest(conn: &mut Conn, guest: GuestId, ident: &str) -> QueryResult<Option<Snapshot>> {
    let his = snapshots::table.filter(snapshots::guest_id.eq(guest)).select(Snapshot::as_select());
    if let Ok(id) = ident.parse::<SnapshotId>()
        && let Some(found) = his.filter(snapshots::id.eq(id)).first(conn).await.optional()?
    {
        return Ok(Some(found));
    }
    his.filter(snapshots::name.eq(ident)).first(conn).await.optional()
}

/// How many a guest has.
pub async fn count_of(conn: &mut Conn, guest: GuestId) -> QueryResult<i64> {
    snapshots::table.filter(snapshots::guest_id.eq(guest)).count().get_result(conn).await
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "snapshots.id", Kind::Id),
    Column::new("name", "snapshots.name", Kind::Text),
    Column::new("server_id", "snapshots.guest_id", Kind::Id),
    Column::new("server", "guests.name", Kind::Text),
    Column::words("status", "snapshots.status", SnapshotStatus::WORDS),
    Column::new("project", "snapshots.project", Kind::Text),
    Column::new("running", "snapshots.running", Kind::Boolean),
    Column::new("created_at", "snapshots.created_at", Kind::Time),
];

/// One page with the guests' names, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<(Snapshot, String)>, i64)> {
    let matching = || {
        snapshots::table
            .inner_join(guests::table)
            .filter(guests::deleted_at.is_null())
            .filter(page.base.clone())
            .filter(page.filter.clone())
    };
    let total = matching().count().get_result(conn).await?;
    let rows = matching()
        .select((Snapshot::as_select(), guests::name))
        .order(page.order_by("snapshots.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}
