//! What people and periodic work do to tasks: cancel, retry, abandon, archive.

use std::time::Duration;

use diesel::sql_types::{Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryDsl, QueryResult, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Statement;
use crate::row::TaskRow;

/// Why a task was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no task {0}")]
    NotFound(Uuid),
    #[error("task {id} is {state}; {wanted}")]
    WrongState { id: Uuid, state: String, wanted: &'static str },
    #[error("the task could not be changed: {0}")]
    Database(#[from] diesel::result::Error),
}

/// A task by its id.
pub async fn get(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<TaskRow>> {
    use crate::schema::tasks::dsl;
    dsl::tasks.find(id).select(TaskRow::as_select()).first(conn).await.optional()
}

struct Cancel;
impl Statement for Cancel {
    const SQL: &'static str = "
        , family AS (
            WITH RECURSIVE down AS (
                SELECT t.id FROM tasks t, input WHERE t.id = (input.p #>> '{}')::uuid AND t.ended_at IS NULL
                UNION SELECT c.id FROM tasks c JOIN down ON c.parent_id = down.id WHERE c.ended_at IS NULL
            ) SELECT id FROM down
        ), asked AS (
            UPDATE tasks t SET cancel_requested = true,
                run_at = CASE WHEN t.state IN ('queued', 'waiting') THEN LEAST(t.run_at, clock_timestamp())
                              ELSE t.run_at END
            FROM family WHERE t.id = family.id AND NOT t.cancel_requested
            RETURNING t.id
        )
        SELECT asked.id, coalesce(pg_notify('task_engine_cancel', '')::text, '') FROM asked";
    type Row = (SqlUuid, Text);
}

/// Asks a task and all its children to cancel. A stage that honours it is dropped and the way back begins; others
/// finish first. `false`: it was asked before. A task that has ended is an error.
pub async fn cancel(conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool, AdminError> {
    let asked: Vec<(Uuid, String)> = super::run::<Cancel, _, _>(conn, &id).await?;
    if !asked.is_empty() {
        super::notify(conn, super::WAKE).await?;
        return Ok(true);
    }
    match get(conn, id).await? {
        None => Err(AdminError::NotFound(id)),
        Some(row) if row.ended_at.is_some() => Err(AdminError::WrongState {
            id,
            state: row.state,
            wanted: "only a task that has not ended can be cancelled",
        }),
        Some(_) => Ok(false),
    }
}

const BLOCKED_ONLY: &str = "only a blocked task can be retried or abandoned";

struct Retry;
impl Statement for Retry {
    // A new deadline, as long as the old one was.
    const SQL: &'static str = "
        UPDATE tasks t SET state = 'queued', last_error = NULL, attempts = 0, lease_until = NULL,
            stage_started = clock_timestamp(),
            stage_deadline = clock_timestamp() + (t.stage_deadline - t.stage_started),
            run_at = clock_timestamp()
        FROM input WHERE t.id = (input.p #>> '{}')::uuid AND t.state = 'blocked'
        RETURNING t.id";
    type Row = SqlUuid;
}

/// Lets a blocked task go on from where it stands.
pub async fn retry(conn: &mut AsyncPgConnection, id: Uuid) -> Result<(), AdminError> {
    match super::one::<Retry, Uuid>(conn, &id).await? {
        Some(_) => Ok(super::notify(conn, super::WAKE).await?),
        None => Err(blocked_only(conn, id).await?),
    }
}

struct Abandon;
impl Statement for Abandon {
    const SQL: &'static str = "
        , gone AS (
            UPDATE tasks t SET state = 'failed', ended_at = clock_timestamp(), lease_until = NULL, worker = NULL,
                generation = t.generation + 1,
                cause = coalesce(t.cause, jsonb_build_object('at', t.stage, 'at_name', t.stage_name, 'error',
                    jsonb_build_object('kind', 'permanent', 'code', 'abandoned', 'message',
                        'abandoned by an administrator: ' || coalesce(t.last_error #>> '{error,message}', 'blocked'))))
            FROM input WHERE t.id = (input.p #>> '{}')::uuid AND t.state = 'blocked'
            RETURNING t.id, t.parent_id
        ), parents AS (
            UPDATE tasks p SET open_children = GREATEST(p.open_children - 1, 0) FROM gone WHERE p.id = gone.parent_id
        )
        SELECT id FROM gone";
    type Row = SqlUuid;
}

/// Ends a blocked task as failed and frees its object. The caller sets right what the task was about, in the same
/// transaction.
pub async fn abandon(conn: &mut AsyncPgConnection, id: Uuid) -> Result<(), AdminError> {
    match super::one::<Abandon, Uuid>(conn, &id).await? {
        // A parent that waited for this one is found by the engines' sweep.
        Some(_) => Ok(super::notify(conn, super::WAKE).await?),
        None => Err(blocked_only(conn, id).await?),
    }
}

async fn blocked_only(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<AdminError> {
    Ok(match get(conn, id).await? {
        None => AdminError::NotFound(id),
        Some(row) => AdminError::WrongState { id, state: row.state, wanted: BLOCKED_ONLY },
    })
}

struct Archive;
impl Statement for Archive {
    // Whole families: whoever looks for a task's children finds them where the task is.
    const SQL: &'static str = "
        , roots AS MATERIALIZED (
            SELECT t.id FROM tasks t, input
            WHERE t.ended_at < now() - (input.p ->> 'age_ms')::bigint * interval '1 ms'
              AND t.parent_id IS NULL
            ORDER BY t.ended_at LIMIT (SELECT (p ->> 'limit')::bigint FROM input) FOR UPDATE OF t SKIP LOCKED
        ), family AS (
            WITH RECURSIVE down AS (
                SELECT r.id, r.id AS root FROM roots r
                UNION ALL SELECT c.id, d.root FROM tasks c JOIN down d ON c.parent_id = d.id
            ) SELECT * FROM down
        ), alive AS (
            SELECT DISTINCT f.root FROM family f JOIN tasks t ON t.id = f.id WHERE t.ended_at IS NULL
        ), gone AS (
            DELETE FROM tasks t USING family f
            WHERE t.id = f.id AND NOT EXISTS (SELECT FROM alive a WHERE a.root = f.root)
            RETURNING t.*
        )
        INSERT INTO tasks_archive SELECT * FROM gone RETURNING parent_id";
    type Row = Nullable<SqlUuid>;
}

/// Moves tasks that ended longer than `age` ago to `tasks_archive`, at most `limit` of them, each with all its children. A family of
/// which one is alive stays. Returns how many, children not counted; to be called again while it returns `limit`.
pub async fn archive(conn: &mut AsyncPgConnection, age: Duration, limit: u32) -> QueryResult<usize> {
    let input = serde_json::json!({ "age_ms": super::millis(age), "limit": limit });
    let moved: Vec<Option<Uuid>> = super::run::<Archive, _, _>(conn, &input).await?;
    Ok(moved.into_iter().filter(Option::is_none).count())
}
