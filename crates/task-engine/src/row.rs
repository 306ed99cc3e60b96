//! A task as the table shows it, for lists and details. The engine itself reads less (`store::claim`).

use chrono::{DateTime, Utc};
use diesel::prelude::{Queryable, Selectable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::StepError;
use crate::schema::tasks;

/// Where a task stands. `Queued` and `Waiting` tasks are being worked on while their lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be run as soon as a worker is free, or once a back-off is over.
    Queued,
    /// Waits for the outcome of its operation; looked at now and then all the same.
    Waiting,
    /// Waits for its children to end.
    Joining,
    Succeeded,
    Failed,
    Cancelled,
    /// Can't go on and must not be failed: its saved form does not decode, or its way back is at an end.
    Blocked,
}

impl State {
    pub const ALL: [State; 7] = [
        State::Queued,
        State::Waiting,
        State::Joining,
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::Blocked,
    ];

    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Waiting => "waiting",
            State::Joining => "joining",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Blocked => "blocked",
        }
    }

    /// Nothing will happen to the task any more.
    pub fn is_ended(self) -> bool {
        match self {
            State::Succeeded | State::Failed | State::Cancelled => true,
            State::Queued | State::Waiting | State::Joining | State::Blocked => false,
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        State::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| format!("unknown state of a task: {word:?}"))
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A whole row of `tasks`.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Serialize)]
#[diesel(table_name = tasks)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct TaskRow {
    pub id: Uuid,
    pub name: String,
    pub data: Value,
    pub state: String,
    pub stage: Value,
    pub stage_name: String,
    pub stage_started: DateTime<Utc>,
    pub stage_deadline: DateTime<Utc>,
    pub attempts: i32,
    pub last_error: Option<Value>,
    pub obj_type: Option<String>,
    pub obj_id: Option<Uuid>,
    pub holds: bool,
    pub parent_id: Option<Uuid>,
    pub open_children: i32,
    pub request_id: Option<String>,
    pub created_by: Option<Value>,
    pub operation: Uuid,
    pub sequence: i64,
    pub outcome: Option<Value>,
    pub generation: i64,
    pub lease_until: Option<DateTime<Utc>>,
    pub worker: Option<String>,
    pub run_at: DateTime<Utc>,
    pub cause: Option<Value>,
    pub failing: Option<Value>,
    pub cancel_requested: bool,
    pub result: Option<Value>,
    pub history: Value,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Where in a trace it was started.
    pub traceparent: Option<String>,
}

impl TaskRow {
    /// The state as a word of ours.
    pub fn state(&self) -> State {
        self.state.parse().expect("the table's check allows known states only")
    }

    /// Why the task turned back, if it did, and at which stage.
    pub fn cause(&self) -> Option<Failure> {
        self.cause.as_ref().and_then(|cause| serde_json::from_value(cause.clone()).ok())
    }

    /// The stages behind it, oldest first.
    pub fn history(&self) -> Vec<Past> {
        serde_json::from_value(self.history.clone()).unwrap_or_default()
    }

    /// What keeps it from going on at present: the last transient error of the stage, or why it is blocked.
    pub fn last_error(&self) -> Option<LastError> {
        self.last_error.as_ref().and_then(|last| serde_json::from_value(last.clone()).ok())
    }
}

/// A failure and the stage in which it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage, as serde wrote it.
    pub at: Value,
    /// Its name.
    pub at_name: String,
    pub error: StepError,
}

/// What a stage met last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// Errors in a row.
    pub count: u32,
    pub error: StepError,
}

/// A stage that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pub stage: String,
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub attempts: i32,
    #[serde(default)]
    pub way_back: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}
