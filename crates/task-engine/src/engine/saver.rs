//! Gathers saves: whatever is to be saved while one statement is under way goes into the next, so that many tasks
//! share a commit; where that is much, a second statement begins beside the first. A save with effects has a transaction of its own and does not come here.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use crate::store::save::{self, Change, Saved};
use crate::{Pool, StepError};

/// `None`: the claim was lost, nothing was saved.
pub(crate) type Verdict = Result<Option<Saved>, StepError>;

struct Request {
    change: Change,
    answer: oneshot::Sender<Verdict>,
}

#[derive(Clone)]
pub(crate) struct Saver(mpsc::UnboundedSender<Request>);

pub(crate) struct Saves(mpsc::UnboundedReceiver<Request>);

pub(crate) fn channel() -> (Saver, Saves) {
    let (tx, rx) = mpsc::unbounded_channel();
    (Saver(tx), Saves(rx))
}

/// What one statement saves at most: more would delay the first for the last.
const AT_ONCE: usize = 64;

impl Saver {
    pub(crate) async fn save(&self, change: Change) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        let gone = || StepError::transient("the engine stops");
        self.0.send(Request { change, answer }).map_err(|_| gone())?;
        verdict.await.map_err(|_| gone())?
    }
}

/// While one commit waits for the disk, another statement uses the processor.
const LANES: usize = 2;

/// A statement and its commit cost about as much as so many rows: beside another, one begins for these only. Fewer wait for its end.
const ENOUGH: usize = 32;

/// What must not be in one statement: ending a child changes its parent's row too. See `save::save`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Child,
    Other,
}

impl Kind {
    fn other(self) -> Self {
        match self {
            Self::Child => Self::Other,
            Self::Other => Self::Child,
        }
    }
}

/// Runs until dropped.
pub(crate) async fn run(mut saves: Saves, pool: Pool) {
    let mut under_way: FuturesUnordered<BoxFuture<'_, Kind>> = FuturesUnordered::new();
    let (mut gathered, mut children, mut others) = (Vec::new(), Vec::new(), Vec::new());
    // Two statements that end children could wait for each other at their parents.
    let mut with_children = false;
    let mut last = Kind::Other;
    loop {
        // In turns, so that neither kind waits for the other forever.
        for kind in [last.other(), last] {
            let waiting = if kind == Kind::Child { &mut children } else { &mut others };
            if may_begin(waiting.len(), under_way.len()) && !(kind == Kind::Child && with_children) {
                let batch: Vec<Request> = waiting.drain(..waiting.len().min(AT_ONCE)).collect();
                let pool = &pool;
                under_way.push(Box::pin(async move {
                    save_batch(pool, batch).await;
                    kind
                }));
                with_children |= kind == Kind::Child;
                last = kind;
            }
        }
        tokio::select! {
            Some(kind) = under_way.next() => with_children &= kind != Kind::Child,
            received = saves.0.recv_many(&mut gathered, AT_ONCE) => {
                if received == 0 {
                    return;
                }
                for request in gathered.drain(..) {
                    if request.change.ends_child() { &mut children } else { &mut others }.push(request);
                }
            }
        }
    }
}

fn may_begin(waiting: usize, under_way: usize) -> bool {
    match under_way {
        0 => waiting > 0,
        _ => waiting >= ENOUGH && under_way < LANES,
    }
}

async fn save_batch(pool: &Pool, batch: Vec<Request>) {
    let (changes, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|r| (r.change, r.answer)).unzip();
    match save_all(pool, &changes).await {
        Ok(saved) => {
            for (change, answer) in changes.iter().zip(answers) {
                // A receiver that is gone was dropped with its step.
                let _ = answer.send(Ok(saved.iter().find(|saved| saved.id == change.id).cloned()));
            }
        }
        Err(error) if changes.len() == 1 || error.is_transient() => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
        // One of them can't be stored. The others must not suffer for it.
        Err(_) => {
            for (change, answer) in changes.into_iter().zip(answers) {
                let saved = save_all(pool, std::slice::from_ref(&change)).await;
                let _ = answer.send(saved.map(|saved| saved.into_iter().next()));
            }
        }
    }
}

async fn save_all(pool: &Pool, changes: &[Change]) -> Result<Vec<Saved>, StepError> {
    let mut conn = pool.get().await?;
    Ok(save::save(&mut conn, changes).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wait_while_a_statement_is_under_way_and_many_do_not() {
        assert!(!may_begin(0, 0) && may_begin(1, 0));
        assert!(!may_begin(ENOUGH - 1, 1) && may_begin(ENOUGH, 1));
        assert!(!may_begin(10 * ENOUGH, LANES));
    }
}
