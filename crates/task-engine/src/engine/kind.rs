//! A task type with its type forgotten: from the table's JSON to `T` and back.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;

use crate::cx::Effect;
use crate::decide::{Answer, Stage};
use crate::spawn::{self, SpawnError};
use crate::store::claim::Job;
use crate::task::Move;
use crate::{Child, Next, Pool, StepError, Task, TaskCx, json};

/// What came of one run of a step.
pub(crate) struct Ran {
    pub answer: Answer,
    /// To be run in the transaction of the save, if the answer is not an error.
    pub effects: Vec<Effect>,
}

impl Ran {
    pub(crate) fn failed(error: StepError) -> Self {
        Self { answer: Answer::Failed(error), effects: Vec::new() }
    }
    fn unreadable(why: impl std::fmt::Display) -> Self {
        Self { answer: Answer::Unreadable(why.to_string()), effects: Vec::new() }
    }
}

/// What the engine calls.
pub(crate) trait Kind<E>: Send + Sync {
    fn stages(&self) -> &'static [&'static str];
    /// Whether a request to cancel is honoured where the task stands.
    fn cancellable(&self, job: &Job) -> bool;
    /// Runs the step, or `failed`, that the row stands at. Panics become errors.
    fn run<'a>(&'a self, job: &'a Job, env: &'a E, pool: &'a Pool, run_by: Instant) -> BoxFuture<'a, Ran>;
}

pub(crate) struct KindOf<T> {
    stages: &'static [&'static str],
    task: PhantomData<fn() -> T>,
}

impl<T: Task> KindOf<T> {
    /// `None` if the stages are not an externally tagged enum.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { stages: json::variants::<T::Stage>()?, task: PhantomData })
    }
}

impl<T: Task> Kind<T::Env> for KindOf<T> {
    fn stages(&self) -> &'static [&'static str] {
        self.stages
    }

    fn cancellable(&self, job: &Job) -> bool {
        job.cause.is_none() && T::Stage::deserialize(&job.stage).is_ok_and(|stage| T::cancellable(&stage))
    }

    fn run<'a>(&'a self, job: &'a Job, env: &'a T::Env, pool: &'a Pool, run_by: Instant) -> BoxFuture<'a, Ran> {
        async move {
            match AssertUnwindSafe(run::<T>(job, env, pool, run_by)).catch_unwind().await {
                Ok(ran) => ran,
                Err(panic) => Ran::failed(StepError::panicked(words_of(&*panic))),
            }
        }
        .boxed()
    }
}

async fn run<T: Task>(job: &Job, env: &T::Env, pool: &Pool, run_by: Instant) -> Ran {
    let task = match T::deserialize(&job.data) {
        Ok(task) => task,
        Err(error) => return Ran::unreadable(format_args!("its data: {error}")),
    };
    let stage = match T::Stage::deserialize(&job.stage) {
        Ok(stage) => stage,
        Err(error) => return Ran::unreadable(format_args!("its stage {}: {error}", job.stage)),
    };
    let failing = match &job.failing {
        None => None,
        Some(_) => match job.failing() {
            Some(failing) => Some(failing),
            None => return Ran::unreadable("its failure"),
        },
    };
    let mut cx = TaskCx { env, job, pool, cause: job.cause(), effects: Mutex::default(), run_by };
    let next = match &failing {
        None => task.step(stage, &mut cx).await,
        Some(failure) => task.failed(stage, &failure.error, &mut cx).await,
    };
    let mut effects = cx.effects.into_inner().unwrap_or_else(PoisonError::into_inner);
    match next.and_then(|next| encode::<T>(next, job, &mut effects)) {
        Ok(answer) => Ran { answer, effects },
        Err(error) => Ran::failed(error),
    }
}

fn encode<T: Task>(next: Next<T::Stage>, job: &Job, effects: &mut Vec<Effect>) -> Result<Answer, StepError> {
    Ok(match next.0 {
        Move::Go(stage) => Answer::Go(saved::<T>(&stage)?),
        Move::Wait { stage, until, again } => Answer::Wait { stage: saved::<T>(&stage)?, until, again },
        Move::Join { stage, children } => {
            let (stage, parent) = (saved::<T>(&stage)?, job.id);
            effects.push(Box::new(move |conn| async move { start_children(conn, parent, children).await }.boxed()));
            Answer::Join(stage)
        }
        Move::Done(Ok(mut result)) => {
            json::without_nul(&mut result);
            Answer::Done(result)
        }
        Move::Done(Err(error)) => {
            return Err(StepError::permanent(format_args!("the result of {} as JSON: {error}", T::NAME)));
        }
    })
}

fn saved<T: Task>(stage: &T::Stage) -> Result<Stage, StepError> {
    let mut saved = serde_json::to_value(stage)
        .map_err(|error| StepError::permanent(format_args!("stage {stage:?} as JSON: {error}")))?;
    json::without_nul(&mut saved);
    let name = json::variant(&saved).unwrap_or_default().to_owned();
    Ok(Stage { name, saved, limit: T::limit(stage) })
}

async fn start_children(
    conn: &mut diesel_async::AsyncPgConnection,
    parent: uuid::Uuid,
    children: Vec<Child>,
) -> Result<(), StepError> {
    for child in children {
        let new = child.new.with_parent(parent);
        match spawn::insert(conn, &new).await {
            Ok(_) => {}
            Err(error @ SpawnError::Busy(_)) => {
                spawn::insert(conn, &new.stillborn(error.into())).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
