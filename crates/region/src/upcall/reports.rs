//! Gathers reports: what comes in while some are being stored goes into the next statement, so that many hosts share a commit.

use task_engine::{Report, Waker};
use tokio::sync::{mpsc, oneshot};
use types::{HostId, OperationId};

use db::Pool;

/// What one statement may take; those who send more wait, and so do their hosts.
const AT_ONCE: usize = 256;

struct Request {
    host: HostId,
    operation: OperationId,
    outcome: serde_json::Value,
    /// Whether it was taken. Dropped if it could not be stored.
    answer: oneshot::Sender<bool>,
}

/// Where reports are handed in.
#[derive(Clone)]
pub struct Reports(mpsc::Sender<Request>);

/// The other end; [`Gathered::run`] stores.
pub struct Gathered(mpsc::Receiver<Request>);

#[must_use]
pub fn channel() -> (Reports, Gathered) {
    let (tx, rx) = mpsc::channel(4 * AT_ONCE);
    (Reports(tx), Gathered(rx))
}

impl Reports {
    /// Whether somebody waited for it; `None`: it could not be stored, and should come again.
    pub async fn store(&self, host: HostId, operation: OperationId, outcome: serde_json::Value) -> Option<bool> {
        let (answer, verdict) = oneshot::channel();
        self.0.send(Request { host, operation, outcome, answer }).await.ok()?;
        verdict.await.ok()
    }
}

impl Gathered {
    /// Runs until all [`Reports`] are gone.
    pub async fn run(mut self, pool: Pool, waker: Waker) {
        let (mut requests, mut trouble) = (Vec::new(), false);
        while self.0.recv_many(&mut requests, AT_ONCE).await > 0 {
            match store(&pool, &requests).await {
                Ok(taken) => {
                    trouble = false;
                    if !taken.is_empty() {
                        waker.wake();
                    }
                    for request in requests.drain(..) {
                        // A host that hung up reports again.
                        let _ = request.answer.send(taken.contains(&request.operation));
                    }
                }
                Err(error) => {
                    // Hosts report until they are heard: one line says that it began.
                    if !std::mem::replace(&mut trouble, true) {
                        tracing::error!(%error, "reports can't be stored; their hosts send them again");
                    }
                    requests.clear();
                }
            }
        }
    }
}

async fn store(
    pool: &Pool,
    requests: &[Request],
) -> Result<Vec<OperationId>, Box<dyn std::error::Error + Send + Sync>> {
    let mut conn = pool.get().await?;
    let reported: Vec<_> = requests.iter().map(|r| (r.operation, r.host)).collect();
    let wanted = db::guest::operations_on(&mut conn, &reported).await?;
    let reports: Vec<_> = requests
        .iter()
        .filter(|r| wanted.contains(&r.operation))
        .map(|r| Report::new(r.operation.uuid(), r.outcome.clone()))
        .collect();
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let taken = task_engine::report_all(&mut conn, &reports).await?;
    Ok(taken.into_iter().map(OperationId::from_uuid).collect())
}
