//! Outcomes of operations, as others report them.

use diesel::QueryResult;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Statement;
use crate::{json, tasks_of};

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    operation: Uuid,
    outcome: Value,
    least: Uuid,
    greatest: Uuid,
}

impl Report {
    #[must_use]
    pub fn new(operation: Uuid, mut outcome: Value) -> Self {
        json::without_nul(&mut outcome);
        let (least, greatest) = tasks_of(operation);
        Self { operation, outcome, least, greatest }
    }

    #[must_use]
    pub fn operation(&self) -> Uuid {
        self.operation
    }
}

struct Store;
impl Statement for Store {
    // Of two reports of one operation in one statement, one is taken.
    const SQL: &'static str = "
        , v AS (
            SELECT DISTINCT ON (v.operation) v.*
            FROM input, jsonb_to_recordset(p) AS v (operation uuid, outcome jsonb, least uuid, greatest uuid)
        )
        UPDATE tasks t SET outcome = v.outcome, run_at = LEAST(t.run_at, clock_timestamp())
        FROM v
        WHERE t.id BETWEEN v.least AND v.greatest AND t.operation = v.operation AND t.outcome IS NULL AND t.ended_at IS NULL
        RETURNING t.operation";
    type Row = SqlUuid;
}

/// Stores outcomes, all in one statement; a step finds its own in [`crate::TaskCx::outcome`]. Call [`crate::Waker::wake`] afterwards.
///
/// Returns the operations whose outcome was taken. The others are none of an unfinished stage, or their outcome was reported before: such a
/// report (late, repeated, made up) changes nothing, and the reporter may forget it.
///
/// # Errors
/// As Postgres reports them; then none was taken.
pub async fn report_all(conn: &mut AsyncPgConnection, reports: &[Report]) -> QueryResult<Vec<Uuid>> {
    let taken: Vec<Uuid> = super::run::<Store, _, _>(conn, &reports).await?;
    let count = |what, n: usize| metrics::counter!("task_reports_total", "taken" => what).increment(n as u64);
    count("yes", taken.len());
    count("no", reports.len().saturating_sub(taken.len()));
    Ok(taken)
}

/// Stores one outcome; whether it was taken.
///
/// # Errors
/// As [`report_all`].
pub async fn report(conn: &mut AsyncPgConnection, operation: Uuid, outcome: Value) -> QueryResult<bool> {
    Ok(!report_all(conn, &[Report::new(operation, outcome)]).await?.is_empty())
}
