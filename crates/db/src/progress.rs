//! How far downloads of tasks at work are: one row for each task that has had one, of use only while the task's operation is still the same.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::schema::task_progress;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = task_progress, check_for_backend(Pg))]
pub struct Progress {
    pub task_id: Uuid,
    /// What the host was asked for: words about another operation are old.
    pub operation: Uuid,
    pub text: String,
    pub bytes: i64,
    pub bytes_total: i64,
    pub at: DateTime<Utc>,
}

/// In place of what was said before.
pub async fn say(conn: &mut Conn, progress: &Progress) -> QueryResult<()> {
    diesel::insert_into(task_progress::table)
        .values(progress)
        .on_conflict(task_progress::task_id)
        .do_update()
        .set(progress)
        .execute(conn)
        .await
        .map(drop)
}

/// What was said last of these tasks.
pub async fn of(conn: &mut Conn, tasks: &[Uuid]) -> QueryResult<Vec<Progress>> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    task_progress::table.filter(task_progress::task_id.eq_any(tasks)).select(Progress::as_select()).load(conn).await
}

/// Forgets what was said before.
pub async fn delete_before(conn: &mut Conn, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(task_progress::table.filter(task_progress::at.lt(before))).execute(conn).await
}
