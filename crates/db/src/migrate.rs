//! Brings a database up to date, or waits until somebody has. Any number of processes may start at once: one that has an advisory lock works,
//! the others ask for it again and again. Nobody *waits* for the lock within a statement: a waiting session holds a snapshot, and a
//! `CREATE INDEX CONCURRENTLY` of the one who works would wait for that in turn.

use std::collections::HashSet;
use std::time::Duration;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::time::Instant;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Any number that no other user of the database takes for an advisory lock.
const LOCK: i64 = 0x4c69_6665_626f_6174;

/// Between two looks at the lock, or at what is missing.
const AGAIN: Duration = Duration::from_millis(500);

/// diesel's migrations know blocking connections only.
type Blocking = AsyncConnectionWrapper<AsyncPgConnection>;

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database does not answer: {0}")]
    Connect(#[from] diesel::ConnectionError),
    #[error("the database can't be asked what it lacks: {0}")]
    Ask(#[from] diesel::result::Error),
    #[error("a migration failed: {0}")]
    Migration(String),
    #[error(
        "another process has been migrating this database for {0:?}; look at it with: select pid, state, query from pg_stat_activity \
         where pid in (select pid from pg_locks where locktype = 'advisory' and granted)"
    )]
    Busy(Duration),
    #[error("the database lacks {missing} migrations after {after:?}, from {first} on; run: region --migrate only", missing = .missing.len(), first = .missing[0])]
    Behind { missing: Vec<String>, after: Duration },
}

/// Runs what is missing, the engine's migrations first; does nothing if nothing is. Needs a multi-thread runtime.
///
/// # Errors
/// [`MigrateError`]; `Busy` if somebody else is at it for longer than `patience`.
pub async fn run(url: &str, patience: Duration) -> Result<(), MigrateError> {
    if missing(url).await?.is_empty() {
        return Ok(());
    }
    let mut lock = AsyncPgConnection::establish(url).await?;
    let begun = Instant::now();
    let mut told = false;
    while !try_lock(&mut lock).await? {
        if begun.elapsed() >= patience {
            return Err(MigrateError::Busy(patience));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!("another process migrates the database; waiting for it");
        }
        tokio::time::sleep(AGAIN).await;
    }
    let url = url.to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let mut conn = <Blocking as diesel::Connection>::establish(&url)?;
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

/// Waits until nothing is missing. A database that is ahead of this program is good: migrations only add until no program needs what was.
///
/// # Errors
/// [`MigrateError`]; `Behind` if something is still missing after `patience`.
pub async fn wait(url: &str, patience: Duration) -> Result<(), MigrateError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        let missing = missing(url).await?;
        if missing.is_empty() {
            return Ok(());
        }
        if begun.elapsed() >= patience {
            return Err(MigrateError::Behind { missing, after: patience });
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!(?missing, "waiting for somebody to migrate the database: region --migrate only");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Names of the migrations that this program has and the database has not, in order.
///
/// # Errors
/// [`MigrateError::Connect`], [`MigrateError::Ask`].
pub async fn missing(url: &str) -> Result<Vec<String>, MigrateError> {
    #[derive(diesel::QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let mut conn = AsyncPgConnection::establish(url).await?;
    // diesel's own way of asking creates the table, which several at once can't.
    let table: There = diesel::sql_query("select to_regclass('__diesel_schema_migrations') is not null as yes")
        .get_result(&mut conn)
        .await?;
    let applied: Vec<Applied> = match table.yes {
        true => diesel::sql_query("select version from __diesel_schema_migrations").load(&mut conn).await?,
        false => Vec::new(),
    };
    let applied: HashSet<String> = applied.into_iter().map(|a| a.version).collect();
    let mut missing = Vec::new();
    for source in [task_engine::MIGRATIONS, MIGRATIONS] {
        let known = MigrationSource::<Pg>::migrations(&source).map_err(|e| MigrateError::Migration(e.to_string()))?;
        missing.extend(
            known
                .iter()
                .map(|m| m.name())
                .filter(|n| !applied.contains(&n.version().to_string()))
                .map(ToString::to_string),
        );
    }
    missing.sort();
    Ok(missing)
}

#[derive(diesel::QueryableByName)]
struct There {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

async fn try_lock(conn: &mut AsyncPgConnection) -> Result<bool, MigrateError> {
    let got: There = diesel::sql_query(format!("select pg_try_advisory_lock({LOCK}) as yes")).get_result(conn).await?;
    Ok(got.yes)
}
