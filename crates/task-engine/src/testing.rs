//! For tests of task types: a real engine whose steps crash or fail where the test wants.
//!
//! ```ignore
//! let engine = Engine::builder(pool, url, env).register::<MyTask>()?
//!     .tuning(Tuning::for_tests()).intercept(Arc::new(RunTwice::default())).start();
//! ```

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::row::TaskRow;
use crate::store::claim::Job;
use crate::{Pool, StepError};

/// Which step it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepInfo {
    pub task: Uuid,
    pub name: String,
    /// The name of the stage.
    pub stage: String,
    pub operation: Uuid,
    /// The task has a cause.
    pub way_back: bool,
    /// It is `failed` that runs, not `step`.
    pub failing: bool,
    pub attempt: u32,
}

impl StepInfo {
    pub(crate) fn of(job: &Job) -> Self {
        Self {
            task: job.id,
            name: job.name.clone(),
            stage: job.stage_name.clone(),
            operation: job.operation,
            way_back: job.cause.is_some(),
            failing: job.failing.is_some(),
            attempt: u32::try_from(job.attempts).unwrap_or(1),
        }
    }
}

/// What happens instead of running a step.
#[derive(Debug, Clone)]
pub enum BeforeRun {
    Run,
    Fail(StepError),
    /// Stands still until the engine is killed, or loses the claim: the stage before is saved, this one not begun.
    Hang,
}

/// What happens when a step has run and is about to be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeforeSave {
    Save,
    /// As if the process had ended just before: nothing is saved, the stage runs again.
    Crash,
    /// Stands still until the engine is killed, or loses the claim: the step is done, but nobody knows.
    Hang,
}

/// Steps between the engine and its steps.
pub trait Intercept: Send + Sync + 'static {
    fn before_run(&self, step: &StepInfo) -> BeforeRun {
        let _ = step;
        BeforeRun::Run
    }
    fn before_save(&self, step: &StepInfo) -> BeforeSave {
        let _ = step;
        BeforeSave::Save
    }
}

/// Crashes every operation once, after it ran: each stage runs at least twice. Also tells which stages were seen.
#[derive(Debug, Default)]
pub struct RunTwice {
    crashed: Mutex<HashSet<(Uuid, bool)>>,
    stages: Mutex<Vec<String>>,
}

impl RunTwice {
    /// The names of the stages that were run twice, in order; `failed` as `failed(stage)`.
    pub fn stages(&self) -> Vec<String> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for RunTwice {
    fn before_save(&self, step: &StepInfo) -> BeforeSave {
        let new = self.crashed.lock().unwrap_or_else(PoisonError::into_inner).insert((step.operation, step.failing));
        if !new {
            return BeforeSave::Save;
        }
        let name = if step.failing { format!("failed({})", step.stage) } else { step.stage.clone() };
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        BeforeSave::Crash
    }
}

/// Fails a stage on the way there, before it runs or after it ran (its work is done, but nobody knows).
#[derive(Debug, Clone)]
pub struct FailAt {
    stage: String,
    after: bool,
    ran: std::sync::Arc<Mutex<HashSet<Uuid>>>,
}

impl FailAt {
    pub fn before(stage: impl Into<String>) -> Self {
        Self { stage: stage.into(), after: false, ran: Default::default() }
    }
    pub fn after(stage: impl Into<String>) -> Self {
        Self { after: true, ..Self::before(stage) }
    }
}

impl Intercept for FailAt {
    fn before_run(&self, step: &StepInfo) -> BeforeRun {
        let here = step.stage == self.stage && !step.way_back;
        let ran = || self.ran.lock().unwrap_or_else(PoisonError::into_inner).contains(&step.operation);
        if here && (!self.after || ran()) {
            let error = StepError::permanent(format_args!("made to fail at {}", self.stage)).with_code("made_to_fail");
            return BeforeRun::Fail(error);
        }
        BeforeRun::Run
    }

    fn before_save(&self, step: &StepInfo) -> BeforeSave {
        let here = step.stage == self.stage && !step.way_back && self.after;
        if here && self.ran.lock().unwrap_or_else(PoisonError::into_inner).insert(step.operation) {
            return BeforeSave::Crash;
        }
        BeforeSave::Save
    }
}

/// Waits until `condition` holds for the task, and returns its row. Panics after `limit`, showing the row.
pub async fn wait_for(pool: &Pool, id: Uuid, limit: Duration, condition: impl Fn(&TaskRow) -> bool) -> TaskRow {
    let begun = Instant::now();
    loop {
        // An error may be the very thing that the test causes: a server that restarts.
        let row = match pool.get().await {
            Ok(mut conn) => crate::get(&mut conn, id).await.map_err(StepError::from),
            Err(error) => Err(error.into()),
        };
        match row {
            Ok(Some(row)) if condition(&row) => return row,
            row => assert!(begun.elapsed() < limit, "task {id} did not get there in {limit:?}: {row:#?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the task has ended.
pub async fn wait_ended(pool: &Pool, id: Uuid, limit: Duration) -> TaskRow {
    wait_for(pool, id, limit, |row| row.ended_at.is_some()).await
}
