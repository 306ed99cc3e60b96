//! Claims as many due tasks as there are free workers, and gives each to one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Shared, worker};
use crate::store::{self, claim::Job};
use crate::{Pool, Tuning};

/// A bound on what one claim may return; the loop comes back at once if there is more.
const AT_ONCE: usize = 256;

/// Saves end many tasks at once: their places are filled by one claim, as each is a commit.
const GATHER: Duration = Duration::from_millis(1);

/// Runs until drained. `stopped` drops what still runs and gives it back.
pub(crate) async fn run<E: Send + Sync + 'static>(shared: Arc<Shared<E>>, stopped: CancellationToken) {
    // The set lives here, so that aborting this task drops every step with it.
    let mut jobs: JoinSet<Option<Duration>> = JoinSet::new();
    let names: Vec<&'static str> = shared.kinds.keys().copied().collect();
    let mut next_look = Instant::now();
    let mut trouble = 0;
    // The last claim filled its bound: there may be more to do.
    let mut more = false;
    loop {
        if shared.draining.is_cancelled() {
            break;
        }
        let free = shared.workers.saturating_sub(jobs.len());
        if free > 0 && next_look <= Instant::now() {
            next_look = Instant::now() + shared.tuning.poll;
            let limit = free.min(AT_ONCE);
            match claim(&shared.pool, &shared.tuning, &shared.name, &names, limit).await {
                Ok(claimed) => {
                    trouble = 0;
                    more = claimed.len() == limit;
                    if more {
                        next_look = Instant::now();
                    }
                    for (job, held_until) in claimed {
                        shared.running.add(&job, held_until);
                        jobs.spawn(worker::run(shared.clone(), job));
                    }
                }
                Err(error) => {
                    if trouble == 0 {
                        tracing::warn!(error = %error, "no tasks could be claimed; trying again");
                    }
                    trouble += 1;
                    next_look = Instant::now() + shared.tuning.back_off(trouble, 0.5);
                }
            }
            metrics::gauge!("tasks_running").set(jobs.len() as f64);
        }
        let full = jobs.len() >= shared.workers;
        tokio::select! {
            () = shared.draining.cancelled() => {}
            mut ended = jobs.join_next(), if !jobs.is_empty() => {
                while let Some(one) = ended {
                    // A task that is due again soon sets the alarm, so that short pauses are not rounded up to a poll.
                    if let Ok(Some(due_in)) = one {
                        next_look = next_look.min(Instant::now() + due_in);
                    }
                    ended = jobs.try_join_next();
                }
                if full && more {
                    next_look = Instant::now() + GATHER;
                }
            }
            () = shared.waker.woken(), if trouble == 0 => next_look = Instant::now(),
            () = tokio::time::sleep_until(next_look.into()), if !full => {}
        }
    }
    loop {
        tokio::select! {
            ended = jobs.join_next() => if ended.is_none() { return },
            () = stopped.cancelled() => break,
        }
    }
    jobs.shutdown().await;
    let held = shared.running.held();
    if let Err(error) = release(&shared.pool, &held).await {
        tracing::warn!(error = %error, tasks = held.len(), "claims could not be given back; they run out");
    }
}

type Claimed = Vec<(Job, Instant)>;

async fn claim(
    pool: &Pool,
    tuning: &Tuning,
    worker: &str,
    names: &[&'static str],
    limit: usize,
) -> Result<Claimed, crate::StepError> {
    let mut conn = pool.get().await?;
    // Taken before the statement is sent: the lease in the table ends later than what we believe.
    let until = Instant::now() + tuning.lease;
    let jobs = store::claim::claim(&mut conn, names, limit, tuning.lease, worker).await?;
    metrics::counter!("task_claims_total").increment(jobs.len() as u64);
    Ok(jobs.into_iter().map(|job| (job, until)).collect())
}

async fn release(pool: &Pool, held: &[store::lease::Held]) -> Result<(), crate::StepError> {
    if !held.is_empty() {
        let mut conn = pool.get().await?;
        store::lease::release(&mut conn, held).await?;
    }
    Ok(())
}
