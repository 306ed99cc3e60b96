//! What a task is: a serialisable struct with a name, stages, and a step for each.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::spawn::Start;
use crate::{StepError, TaskCx};

/// Durable staged work. See the crate's documentation for a whole one.
///
/// Every arm of `step` and `failed` **may run twice**: after a crash, after a lost lease, and, while it waits, every
/// few seconds. It must find out what is already done, or hand `cx.operation()` to someone who does.
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stored data: renaming it orphans the rows of before.
    const NAME: &'static str;

    /// What steps work with: pools, clients. One value per engine, shared by all its tasks.
    type Env: Send + Sync + 'static;

    /// What is about to be done. An enum in serde's default form; the names of its variants are stored data too.
    /// Its default is where a new task begins.
    type Stage: Serialize + DeserializeOwned + Default + Clone + Debug + Send + Sync + 'static;

    /// Does one stage and says what comes next. A permanent error (or a panic, or the deadline) leads to `failed`.
    fn step(
        &self,
        stage: Self::Stage,
        cx: &mut TaskCx<'_, Self::Env>,
    ) -> impl Future<Output = Result<Next<Self::Stage>, StepError>> + Send;

    /// The way back begins: `at` failed for `cause`. Says at which stage the undoing starts; a stage of the way back
    /// that fails comes here again, and [`TaskCx::cause`] keeps the first failure. Like a step it is saved before it
    /// runs, may run twice, has an operation of its own and may return any [`Next`].
    ///
    /// A task with a cause ends as `failed` (`cancelled`, if that is the cause) when it reaches `done`.
    /// If this itself fails for good, or does not end in time, the task is parked as `blocked`.
    fn failed(
        &self,
        at: Self::Stage,
        cause: &StepError,
        cx: &mut TaskCx<'_, Self::Env>,
    ) -> impl Future<Output = Result<Next<Self::Stage>, StepError>> + Send {
        let _ = (at, cause, cx);
        async { Ok(Next::done(())) }
    }

    /// How long a stage may take, retries and waiting included. At the end of that time it is tried a last time; if it
    /// still has no result, it fails with `DeadlineExceeded`. [`Next::wait`] may set another limit for a wait.
    fn limit(stage: &Self::Stage) -> Duration {
        let _ = stage;
        DEFAULT_LIMIT
    }

    /// Whether a request to cancel is honoured in this stage. If so, the step is dropped where it stands and
    /// `failed` is called. Never asked on the way back, which can't be cancelled.
    fn cancellable(stage: &Self::Stage) -> bool {
        let _ = stage;
        false
    }
}

/// The time limit of a stage that names none.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(300);

/// What comes after a step. Saved, together with what the step gave to [`TaskCx::on_save`], before anything else runs.
#[derive(Debug)]
pub struct Next<S>(pub(crate) Move<S>);

#[derive(Debug)]
pub(crate) enum Move<S> {
    Go(S),
    Wait { stage: S, until: Until, again: Option<Duration> },
    Join { stage: S, children: Vec<Child> },
    Done(Result<Value, String>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Until {
    Limit(Duration),
    Time(DateTime<Utc>),
}

impl<S> Next<S> {
    /// The next stage: a new operation, a new deadline.
    pub fn go(stage: S) -> Self {
        Self(Move::Go(stage))
    }

    /// Nothing more to do until the operation's outcome is reported; `stage` (usually the present one) is then run
    /// again, with the same operation. It is also run every few seconds in the meantime, so that its repeated request
    /// stands in for a report that got lost.
    ///
    /// `limit` counts from the time the stage began, so that returning the same wait again does not move the deadline.
    pub fn wait(stage: S, limit: Duration) -> Self {
        Self(Move::Wait { stage, until: Until::Limit(limit), again: None })
    }

    /// As [`Next::wait`], until a point in time (by the database's clock).
    pub fn wait_until(stage: S, deadline: DateTime<Utc>) -> Self {
        Self(Move::Wait { stage, until: Until::Time(deadline), again: None })
    }

    /// Of a wait: run the stage again after this time, rather than at the engine's growing interval.
    pub fn poll_after(mut self, after: Duration) -> Self {
        if let Move::Wait { again, .. } = &mut self.0 {
            *again = Some(after);
        }
        self
    }

    /// Starts `children` together with the save; `stage` runs when the last of them (and of any that were spawned
    /// before) has ended, well or not: see [`TaskCx::children`]. A child whose object is held by another task is
    /// entered as failed with the code `busy`.
    pub fn join(stage: S, children: Vec<Child>) -> Self {
        Self(Move::Join { stage, children })
    }

    /// The end.
    pub fn done(result: impl Serialize) -> Self {
        Self(Move::Done(serde_json::to_value(result).map_err(|error| error.to_string())))
    }
}

/// A task to be started by [`Next::join`].
#[derive(Debug, Clone)]
pub struct Child {
    pub(crate) new: crate::spawn::NewTask,
}

impl Child {
    /// `start.parent` is set by the engine. A child on its parent's object shares the parent's hold.
    pub fn new<T: Task>(task: &T, start: Start) -> Result<Self, StepError> {
        Ok(Self { new: crate::spawn::NewTask::of(task, start)? })
    }
}
