//! The Postgres that all measurements share: durable, in the temporary folder, gone with this process. And what it counts.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pg_cluster::{Cluster, Options, TestServer};

pub struct Server {
    cluster: Cluster,
}

/// Totals since the server started.
#[derive(Debug, Clone, Copy, diesel::QueryableByName)]
pub struct Counts {
    /// Of one database.
    #[diesel(sql_type = BigInt)]
    pub commits: i64,
    /// Bytes, of all.
    #[diesel(sql_type = BigInt)]
    pub wal: i64,
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Server {
    /// fsync and synchronous commit are on, as in production.
    ///
    /// # Errors
    /// Postgres is not installed, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let options =
            Options { durable: true, temporary: true, shared_buffers: 256, max_connections: 400, ..Options::default() };
        Ok(Self { cluster: TestServer::start_with(options).context("Postgres")? })
    }

    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// A connection that is in none of the databases that are measured.
    async fn outside(&self) -> anyhow::Result<AsyncPgConnection> {
        Ok(AsyncPgConnection::establish(&self.url("postgres")).await?)
    }

    /// A new database; one of that name is dropped.
    ///
    /// # Errors
    /// As Postgres reports them.
    pub async fn create(&self, name: &str) -> anyhow::Result<String> {
        let mut conn = self.outside().await?;
        conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        conn.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(name))
    }

    /// # Errors
    /// As Postgres reports them.
    pub async fn drop(&self, name: &str) -> anyhow::Result<()> {
        self.outside().await?.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        Ok(())
    }

    /// Begins a measurement: what was written before is on disk, so that it is not written during it.
    ///
    /// # Errors
    /// As Postgres reports them.
    pub async fn checkpoint(&self) -> anyhow::Result<()> {
        Ok(self.outside().await?.batch_execute("CHECKPOINT").await?)
    }

    /// What was counted until all clients of the database were gone: connections hand in their numbers when they end.
    ///
    /// # Errors
    /// Clients that stay.
    pub async fn counts(&self, database: &str) -> anyhow::Result<Counts> {
        let mut conn = self.outside().await?;
        let until = Instant::now() + Duration::from_secs(30);
        let clients = format!(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = '{database}' AND backend_type = 'client backend'"
        );
        while number(&mut conn, &clients).await? > 0 {
            if Instant::now() > until {
                bail!("connections to {database} stay open");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(diesel::sql_query(format!(
            "SELECT xact_commit AS commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal
             FROM pg_stat_database WHERE datname = '{database}'"
        ))
        .get_result(&mut conn)
        .await?)
    }
}

/// The `n` of a statement that gives one number.
///
/// # Errors
/// As Postgres reports them.
pub async fn number(conn: &mut AsyncPgConnection, sql: &str) -> anyhow::Result<i64> {
    Ok(diesel::sql_query(sql).get_result::<Number>(conn).await?.n)
}
