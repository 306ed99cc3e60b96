//! How fast tasks go: `pg-cluster exec -- cargo run --release -p task-engine --example throughput`. A durable server
//! tells more: `pg-cluster start DIR` and LIFEBOAT_TEST_PG. Prints one line of JSON.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Text};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pg_cluster::TestServer;
use serde::{Deserialize, Serialize};
use task_engine::{Engine, Next, Pool, Start, StepError, Task, TaskCx};

const TASKS: usize = 2000;
const AT_ONCE: usize = 200;

#[derive(Serialize, Deserialize)]
struct Four;

#[derive(Serialize, Deserialize, Default, Clone, Debug)]
enum Stage {
    #[default]
    One,
    Two,
    Three,
    Four,
}

impl Task for Four {
    const NAME: &'static str = "Four";
    type Env = ();
    type Stage = Stage;
    async fn step(&self, stage: Stage, _: &mut TaskCx<'_, ()>) -> Result<Next<Stage>, StepError> {
        Ok(match stage {
            Stage::One => Next::go(Stage::Two),
            Stage::Two => Next::go(Stage::Three),
            Stage::Three => Next::go(Stage::Four),
            Stage::Four => Next::done(()),
        })
    }
}

#[derive(diesel::QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    ended: i64,
    #[diesel(sql_type = BigInt)]
    commits: i64,
    #[diesel(sql_type = Text)]
    wal: String,
}

async fn counts(pool: &Pool) -> anyhow::Result<Counts> {
    let mut conn = pool.get().await?;
    Ok(diesel::sql_query(
        "SELECT (SELECT count(*) FROM tasks WHERE ended_at IS NOT NULL) AS ended,
                (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits,
                pg_current_wal_lsn()::text AS wal",
    )
    .get_result(&mut conn)
    .await?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = TestServer::shared();
    let url = server.create_database(None)?;
    task_engine::migrate(&url).await?;
    let mut config = ManagerConfig::<AsyncPgConnection>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| Box::pin(task_engine::connect(url)));
    let manager = AsyncDieselConnectionManager::new_with_config(&url, config);
    let pool = Pool::builder(manager).max_size(8).build()?;
    {
        let mut conn = pool.get().await?;
        for _ in 0..TASKS {
            task_engine::spawn(&mut conn, &Four, Start::new()).await?;
        }
    }
    let before = counts(&pool).await?;
    let begun = Instant::now();
    let engine = Engine::builder(pool.clone(), &url, Arc::new(())).register::<Four>()?.workers(AT_ONCE).start();
    while counts(&pool).await?.ended < TASKS as i64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    engine.shutdown(Duration::from_secs(10)).await;
    // The statistics arrive with the end of each connection's turn.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = counts(&pool).await?;
    println!(
        r#"{{"tasks":{TASKS},"seconds":{took:.2},"tasks_per_s":{:.0},"commits_per_task":{:.2},"wal":["{}","{}"]}}"#,
        TASKS as f64 / took,
        (after.commits - before.commits) as f64 / TASKS as f64,
        before.wal,
        after.wal
    );
    server.drop_database(&url)?;
    Ok(())
}
