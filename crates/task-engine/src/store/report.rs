//! Outcomes of operations, as others report them.

use diesel::QueryResult;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use serde_json::Value;
use uuid::Uuid;

use super::Statement;
use crate::json;

struct Report;
impl Statement for Report {
    const SQL: &'static str = "
        , stored AS (
            UPDATE tasks t SET outcome = input.p -> 'outcome', run_at = LEAST(t.run_at, clock_timestamp())
            FROM input
            WHERE t.operation = (input.p ->> 'operation')::uuid AND t.outcome IS NULL AND t.ended_at IS NULL
            RETURNING t.id
        )
        SELECT stored.id, coalesce(pg_notify('task_engine_wake', '')::text, '') FROM stored";
    type Row = (SqlUuid, Text);
}

/// Stores the outcome of an operation and wakes its task; the step finds it in [`crate::TaskCx::outcome`].
///
/// `false`: the operation is none of an unfinished stage, or its outcome was reported before. Such a report (late,
/// repeated, made up) changes nothing, and the reporter may forget it.
pub async fn report(conn: &mut AsyncPgConnection, operation: Uuid, mut outcome: Value) -> QueryResult<bool> {
    json::without_nul(&mut outcome);
    let input = serde_json::json!({ "operation": operation, "outcome": outcome });
    let stored: Option<(Uuid, String)> = super::one::<Report, _>(conn, &input).await?;
    metrics::counter!("task_reports_total", "taken" => if stored.is_some() { "yes" } else { "no" }).increment(1);
    Ok(stored.is_some())
}
