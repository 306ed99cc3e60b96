//! Follows a task to its end. A restart of the service on the way is an outage, not a failure: no task is lost by it.

use std::time::{Duration, Instant};

use api::task::{Task, TaskState, Tasks};
use types::TaskId;

use crate::error::Error;
use crate::rest::Client;

/// Between two looks at a task: short while it changes, longer while it does not.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(2);
/// How long the service may be away.
const OUTAGE: Duration = Duration::from_secs(120);

/// What is seen on the way.
#[derive(Debug)]
pub enum Watch<'a> {
    /// The task is not as it was.
    Changed(&'a Task),
    /// The service does not answer; it is asked again.
    Outage(&'a Error),
}

/// It goes no further by itself: it has ended, or an administrator must decide.
#[must_use]
pub fn is_over(state: TaskState) -> bool {
    state.has_ended() || state == TaskState::Blocked
}

impl Client {
    /// The task as it ended, or as it was blocked. Takes as long as the task: put a time-out around it; dropping the future leaves the task
    /// at work.
    ///
    /// # Errors
    /// [`Error`]; one that may pass only after two minutes of it.
    pub async fn wait_task(&self, id: TaskId, mut on_change: impl FnMut(Watch<'_>)) -> Result<Task, Error> {
        let id = id.to_string();
        let mut seen: Option<Task> = None;
        let mut pause = SHORTEST;
        let mut answered = Instant::now();
        loop {
            match self.get::<Tasks>(&id).await {
                Ok(task) => {
                    answered = Instant::now();
                    if seen.as_ref() != Some(&task) {
                        on_change(Watch::Changed(&task));
                        pause = SHORTEST;
                    }
                    if is_over(task.state) {
                        return Ok(task);
                    }
                    seen = Some(task);
                }
                Err(error) if error.is_passing() && answered.elapsed() < OUTAGE => on_change(Watch::Outage(&error)),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST);
        }
    }
}
