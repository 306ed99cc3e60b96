//! Gathers saves: whatever is to be saved while one statement is under way goes into the next, so that many tasks
//! share a commit. A save with effects has a transaction of its own and does not come here.

use tokio::sync::{Mutex, mpsc, oneshot};

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

pub(crate) struct Saves {
    requests: Mutex<mpsc::UnboundedReceiver<Request>>,
    /// Statements that end children change their parents' rows too: two of them at once could wait for each other.
    children: Mutex<()>,
}

pub(crate) fn channel() -> (Saver, Saves) {
    let (tx, rx) = mpsc::unbounded_channel();
    (Saver(tx), Saves { requests: Mutex::new(rx), children: Mutex::default() })
}

/// Enough for all workers of an engine to share one commit; more would delay the first for the last.
const AT_ONCE: usize = 128;

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

/// Runs until dropped.
pub(crate) async fn run(saves: Saves, pool: Pool) {
    futures::future::join_all((0..LANES).map(|_| lane(&saves, &pool))).await;
}

async fn lane(saves: &Saves, pool: &Pool) {
    let mut gathered = Vec::new();
    while saves.requests.lock().await.recv_many(&mut gathered, AT_ONCE).await > 0 {
        // A parent and its child must not be in one statement: see `save::save`.
        let (children, others): (Vec<_>, Vec<_>) = gathered.drain(..).partition(|request| request.change.ends_child());
        if !others.is_empty() {
            save_batch(pool, others).await;
        }
        if !children.is_empty() {
            let _alone = saves.children.lock().await;
            save_batch(pool, children).await;
        }
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
