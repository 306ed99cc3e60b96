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
}
