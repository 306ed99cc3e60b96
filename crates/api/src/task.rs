//! Tasks: durable work and its stages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::{TaskId, words};
use uuid::Uuid;

use crate::action::{Action, NoExtra, Resource};

#[derive(Debug)]
pub enum Tasks {}
impl Resource for Tasks {
    const WORD: &'static str = "task";
    const PLURAL: &'static str = "tasks";
    type View = Task;
}

words! {
    pub enum TaskState as "task state" {
        /// Due, or at work.
        Queued = "queued",
        /// A host was asked; its report wakes the task.
        Waiting = "waiting",
        /// Its children are at work.
        Joining = "joining",
        Succeeded = "succeeded",
        /// It ended, by its way back. `cause` says why.
        Failed = "failed",
        Cancelled = "cancelled",
        /// This version of the service can't read it. An administrator may `retry` or `abandon` it.
        Blocked = "blocked",
    }
}

impl TaskState {
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What a verb's answer says of its task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskBrief {
    pub id: TaskId,
    pub task_name: String,
    pub stage: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    pub id: TaskId,
    pub task_name: String,
    pub state: TaskState,
    pub is_complete: bool,
    /// The stage at work, or the last one.
    pub stage: String,
    /// It failed and is undoing what it did.
    pub way_back: bool,
    pub obj_type: Option<String>,
    pub obj_id: Option<Uuid>,
    pub obj_name: Option<String>,
    pub parent_task_id: Option<TaskId>,
    pub request_id: Option<String>,
    pub user: Option<String>,
    /// Why it failed, for people.
    pub cause: Option<String>,
    /// What was seen when it failed: the last lines of a serial console, a command's output.
    pub evidence: Vec<String>,
    /// Why it stands still: the last error of the stage at work, the reason of `blocked`.
    #[serde(default)]
    pub last_error: Option<String>,
    /// Somebody asked it to stop.
    #[serde(default)]
    pub cancel_requested: bool,
    /// The stages so far, in order.
    pub stages: Vec<TaskStage>,
    /// How far the download of the stage at work is.
    #[serde(default)]
    pub progress: Option<TaskProgress>,
    /// When the stage at work gives up.
    #[serde(default)]
    pub stage_deadline: Option<DateTime<Utc>>,
    /// What it ended in, of tasks that tell: see the verb that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub result: Option<serde_json::Value>,
    /// Its children, oldest first, at most 200; in lists none. `GET /tasks?parent=ID` has them all.
    #[serde(default)]
    pub children: Vec<TaskChild>,
    /// How many children there are; in lists 0.
    #[serde(default)]
    pub children_total: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// How far a download is, as the host said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskProgress {
    /// For people.
    pub text: String,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// When the host said it; a rate is what came between two of these.
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskStage {
    pub stage: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: u32,
    /// What a host said while it was at work, or why it failed.
    pub error: Option<String>,
    pub way_back: bool,
}

/// `POST /tasks/{id}/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Cancel {}
impl Action for Cancel {
    type On = Tasks;
    type Extra = NoExtra;
    const NAME: &'static str = "cancel";
    const SUMMARY: &'static str = "Ask a task to stop and go its way back, where its stage allows";
}

/// A child, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskChild {
    pub id: TaskId,
    pub task_name: String,
    pub state: TaskState,
    pub stage: String,
    pub obj_type: Option<String>,
    pub obj_id: Option<Uuid>,
    pub obj_name: Option<String>,
    pub cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub result: Option<serde_json::Value>,
}

/// `POST /tasks/{id}/retry`: for a blocked task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Retry {}
impl Action for Retry {
    type On = Tasks;
    type Extra = NoExtra;
    const NAME: &'static str = "retry";
    const SUMMARY: &'static str = "Let a blocked task go on from the stage where it stands";
}

/// `POST /tasks/{id}/abandon`: for a blocked task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Abandon {}
impl Action for Abandon {
    type On = Tasks;
    type Extra = NoExtra;
    const NAME: &'static str = "abandon";
    const SUMMARY: &'static str = "Give up a blocked task: its server goes to the failed status of what was being done";
}

/// Tasks that ended long ago, as they were.
#[derive(Debug)]
pub enum ArchivedTasks {}
impl Resource for ArchivedTasks {
    const WORD: &'static str = "archivedtask";
    const PLURAL: &'static str = "archivedtasks";
    type View = Task;
}
