//! Events: who did what, when, and how it ended. Only ever inserted, in the transaction of the change.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use types::TaskId;
use uuid::Uuid;

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
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = events)]
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

pub async fn insert(conn: &mut Conn, event: &NewEvent) -> QueryResult<()> {
    diesel::insert_into(events::table).values(event).execute(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: i64) -> QueryResult<Option<Event>> {
    events::table.find(id).select(Event::as_select()).first(conn).await.optional()
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub obj_type: Option<String>,
    pub obj_id: Option<Uuid>,
    pub search: Option<String>,
}

/// One page, newest first, and how many there are in all.
pub async fn list(conn: &mut Conn, filter: &Filter, limit: i64, offset: i64) -> QueryResult<(Vec<Event>, i64)> {
    let matching = || {
        let mut query = events::table.into_boxed::<Pg>();
        if let Some(obj_type) = &filter.obj_type {
            query = query.filter(events::obj_type.eq(obj_type.clone()));
        }
        if let Some(obj_id) = filter.obj_id {
            query = query.filter(events::obj_id.eq(obj_id));
        }
        if let Some(search) = &filter.search {
            let pattern = crate::contains_pattern(search);
            query = query.filter(events::obj_name.ilike(pattern.clone()).or(events::action.ilike(pattern)));
        }
        query
    };
    let total = matching().count().get_result(conn).await?;
    let page =
        matching().select(Event::as_select()).order(events::id.desc()).limit(limit).offset(offset).load(conn).await?;
    Ok((page, total))
}
