//! Connections to Postgres.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};

pub type Pool = deadpool::Pool<AsyncPgConnection>;
pub type PoolError = deadpool::PoolError;

/// A pool of at most `size` connections, made when they are wanted. Waiting for one ends after 10 s with an error.
///
/// # Errors
/// A configuration that the pool refuses; an absent server shows at first use.
pub fn connect(url: &str, size: usize) -> Result<Pool, ::deadpool::managed::BuildError> {
    // A lost connection shows at the next query, which is retried or told as 503: asking first would cost every request a round trip.
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    deadpool::Pool::builder(manager)
        .max_size(size)
        .runtime(::deadpool::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(10)))
        .create_timeout(Some(Duration::from_secs(10)))
        .recycle_timeout(Some(Duration::from_secs(10)))
        .build()
}
