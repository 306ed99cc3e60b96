//! Says that there may be work: to this process's engine at once, to those of others by NOTIFY.
//!
//! Not in the transaction that starts a task: Postgres lets one transaction with a NOTIFY commit at a time, fsync included, so that all
//! who start tasks would queue up. A notification of its own, after the commit, says "look now" for all that was committed before it; what
//! gets lost with a process is found by the next poll.

use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::Text;
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::sync::Notify;

use crate::{Pool, StepError};

/// Others are told this often at most.
const PAUSE: Duration = Duration::from_millis(20);

/// Handed to the engine by [`crate::Builder::waker`], and kept by those who start tasks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Signals>);

#[derive(Debug, Default)]
struct Signals {
    here: Notify,
    others: Notify,
}

impl Waker {
    /// Something was committed that an engine should look at. Wakes this process's, and soon all others.
    pub fn wake(&self) {
        self.here();
        self.0.others.notify_one();
    }

    /// The same for this process alone.
    pub(crate) fn here(&self) {
        self.0.here.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.0.here.notified().await;
    }

    /// Tells the others. Runs until dropped.
    pub(crate) async fn announce(self, pool: Pool) {
        loop {
            self.0.others.notified().await;
            let told = async {
                let mut conn = pool.get().await?;
                Ok::<_, StepError>(wake(&mut conn).await?)
            };
            if let Err(error) = told.await {
                tracing::debug!(%error, "other engines were not woken; they poll");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Wakes all engines: for processes that have none. To be called after the commit, outside a transaction.
///
/// # Errors
/// As Postgres reports them; then engines find the work by polling.
pub async fn wake(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Told {
        #[diesel(sql_type = Text)]
        #[allow(dead_code, reason = "there is nothing to read in it")]
        told: String,
    }
    // Nothing is written that a crash could take: it need not wait for the disk.
    let statement =
        "SELECT set_config('synchronous_commit', 'off', true) || pg_notify('task_engine_wake', '')::text AS told";
    diesel::sql_query(statement).get_result::<Told>(conn).await.map(drop)
}
