//! Events: the log of operations. Written in the transaction of the change they tell of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::TaskId;
use uuid::Uuid;

use crate::action::Resource;

#[derive(Debug)]
pub enum Events {}
impl Resource for Events {
    const WORD: &'static str = "event";
    const PLURAL: &'static str = "events";
    type View = Event;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    pub id: i64,
    pub obj_type: String,
    pub obj_id: Uuid,
    pub obj_name: String,
    /// The verb or the moment: `start_rescue`, `power_state`.
    pub action: String,
    pub success: bool,
    /// What happened, or the reason of failure.
    pub notes: String,
    pub old_status: Option<String>,
    pub new_status: Option<String>,
    pub user: String,
    pub project: String,
    /// The address the request came from.
    pub source: Option<String>,
    pub request_id: Option<String>,
    pub task_id: Option<TaskId>,
    pub ops_time: DateTime<Utc>,
    /// Its place in the chain of its object's events, from 1; absent for those from before there were chains.
    #[serde(default)]
    pub seq: Option<i64>,
    /// Lower-case hex: the hash of the event before, and its own. [`crate::event_chain`] recomputes them.
    #[serde(default)]
    pub prev_hash: Option<String>,
    #[serde(default)]
    pub hash: Option<String>,
}

/// The log in upstream's words: the rows of [`Events`] under the keys that its `climc` reads.
#[derive(Debug)]
pub enum Actions {}
impl Resource for Actions {
    const WORD: &'static str = "action";
    const PLURAL: &'static str = "actions";
    type View = ActionLog;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActionLog {
    pub id: i64,
    pub obj_type: String,
    pub obj_id: Uuid,
    pub obj_name: String,
    pub action: String,
    pub success: bool,
    /// `INFO`, or `ERROR` for what failed.
    pub severity: String,
    /// The part that wrote it: `compute`, or `identity`.
    pub service: String,
    pub notes: String,
    pub user: String,
    /// The project.
    pub tenant: String,
    /// The address the request came from.
    pub ip: Option<String>,
    pub request_id: Option<String>,
    pub task_id: Option<TaskId>,
    /// When it happened; upstream also knows when it began, which for us is the task's.
    pub ops_time: DateTime<Utc>,
    pub start_time: DateTime<Utc>,
}

impl From<Event> for ActionLog {
    fn from(event: Event) -> Self {
        let identity = ["user", "project", "role", "policy", "domain"].contains(&event.obj_type.as_str());
        Self {
            severity: if event.success { "INFO" } else { "ERROR" }.into(),
            service: if identity { "identity" } else { "compute" }.into(),
            id: event.id,
            obj_type: event.obj_type,
            obj_id: event.obj_id,
            obj_name: event.obj_name,
            action: event.action,
            success: event.success,
            notes: event.notes,
            user: event.user,
            tenant: event.project,
            ip: event.source,
            request_id: event.request_id,
            task_id: event.task_id,
            ops_time: event.ops_time,
            start_time: event.ops_time,
        }
    }
}
