//! Recordings of serial consoles of servers in rescue: what was shown, for auditors. What was typed is not in them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::{GuestId, RecordingId, SessionId};

use crate::action::{Action, NoExtra, Resource};

#[derive(Debug)]
pub enum ConsoleRecordings {}
impl Resource for ConsoleRecordings {
    const WORD: &'static str = "consolerecording";
    const PLURAL: &'static str = "consolerecordings";
    type View = ConsoleRecording;
}

/// One opened console; `GET /consolerecordings/{id}/cast` is what it showed (asciicast v2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleRecording {
    pub id: RecordingId,
    /// The server may be gone; its name is that of then.
    pub server_id: GuestId,
    pub server: String,
    pub project: String,
    /// The rescue session.
    pub session_id: Option<SessionId>,
    /// Who had the console open.
    pub user: String,
    pub source: Option<String>,
    pub started_at: DateTime<Utc>,
    /// Absent while it goes on.
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_ms: u64,
    /// Of the lines of the cast, without its header.
    pub bytes: u64,
    /// False: it reached the limit of size, some of it was lost, or its region ended before it.
    pub is_whole: bool,
}

/// `DELETE /consolerecordings/{id}`: for one that shows what nobody may keep.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DeleteConsoleRecording {}
impl Action for DeleteConsoleRecording {
    type On = ConsoleRecordings;
    type Extra = NoExtra;
    const NAME: &'static str = "delete";
    const SUMMARY: &'static str = "Erase a recording before its time; that it was there stays in the log";
}
