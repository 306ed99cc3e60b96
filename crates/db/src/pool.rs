//! Connections to Postgres.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, SetupCallback};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};

pub type Pool = deadpool::Pool<AsyncPgConnection>;
pub type PoolError = deadpool::PoolError;

/// Whoever is cut off in the middle of a transaction (a client that hangs up, a step that lost its lease) leaves a connection in the pool
/// that still holds its locks, until somebody happens to take it; a frozen process holds them for ever. So the server ends what is idle in a
/// transaction: no transaction of ours waits for anything but the server.
const IDLE_IN_TRANSACTION: &str = "SET idle_in_transaction_session_timeout = '5s'";

async fn establish(url: &str) -> ConnectionResult<AsyncPgConnection> {
    with_limit(AsyncPgConnection::establish(url).await?).await
}

async fn with_limit(mut conn: AsyncPgConnection) -> ConnectionResult<AsyncPgConnection> {
    conn.batch_execute(IDLE_IN_TRANSACTION).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// A pool of at most `size` connections, made when they are wanted. Waiting for one ends after 10 s with an error.
///
/// # Errors
/// A configuration that the pool refuses; an absent server shows at first use.
pub fn connect(url: &str, size: usize) -> Result<Pool, ::deadpool::managed::BuildError> {
    pool(url, size, Box::new(|url| Box::pin(establish(url))))
}

/// The same, for statements that find their rows by an index whatever the statistics say: the task engine's, and those of upcalls.
///
/// # Errors
/// As [`connect`].
pub fn connect_by_index(url: &str, size: usize) -> Result<Pool, ::deadpool::managed::BuildError> {
    pool(url, size, Box::new(|url| Box::pin(async move { with_limit(task_engine::connect(url).await?).await })))
}

fn pool(
    url: &str,
    size: usize,
    setup: SetupCallback<AsyncPgConnection>,
) -> Result<Pool, ::deadpool::managed::BuildError> {
    // A lost connection shows at the next query, which is retried or told as 503: asking first would cost every request a round trip.
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = setup;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    deadpool::Pool::builder(manager)
        .max_size(size)
        .runtime(::deadpool::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(10)))
        .create_timeout(Some(Duration::from_secs(10)))
        .recycle_timeout(Some(Duration::from_secs(10)))
        .build()
}
