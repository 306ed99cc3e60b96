//! Events: who did what, when, and how it ended. Only ever inserted, in the transaction of the change.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use types::TaskId;
use uuid::Uuid;

use crate::filter::{Column, Kind, Page};
use crate::schema::events;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(Pg))]
pub struct Event {
    pub id: i64,
    pub obj_type: String,
    pub obj_id: Uuid,
    pub obj_name: String,
    pub action: String,
    pub success: bool,
    pub notes: String,
    pub old_status: Option<String>,
    pub new_status: Option<String>,
    pub user_name: String,
    pub project: String,
    pub source: Option<String>,
    pub request_id: Option<String>,
    pub task_id: Option<TaskId>,
    pub ops_time: DateTime<Utc>,
    /// The project that the object belongs to, by key.
    pub owner: String,
    pub seq: Option<i64>,
    pub prev_hash: Option<Vec<u8>>,
    pub hash: Option<Vec<u8>>,
}

impl From<Event> for api::event::Event {
    fn from(row: Event) -> Self {
        Self {
            id: row.id,
            obj_type: row.obj_type,
            obj_id: row.obj_id,
            obj_name: row.obj_name,
            action: row.action,
            success: row.success,
            notes: row.notes,
            old_status: row.old_status,
            new_status: row.new_status,
            user: row.user_name,
            project: row.project,
            source: row.source,
            request_id: row.request_id,
            task_id: row.task_id,
            ops_time: row.ops_time,
            seq: row.seq,
            prev_hash: row.prev_hash.map(|hash| types::rescue::hex(&hash)),
            hash: row.hash.map(|hash| types::rescue::hex(&hash)),
        }
    }
}

// The same statement whatever is null, so that it is prepared once.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
pub struct NewEvent {
    pub obj_type: String,
    pub obj_id: Uuid,
    pub obj_name: String,
    pub action: String,
    pub success: bool,
    pub notes: String,
    pub old_status: Option<String>,
    pub new_status: Option<String>,
    pub user_name: String,
    pub project: String,
    pub source: Option<String>,
    pub request_id: Option<String>,
    pub task_id: Option<TaskId>,
}

/// Whether an event of the same object, action and notes was written before.
pub async fn is_there(conn: &mut Conn, event: &NewEvent) -> QueryResult<bool> {
    let same = events::table
        .filter(events::obj_id.eq(event.obj_id))
        .filter(events::obj_type.eq(&event.obj_type))
        .filter(events::action.eq(&event.action))
        .filter(events::notes.eq(&event.notes));
    diesel::select(diesel::dsl::exists(same)).get_result(conn).await
}

pub async fn insert(conn: &mut Conn, event: &NewEvent) -> QueryResult<()> {
    diesel::insert_into(events::table).values(event).execute(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: i64) -> QueryResult<Option<Event>> {
    events::table.find(id).select(Event::as_select()).first(conn).await.optional()
}

pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Event>> {
    events::table.filter(events::id.eq_any(ids)).select(Event::as_select()).load(conn).await
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "events.id", Kind::Integer),
    Column::new("obj_type", "events.obj_type", Kind::Text),
    Column::new("obj_id", "events.obj_id", Kind::Id),
    Column::new("obj_name", "events.obj_name", Kind::Text),
    Column::new("action", "events.action", Kind::Text),
    Column::new("success", "events.success", Kind::Boolean),
    Column::new("notes", "events.notes", Kind::Text),
    Column::new("old_status", "events.old_status", Kind::Text),
    Column::new("new_status", "events.new_status", Kind::Text),
    Column::new("user", "events.user_name", Kind::Text),
    Column::new("project", "events.project", Kind::Text),
    Column::new("source", "events.source", Kind::Text),
    Column::new("request_id", "events.request_id", Kind::Text),
    Column::new("task_id", "events.task_id", Kind::Id),
    Column::new("ops_time", "events.ops_time", Kind::Time),
];

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Event>, i64)> {
    let matching = || events::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = page.total(matching().count().get_result(conn)).await?;
    let rows = matching()
        .filter(page.after.clone())
        .select(Event::as_select())
        .order(page.order_by("events.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}
