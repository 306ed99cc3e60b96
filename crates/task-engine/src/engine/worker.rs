//! Runs one claimed task from stage to stage, until it waits, ends, or the claim is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures::future::BoxFuture;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::Shared;
use super::keeper::Signals;
use super::kind::{Kind, Ran};
use super::saver::Verdict;
use crate::cx::Effect;
use crate::decide::{Answer, Circumstances, decide};
use crate::store::claim::Job;
use crate::store::lease::{self, Held};
use crate::store::save::{self, Change, Saved};
use crate::testing::{BeforeRun, BeforeSave, StepInfo};
use crate::{Pool, State, StepError, operation};

/// Returns when the task is due again, if this engine should look then.
pub(crate) async fn run<E: Send + Sync + 'static>(shared: Arc<Shared<E>>, mut job: Job) -> Option<Duration> {
    let signals = shared.running.signals(&job);
    let due = tokio::select! {
        biased;
        () = signals.lost.cancelled() => {
            tracing::info!(task = %job.id, stage = job.stage_name, "lost the claim; somebody else goes on");
            None
        }
        due = stages(&shared, &mut job, &signals) => due,
    };
    shared.running.remove(&job);
    due
}

async fn stages<E: Send + Sync + 'static>(shared: &Shared<E>, job: &mut Job, signals: &Signals) -> Option<Duration> {
    let kind = shared.kinds.get(job.name.as_str())?;
    loop {
        let begun = Instant::now();
        let span = shared.span(job);
        let ran = step(shared, kind.as_ref(), job, signals, begun).instrument(span.clone()).await;
        let overdue = millis_since(begun) >= job.left_ms;
        let keep = !shared.draining.is_cancelled();
        let now = Circumstances { overdue, keep, spread: spread(), new_operation: operation::new(job.id) };
        measure(job, &ran.answer, begun);
        let change = decide(job, ran.answer, &shared.tuning, &now);
        span.in_scope(|| log(&change));
        match shared.intercept.as_ref().map(|i| i.before_save(&StepInfo::of(job))) {
            None | Some(BeforeSave::Save) => {}
            Some(BeforeSave::Crash) => return give_back(shared, job).await,
            Some(BeforeSave::Hang) => std::future::pending().await,
        }
        // Effects may fail, and what can't be stored or breaks a rule of the database fails too: both are errors of
        // the stage like any other. Only if that can't be saved either is the step given back as it stands.
        let (change, verdict) = match save(shared, change.clone(), ran.effects).instrument(span.clone()).await {
            Err(error) => {
                let change = decide(job, Answer::Failed(error), &shared.tuning, &now);
                span.in_scope(|| log(&change));
                (change.clone(), save(shared, change, Vec::new()).instrument(span.clone()).await)
            }
            verdict => (change, verdict),
        };
        match verdict {
            Ok(Some(saved)) => {
                if change.state == State::Joining {
                    shared.waker.wake();
                } else if saved.wakes {
                    shared.waker.here();
                }
                if change.state.is_ended() {
                    metrics::counter!("tasks_ended_total", "task" => job.name.clone(), "state" => change.state.as_str())
                        .increment(1);
                }
                if !change.keeps {
                    return saved.due_in_ms.map(|ms| Duration::from_millis(ms.unsigned_abs()));
                }
                job.advance(change, &saved);
                if job.cancel_requested {
                    signals.cancel.cancel();
                }
            }
            // The claim is somebody else's by now, and then giving back changes nothing; or an earlier save was
            // committed though its answer got lost, and then the row waits for us to let go.
            Ok(None) => {
                span.in_scope(|| tracing::info!("not saved: the claim is gone"));
                return give_back(shared, job).await;
            }
            // Whether it was committed or not: the row stands at a stage that may run again.
            Err(error) => {
                span.in_scope(|| tracing::warn!(%error, "the step could not be saved; it will be run again"));
                return give_back(shared, job).await;
            }
        }
    }
}

/// One run of the saved stage, or what stands in for it.
async fn step<E: Send + Sync + 'static>(
    shared: &Shared<E>,
    kind: &dyn Kind<E>,
    job: &Job,
    signals: &Signals,
    begun: Instant,
) -> Ran {
    let cancellable = kind.cancellable(job);
    if cancellable && signals.cancel.is_cancelled() {
        return Ran::failed(StepError::cancelled());
    }
    match shared.intercept.as_ref().map(|i| i.before_run(&StepInfo::of(job))) {
        None | Some(BeforeRun::Run) => {}
        Some(BeforeRun::Fail(error)) => return Ran::failed(error),
        Some(BeforeRun::Hang) => std::future::pending().await,
    }
    let left = Duration::from_millis(job.left_ms.max(0).unsigned_abs()).max(shared.tuning.last_try);
    tokio::select! {
        biased;
        () = signals.cancel.cancelled(), if cancellable => Ran::failed(StepError::cancelled()),
        ran = kind.run(job, &shared.env, &shared.pool, begun + left) => ran,
        () = tokio::time::sleep(left) => {
            let last = job.errors().map(|last| last.error);
            Ran::failed(StepError::deadline_exceeded(&job.stage_name, last.as_ref()))
        }
    }
}

async fn save<E>(shared: &Shared<E>, change: Change, effects: Vec<Effect>) -> Verdict {
    if effects.is_empty() {
        shared.saver.save(change).await
    } else {
        save_with_effects(shared.pool.clone(), change, effects).await
    }
}

/// Boxed and without borrows: the compiler can't see that the transaction's closure is `Send` for every lifetime.
fn save_with_effects(pool: Pool, change: Change, effects: Vec<Effect>) -> BoxFuture<'static, Verdict> {
    Box::pin(async move {
        let mut conn = pool.get().await?;
        let saved = conn.transaction(async move |conn| in_transaction(conn, change, effects).await).await;
        match saved {
            Ok(saved) => Ok(Some(saved)),
            Err(Unsaved::Lost) => Ok(None),
            Err(Unsaved::Error(error)) => Err(error),
        }
    })
}

async fn in_transaction(conn: &mut AsyncPgConnection, change: Change, effects: Vec<Effect>) -> Result<Saved, Unsaved> {
    // The caller's rows first and the task's last, in the order of those who start tasks; the other order would
    // deadlock with them.
    for effect in effects {
        effect(conn).await.map_err(Unsaved::Error)?;
    }
    let saved = save::save(conn, std::slice::from_ref(&change)).await?;
    saved.into_iter().next().ok_or(Unsaved::Lost)
}

enum Unsaved {
    Lost,
    Error(StepError),
}
impl From<diesel::result::Error> for Unsaved {
    fn from(error: diesel::result::Error) -> Self {
        Unsaved::Error(error.into())
    }
}

/// Lets go of the claim, so that the saved stage is run again soon. The lease has its end anyway if this fails.
async fn give_back<E>(shared: &Shared<E>, job: &Job) -> Option<Duration> {
    let held = [Held { id: job.id, generation: job.generation }];
    for trial in 1.. {
        let released = async {
            let mut conn = shared.pool.get().await?;
            Ok::<_, StepError>(lease::release(&mut conn, &held).await?)
        };
        match released.await {
            Ok(_) => return Some(Duration::ZERO),
            // `lost` ends this loop when the lease does.
            Err(_) => tokio::time::sleep(shared.tuning.back_off(trial, spread())).await,
        }
    }
    None
}

fn millis_since(begun: Instant) -> i64 {
    i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// A number from 0 to 1, different each time.
fn spread() -> f64 {
    f64::from(u16::from_le_bytes([Uuid::new_v4().as_bytes()[0], Uuid::new_v4().as_bytes()[1]])) / f64::from(u16::MAX)
}

fn measure(job: &Job, answer: &Answer, begun: Instant) {
    let result = match answer {
        Answer::Go(_) => "go",
        Answer::Wait { .. } => "wait",
        Answer::Join(_) => "join",
        Answer::Done(_) => "done",
        Answer::Failed(error) if error.is_transient() => "retry",
        Answer::Failed(_) => "failed",
        Answer::Unreadable(_) => "unreadable",
    };
    let (task, stage) = (job.name.clone(), job.stage_name.clone());
    metrics::counter!("task_steps_total", "task" => task.clone(), "stage" => stage.clone(), "result" => result)
        .increment(1);
    metrics::histogram!("task_step_seconds", "task" => task, "stage" => stage).record(begun.elapsed().as_secs_f64());
}

/// A failure is logged here, once, and nowhere else.
/// In the span of the step, which says of what.
fn log(change: &Change) {
    if let Some(last) = &change.last_error {
        trace::failed(&Span::current(), &last.error);
    }
    if let (Some(failing), true) = (&change.failing, change.closes) {
        trace::failed(&Span::current(), &failing.error);
        tracing::warn!(error = %failing.error, "the stage failed; the way back begins");
    } else if let Some(last) = &change.last_error {
        if change.state == State::Blocked {
            tracing::error!(error = %last.error, "the task is blocked; retry or abandon it");
        } else {
            tracing::debug!(error = %last.error, count = last.count, "the stage will be tried again");
        }
    } else if change.state.is_ended() {
        tracing::info!(state = %change.state, "the task has ended");
    } else {
        tracing::debug!(next = change.stage_name, state = %change.state, "the stage is done");
    }
}
