//! The board: which parts run, where they serve. Kept in `parts.json`, for `status`, for `down` after a supervisor that was
//! killed, and for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::process::Process;
use crate::state::State;

pub const FILE: &str = "parts.json";
/// Our own row.
pub const SUPERVISOR: &str = "lifeboat";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Starting,
    Ready,
    /// It died and is about to be started again.
    Down,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    pub condition: Condition,
    /// What the part wrote into its ready file: its addresses.
    pub ready: Value,
    /// How often it was started again.
    pub restarts: u32,
}

pub type Rows = BTreeMap<String, Row>;

#[derive(Clone)]
pub struct Board {
    rows: Arc<Mutex<Rows>>,
    state: State,
}

impl Board {
    pub fn new(state: State) -> Self {
        Self { rows: Arc::default(), state }
    }

    /// What the last supervisor wrote.
    ///
    /// # Errors
    /// The file is there and is something else.
    pub fn last(state: &State) -> Result<Rows> {
        Ok(state.read(FILE)?.unwrap_or_default())
    }

    pub fn set(&self, part: &str, process: Option<Process>, condition: Condition, ready: Value) {
        self.change(|rows| {
            let restarts = rows.get(part).map_or(0, |row| row.restarts);
            rows.insert(part.to_owned(), Row { process, condition, ready, restarts });
        });
    }

    /// It ended, or did not come up. Counts as a restart, as each of its starts after the first one will be.
    pub fn down(&self, part: &str) {
        self.change(|rows| {
            if let Some(row) = rows.get_mut(part) {
                row.process = None;
                row.condition = Condition::Down;
                row.restarts += 1;
            }
        });
    }

    pub fn forget(&self, part: &str) {
        self.change(|rows| {
            rows.remove(part);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Rows)) {
        let mut rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut rows);
        // The board is for onlookers: a full disk must not end a part that runs.
        let saved =
            serde_json::to_string_pretty(&*rows).map_err(Into::into).and_then(|t| self.state.write(FILE, &t, 0o600));
        if let Err(error) = saved {
            tracing::warn!("{error:#}");
        }
    }
}
