//! Keeping claims, and giving them back.

use std::time::Duration;

use diesel::sql_types::{Bool, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use uuid::Uuid;

use super::Statement;

/// A claim that is held at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Held {
    pub id: Uuid,
    pub generation: i64,
}

#[derive(Debug, Queryable)]
pub(crate) struct Kept {
    pub id: Uuid,
    /// Still ours. A row that is locked just now, by its own save for instance, is ours too, but not extended.
    pub ours: bool,
    pub extended: bool,
    pub cancel_requested: bool,
}

struct Extend;
impl Statement for Extend {
    const SQL: &'static str = "
        , v AS (
            SELECT v.id, v.generation FROM input, jsonb_to_recordset(p -> 'held') AS v (id uuid, generation bigint)
        ), mine AS MATERIALIZED (
            SELECT t.id FROM tasks t JOIN v USING (id, generation)
            WHERE t.lease_until IS NOT NULL FOR UPDATE OF t SKIP LOCKED
        ), extended AS (
            UPDATE tasks t
            SET lease_until = clock_timestamp() + (input.p ->> 'lease_ms')::bigint * interval '1 ms'
            FROM mine, input WHERE t.id = mine.id
            RETURNING t.id
        )
        SELECT v.id, coalesce(t.generation = v.generation, false), e.id IS NOT NULL,
               coalesce(t.cancel_requested, false)
        FROM v LEFT JOIN tasks t ON t.id = v.id LEFT JOIN extended e ON e.id = v.id";
    type Row = (SqlUuid, Bool, Bool, Bool);
}

/// Extends all of `held` in one statement.
pub(crate) async fn extend(conn: &mut AsyncPgConnection, held: &[Held], lease: Duration) -> QueryResult<Vec<Kept>> {
    let input = serde_json::json!({ "held": held, "lease_ms": super::millis(lease) });
    super::run::<Extend, _, Kept>(conn, &input).await
}

struct Release;
impl Statement for Release {
    const SQL: &'static str = "
        UPDATE tasks t SET lease_until = NULL, worker = NULL, run_at = LEAST(t.run_at, clock_timestamp())
        FROM input, jsonb_to_recordset(p) AS v (id uuid, generation bigint)
        WHERE t.id = v.id AND t.generation = v.generation AND t.lease_until IS NOT NULL
        RETURNING t.id";
    type Row = SqlUuid;
}

/// Gives claims back; whoever is free runs the saved stages, from their beginning.
pub(crate) async fn release(conn: &mut AsyncPgConnection, held: &[Held]) -> QueryResult<Vec<Uuid>> {
    super::run::<Release, _, Uuid>(conn, &held).await
}

struct Sweep;
impl Statement for Sweep {
    const SQL: &'static str = "
        UPDATE tasks p
        SET state = 'queued', open_children = 0, run_at = clock_timestamp(), stage_started = clock_timestamp(),
            stage_deadline = clock_timestamp() + (p.stage_deadline - p.stage_started)
        FROM input
        WHERE p.state = 'joining' AND input.p IS NOT NULL
          AND NOT EXISTS (SELECT FROM tasks c WHERE c.parent_id = p.id AND c.ended_at IS NULL)
        RETURNING p.id";
    type Row = SqlUuid;
}

/// The scan behind the children's ends: wakes parents that have none left.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Uuid>> {
    super::run::<Sweep, _, Uuid>(conn, &true).await
}
