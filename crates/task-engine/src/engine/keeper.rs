//! Knows what is claimed: extends all leases in one statement, drops a step whose lease is lost, passes on requests to
//! cancel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Shared;
use crate::store::claim::Job;
use crate::store::lease::{self, Held};

/// The claims of this engine.
#[derive(Default)]
pub(crate) struct Running {
    claims: Mutex<HashMap<Uuid, Claim>>,
    /// Look now rather than at the next turn: somebody asked to cancel.
    pub look: Notify,
}

struct Claim {
    generation: i64,
    /// When the lease ends at the earliest.
    until: Instant,
    signals: Signals,
}

/// How a worker hears about its claim.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// The claim is somebody else's, or may be any moment: stop, save nothing.
    pub lost: CancellationToken,
    /// Somebody asked to cancel.
    pub cancel: CancellationToken,
}

impl Running {
    pub(crate) fn add(&self, job: &Job, until: Instant) {
        let signals = Signals::default();
        if job.cancel_requested {
            signals.cancel.cancel();
        }
        self.lock().insert(job.id, Claim { generation: job.generation, until, signals });
    }

    pub(crate) fn remove(&self, job: &Job) {
        let mut claims = self.lock();
        // A task that was lost may have been claimed anew by this very engine.
        if claims.get(&job.id).is_some_and(|claim| claim.generation == job.generation) {
            claims.remove(&job.id);
        }
    }

    pub(crate) fn signals(&self, job: &Job) -> Signals {
        match self.lock().get(&job.id) {
            Some(claim) if claim.generation == job.generation => claim.signals.clone(),
            _ => {
                let signals = Signals::default();
                signals.lost.cancel();
                signals
            }
        }
    }

    pub(crate) fn held(&self) -> Vec<Held> {
        self.lock().iter().map(|(id, claim)| Held { id: *id, generation: claim.generation }).collect()
    }

    fn extended(&self, asked: &[Held], kept: &[lease::Kept], until: Instant) {
        let mut claims = self.lock();
        for held in asked {
            let Some(claim) = claims.get_mut(&held.id).filter(|claim| claim.generation == held.generation) else {
                continue;
            };
            match kept.iter().find(|kept| kept.id == held.id) {
                Some(kept) if kept.ours => {
                    if kept.extended {
                        claim.until = until;
                    }
                    if kept.cancel_requested {
                        claim.signals.cancel.cancel();
                    }
                }
                _ => claim.signals.lost.cancel(),
            }
        }
    }

    fn drop_expired(&self, now: Instant) {
        for (id, claim) in self.lock().iter().filter(|(_, claim)| claim.until <= now) {
            if !claim.signals.lost.is_cancelled() {
                tracing::warn!(task = %id, "the lease ran out before it could be extended; its step is dropped");
                claim.signals.lost.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until dropped.
pub(crate) async fn run<E: Send + Sync + 'static>(shared: Arc<Shared<E>>) {
    let lease = shared.tuning.lease;
    let mut turns = tokio::time::interval(lease / 6);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut turn, mut troubled) = (0u32, false);
    loop {
        let asked = tokio::select! {
            _ = turns.tick() => false,
            () = shared.running.look.notified() => true,
        };
        turn = turn.wrapping_add(1);
        // A margin, so that we stop before another engine may begin.
        shared.running.drop_expired(Instant::now() + lease / 6);
        if asked || turn.is_multiple_of(2) || troubled {
            let held = shared.running.held();
            // The sweep is cheap, but it needs to run once among all engines, not often.
            let sweeps = turn.is_multiple_of(12);
            match tokio::time::timeout(lease / 6, extend(&shared, &held, sweeps)).await {
                Ok(Ok(())) => troubled = false,
                Ok(Err(error)) => {
                    if !std::mem::replace(&mut troubled, true) {
                        tracing::warn!(error = %error, tasks = held.len(), "leases could not be extended; trying again");
                    }
                }
                Err(_) => {
                    if !std::mem::replace(&mut troubled, true) {
                        tracing::warn!(tasks = held.len(), "leases could not be extended in time; trying again");
                    }
                }
            }
        }
    }
}

async fn extend<E>(shared: &Shared<E>, held: &[Held], sweeps: bool) -> Result<(), crate::StepError> {
    if held.is_empty() && !sweeps {
        return Ok(());
    }
    let mut conn = shared.pool.get().await?;
    if !held.is_empty() {
        let until = Instant::now() + shared.tuning.lease;
        let kept = lease::extend(&mut conn, held, shared.tuning.lease).await?;
        shared.running.extended(held, &kept, until);
    }
    if sweeps && !lease::sweep(&mut conn).await?.is_empty() {
        shared.waker.here();
    }
    Ok(())
}
