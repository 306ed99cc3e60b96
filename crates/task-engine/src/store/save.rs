//! Writing what came of a step. A save is fenced: it changes the row only while generation and operation are those of
//! the claim and the claim still stands, so each claim's step is saved at most once and by nobody else.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Statement;
use crate::row::{Failure, LastError, State};

/// The new face of one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    // the fence
    pub id: Uuid,
    pub generation: i64,
    pub operation: Uuid,
    // what is next
    pub state: State,
    pub stage: Value,
    pub stage_name: String,
    /// The stage that ran is over: it goes to the history.
    pub closes: bool,
    /// Another stage begins: its time starts now.
    pub starts: bool,
    /// A new operation begins, with this id.
    pub new_operation: Option<Uuid>,
    /// The deadline, from the start of the stage; neither this nor the next: as before.
    pub limit_ms: Option<i64>,
    pub deadline: Option<DateTime<Utc>>,
    /// When to run next, from now.
    pub delay_ms: i64,
    /// The claim goes on: the same worker runs the next stage.
    pub keeps: bool,
    /// What the step was shown; what came later must not be slept over.
    pub saw_outcome: bool,
    pub saw_cancel: bool,
    pub last_error: Option<LastError>,
    /// Kept if the row has one already.
    pub cause: Option<Failure>,
    pub failing: Option<Failure>,
    pub result: Option<Value>,
    /// For the shape of batches: an ending child changes its parent's row as well.
    #[serde(skip)]
    pub parent: Option<Uuid>,
}

impl Change {
    /// Whether the statement touches a second row, the parent's.
    pub(crate) fn ends_child(&self) -> bool {
        self.parent.is_some() && self.state.is_ended()
    }
}

/// What the row looks like after its save.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct Saved {
    pub id: Uuid,
    pub sequence: i64,
    pub stage_started: DateTime<Utc>,
    pub stage_deadline: DateTime<Utc>,
    pub cancel_requested: bool,
    /// Until the task is due again, if it is not kept.
    pub due_in_ms: Option<i64>,
    /// A parent or the task itself became due at once.
    pub wakes: bool,
}

pub(crate) struct Save;
impl Statement for Save {
    const SQL: &'static str = include_str!("save.sql");
    type Row = (SqlUuid, BigInt, Timestamptz, Timestamptz, Bool, Nullable<BigInt>, Bool);
}

/// Saves all `changes` in one statement; those missing from the answer have lost their claim.
///
/// A row can be changed once per statement, so changes that end children go in a statement without others: one of the
/// others might be the parent.
pub(crate) async fn save(conn: &mut AsyncPgConnection, changes: &[Change]) -> QueryResult<Vec<Saved>> {
    super::run::<Save, _, Saved>(conn, &changes).await
}
