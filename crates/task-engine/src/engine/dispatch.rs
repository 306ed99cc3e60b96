//! Claims as many due tasks as there are free workers, and gives each to one. While more are due than there is room for, some are claimed
//! ahead, so that a worker that becomes free need not wait for a statement and its commit.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::{Shared, worker};
use crate::store::lease::Held;
use crate::store::{self, claim::Job};
use crate::{Pool, StepError};

/// A bound on what one claim may return; the loop comes back at once if there is more.
const AT_ONCE: usize = 64;

/// Saves end many tasks at once: their places are filled by one claim, as each is a commit.
const GATHER: Duration = Duration::from_millis(1);

/// What was claimed ahead and has found no worker for so long is given back: another engine may have one.
const AHEAD_FOR: Duration = Duration::from_secs(1);

type Claimed = Vec<(Job, Instant)>;

/// Runs until drained. `stopped` drops what still runs and gives it back.
pub(crate) async fn run<E: Send + Sync + 'static>(shared: Arc<Shared<E>>, stopped: CancellationToken) {
    // The set lives here, so that aborting this task drops every step with it.
    let mut jobs: JoinSet<Option<Duration>> = JoinSet::new();
    let names: Arc<[&'static str]> = shared.kinds.keys().copied().collect();
    let mut ahead: VecDeque<(Job, Instant)> = VecDeque::new();
    // The claim under way, and how many it asks for.
    let mut claiming: Option<(usize, BoxFuture<'static, Result<Claimed, StepError>>)> = None;
    let mut next_look = Instant::now();
    let mut trouble = 0;
    // The last claim filled its bound: there may be more to do.
    let mut more = false;
    loop {
        while jobs.len() < shared.workers
            && let Some((job, _)) = ahead.pop_front()
        {
            jobs.spawn(worker::run(shared.clone(), job));
        }
        metrics::gauge!("tasks_running").set(jobs.len() as f64);
        if shared.draining.is_cancelled() {
            break;
        }
        let free = shared.workers - jobs.len();
        let room = room(shared.workers, free, ahead.len(), more);
        if claiming.is_none() && room > 0 && next_look <= Instant::now() {
            next_look = Instant::now() + shared.tuning.poll;
            let limit = room.min(AT_ONCE);
            claiming = Some((limit, claim(shared.clone(), names.clone(), limit).boxed()));
        }
        let idle = claiming.is_none() && room > 0;
        let too_long = ahead.front().map(|(_, since)| *since + AHEAD_FOR);
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
                if more {
                    next_look = next_look.min(Instant::now() + GATHER);
                }
            }
            (limit, claimed) = answer(&mut claiming) => {
                claiming = None;
                match claimed {
                    Ok(claimed) => {
                        trouble = 0;
                        more = claimed.len() == limit;
                        if more {
                            next_look = Instant::now();
                        }
                        let now = Instant::now();
                        for (job, held_until) in claimed {
                            shared.running.add(&job, held_until);
                            ahead.push_back((job, now));
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
            }
            () = shared.waker.woken(), if trouble == 0 => next_look = Instant::now(),
            () = sleep_until(next_look.into()), if idle => {}
            () = sleep_until(too_long.unwrap_or_else(Instant::now).into()), if too_long.is_some() => {
                more = false;
                give_back(&shared, &mut ahead).await;
            }
        }
    }
    // A claim under way may have been carried out.
    if let Some((_, claim)) = claiming
        && let Ok(claimed) = claim.await
    {
        for (job, held_until) in claimed {
            shared.running.add(&job, held_until);
            ahead.push_back((job, Instant::now()));
        }
    }
    give_back(&shared, &mut ahead).await;
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

/// How many to claim: for the workers that are free, and with `more` to do half as many again ahead, once half of those are used.
fn room(workers: usize, free: usize, ahead: usize, more: bool) -> usize {
    let stock = if more { workers / 2 } else { 0 };
    if free == 0 && ahead > stock / 2 { 0 } else { (free + stock).saturating_sub(ahead) }
}

/// What the claim under way came to; never, if there is none.
async fn answer(
    claiming: &mut Option<(usize, BoxFuture<'static, Result<Claimed, StepError>>)>,
) -> (usize, Result<Claimed, StepError>) {
    match claiming {
        Some((limit, claim)) => (*limit, claim.await),
        None => pending().await,
    }
}

async fn claim<E>(shared: Arc<Shared<E>>, names: Arc<[&'static str]>, limit: usize) -> Result<Claimed, StepError> {
    let mut conn = shared.pool.get().await?;
    // Taken before the statement is sent: the lease in the table ends later than what we believe.
    let until = Instant::now() + shared.tuning.lease;
    let jobs = store::claim::claim(&mut conn, &names, limit, shared.tuning.lease, &shared.name).await?;
    metrics::counter!("task_claims_total").increment(jobs.len() as u64);
    Ok(jobs.into_iter().map(|job| (job, until)).collect())
}

async fn give_back<E>(shared: &Shared<E>, ahead: &mut VecDeque<(Job, Instant)>) {
    let held: Vec<Held> = ahead.iter().map(|(job, _)| Held { id: job.id, generation: job.generation }).collect();
    if let Err(error) = release(&shared.pool, &held).await {
        tracing::warn!(error = %error, tasks = held.len(), "claims could not be given back; they run out");
    }
    for (job, _) in ahead.drain(..) {
        shared.running.remove(&job);
    }
}

async fn release(pool: &Pool, held: &[Held]) -> Result<(), StepError> {
    if !held.is_empty() {
        let mut conn = pool.get().await?;
        store::lease::release(&mut conn, held).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::room;

    #[test]
    fn work_is_claimed_ahead_only_while_there_is_more_than_there_are_workers() {
        for (free, ahead, more, wanted) in [
            (8, 0, false, 8),
            (0, 0, false, 0),
            (3, 0, true, 7),
            (0, 0, true, 4),
            (0, 2, true, 2),
            (0, 3, true, 0),
            (1, 2, true, 3),
            // Left from before, when there was more.
            (0, 1, false, 0),
            (2, 1, false, 1),
        ] {
            assert_eq!(room(8, free, ahead, more), wanted, "{free} {ahead} {more}");
        }
    }
}
