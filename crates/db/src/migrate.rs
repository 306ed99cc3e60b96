//! Brings a database up to date. Several processes may start at once: an advisory lock lets one of them work, the others find
//! nothing left to do.

use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number that no other user of the database takes for an advisory lock.
const LOCK: i64 = 0x4c69_6665_626f_6174;

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database does not answer: {0}")]
    Connect(#[from] diesel::ConnectionError),
    #[error("the migration lock could not be had: {0}")]
    Lock(#[from] diesel::result::Error),
    #[error("a migration failed: {0}")]
    Migration(String),
}

/// Runs what is missing, the engine's migrations first. Needs a multi-thread runtime.
///
/// # Errors
/// [`MigrateError`].
pub async fn run(url: &str) -> Result<(), MigrateError> {
    let mut lock = AsyncPgConnection::establish(url).await?;
    diesel::sql_query(format!("select pg_advisory_lock({LOCK})")).execute(&mut lock).await?;
    let url = url.to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let mut conn = <AsyncConnectionWrapper<AsyncPgConnection> as diesel::Connection>::establish(&url)?;
        for migrations in [task_engine::MIGRATIONS, MIGRATIONS] {
            let applied =
                conn.run_pending_migrations(migrations).map_err(|e| MigrateError::Migration(e.to_string()))?;
            for version in applied {
                tracing::info!(%version, "migrated");
            }
        }
        Ok(())
    })
    .await
    .unwrap_or_else(|e| Err(MigrateError::Migration(e.to_string())));
    // The lock goes with its connection in any case.
    drop(lock);
    done
}
