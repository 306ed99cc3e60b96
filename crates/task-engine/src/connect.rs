//! Connections for the engine's pool.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};

use crate::store;

/// Each statement of the engine has one right plan: by an index, row by row. But the tables of a queue change faster than their statistics,
/// and a plan that was made for an empty table would read all of a full one.
const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET enable_sort = off; SET jit = off; SET plan_cache_mode = force_generic_plan";

/// Opens a connection whose plans do not depend on statistics: for the pool that is given to [`crate::Engine::builder`].
///
/// # Errors
/// As Postgres reports them.
pub async fn connect(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    conn.batch_execute(BY_INDEX).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    prepare(&mut conn).await;
    Ok(conn)
}

/// Has the statements that everything waits for planned before there is work. They are long, and are asked for nothing here; without the
/// tables of the engine it can wait.
async fn prepare(conn: &mut AsyncPgConnection) {
    if store::save::save(conn, &[]).await.is_ok() {
        let _ = store::claim::claim(conn, &[], 0, Duration::ZERO, "").await;
    }
}
