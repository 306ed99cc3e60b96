//! Tasks, for lists and details; the engine alone changes them. Ended ones move to an archive of the same shape.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task_engine::TaskRow;
use task_engine::schema::{tasks, tasks_archive};
use uuid::Uuid;

use crate::filter::{Column, Kind, Page};
use crate::{Conn, QueryResult};

/// The columns that a list may be filtered and ordered by, of one of the two tables.
macro_rules! columns {
    ($table:literal) => {
        &[
            Column::new("id", concat!($table, ".id"), Kind::Id),
            Column::new("task_name", concat!($table, ".name"), Kind::Text),
            Column::words("state", concat!($table, ".state"), api::task::TaskState::WORDS),
            Column::new("stage", concat!($table, ".stage_name"), Kind::Text),
            Column::new("is_complete", concat!("(", $table, ".ended_at IS NOT NULL)"), Kind::Boolean),
            Column::new("way_back", concat!("(", $table, ".cause IS NOT NULL)"), Kind::Boolean),
            Column::new("obj_type", concat!($table, ".obj_type"), Kind::Text),
            Column::new("obj_id", concat!($table, ".obj_id"), Kind::Id),
            Column::new("parent_task_id", concat!($table, ".parent_id"), Kind::Id),
            Column::new("request_id", concat!($table, ".request_id"), Kind::Text),
            Column::new("user", concat!("(", $table, ".created_by ->> 'user')"), Kind::Text),
            Column::new("created_at", concat!($table, ".created_at"), Kind::Time),
            Column::new("ended_at", concat!($table, ".ended_at"), Kind::Time),
        ]
    };
}
pub const COLUMNS: &[Column] = columns!("tasks");
pub const ARCHIVE_COLUMNS: &[Column] = columns!("tasks_archive");

pub const PROJECT: Column = Column::new("project", "(tasks.created_by ->> 'project')", Kind::Text);
pub const ARCHIVE_PROJECT: Column = Column::new("project", "(tasks_archive.created_by ->> 'project')", Kind::Text);
pub const USER: Column = Column::new("user", "(tasks.created_by ->> 'user')", Kind::Text);
pub const ARCHIVE_USER: Column = Column::new("user", "(tasks_archive.created_by ->> 'user')", Kind::Text);

pub async fn get_archived(conn: &mut Conn, id: Uuid) -> QueryResult<Option<TaskRow>> {
    tasks_archive::table.find(id).select(tasks_archive::all_columns).first(conn).await.optional()
}

/// These tasks, archived or not.
pub async fn by_ids(conn: &mut Conn, ids: &[Uuid]) -> QueryResult<Vec<TaskRow>> {
    let mut rows: Vec<TaskRow> =
        tasks::table.filter(tasks::id.eq_any(ids)).select(TaskRow::as_select()).load(conn).await?;
    if rows.len() < ids.len() {
        let archived = tasks_archive::table.filter(tasks_archive::id.eq_any(ids)).select(tasks_archive::all_columns);
        rows.extend(archived.load::<TaskRow>(conn).await?);
    }
    Ok(rows)
}

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<TaskRow>, i64)> {
    let matching = || tasks::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = page.total(matching().count().get_result(conn)).await?;
    let rows = matching()
        .filter(page.after.clone())
        .select(TaskRow::as_select())
        .order(page.order_by("tasks.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}

/// The same of the archive.
pub async fn list_archived(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<TaskRow>, i64)> {
    let matching = || tasks_archive::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = page.total(matching().count().get_result(conn)).await?;
    let rows = matching()
        .filter(page.after.clone())
        .select(tasks_archive::all_columns)
        .order(page.order_by("tasks_archive.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}

/// The oldest children of a task, wherever they are, and how many it has.
pub async fn children(conn: &mut Conn, parent: Uuid, limit: i64) -> QueryResult<(Vec<TaskRow>, i64)> {
    let live = || tasks::table.filter(tasks::parent_id.eq(parent));
    let total: i64 = live().count().get_result(conn).await?;
    if total > 0 {
        let order = (tasks::created_at, tasks::id);
        let rows = live().select(TaskRow::as_select()).order(order).limit(limit).load(conn).await?;
        return Ok((rows, total));
    }
    // Families move to the archive together.
    let past = || tasks_archive::table.filter(tasks_archive::parent_id.eq(parent));
    let total: i64 = past().count().get_result(conn).await?;
    let order = (tasks_archive::created_at, tasks_archive::id);
    let rows = past().select(tasks_archive::all_columns).order(order).limit(limit).load(conn).await?;
    Ok((rows, total))
}
