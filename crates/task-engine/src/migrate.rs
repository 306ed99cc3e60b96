//! The tables of the engine.

use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

/// Versions begin with `00000000000001`. Whoever has migrations of their own runs these first, on the same database.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database can't be reached: {0}")]
    Connect(#[from] diesel::ConnectionError),
    #[error("the lock that serialises migrations could not be taken: {0}")]
    Lock(#[from] diesel::result::Error),
    #[error("the tables of the task engine could not be brought up to date: {0}")]
    Migrate(String),
}

/// Two processes that start at once would both see a migration as pending. Any number that nobody else locks.
const LOCK: i64 = 0x7461_736b_656e_6731;

/// Brings the tables up to date. Needs tokio's multi-thread runtime.
pub async fn migrate(url: &str) -> Result<(), MigrateError> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    // Held until the connection is closed, at the end of this function.
    diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(&mut conn).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    harness.run_pending_migrations(MIGRATIONS).map_err(|error| MigrateError::Migrate(error.to_string()))?;
    Ok(())
}
