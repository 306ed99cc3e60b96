//! Our own entry of the race: a task of four stages, each with a remote call of 5 ms. Called as the drivers of others are; see `race.mjs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde::{Deserialize, Serialize};
use task_engine::{Engine, Next, Pool, Start, StepError, Task, TaskCx};
use tokio::sync::{Notify, oneshot};

use crate::server::number;
use bench_report::numbers::{millis, percentile};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Phase {
    /// Makes the tables and puts in all tasks.
    Setup,
    /// Works on them, and prints what it took.
    Run,
}

#[derive(Serialize, Deserialize)]
struct Rescue {
    number: usize,
}

#[derive(Serialize, Deserialize, Default, Clone, Copy, Debug)]
enum Stage {
    #[default]
    Prepare,
    StopServer,
    StartServer,
    AwaitReady,
}

/// Stands for another machine that answers after 5 ms. tokio's clock would round that up to six.
struct Remote(std::sync::mpsc::Sender<(Instant, oneshot::Sender<()>)>);

impl Remote {
    fn start() -> Self {
        let (tx, rx) = std::sync::mpsc::channel::<(Instant, oneshot::Sender<()>)>();
        // All take equally long, so they end in the order in which they began.
        std::thread::spawn(move || {
            while let Ok((due, answer)) = rx.recv() {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let _ = answer.send(());
            }
        });
        Self(tx)
    }

    async fn call(&self) {
        let (answer, answered) = oneshot::channel();
        if self.0.send((Instant::now() + Duration::from_millis(5), answer)).is_ok() {
            let _ = answered.await;
        }
    }
}

struct Times {
    remote: Remote,
    of: Mutex<Clock>,
    tasks: usize,
    all_ended: Notify,
}

#[derive(Default)]
struct Clock {
    begun: HashMap<usize, Instant>,
    /// Milliseconds, of those that are through their last stage.
    took: HashMap<usize, f64>,
}

impl Times {
    fn lock(&self) -> std::sync::MutexGuard<'_, Clock> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Rescue {
    const NAME: &'static str = "Rescue";
    type Env = Times;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, Times>) -> Result<Next<Stage>, StepError> {
        cx.env().lock().begun.entry(self.number).or_insert_with(Instant::now);
        cx.env().remote.call().await;
        Ok(match stage {
            Stage::Prepare => Next::go(Stage::StopServer),
            Stage::StopServer => Next::go(Stage::StartServer),
            Stage::StartServer => Next::go(Stage::AwaitReady),
            Stage::AwaitReady => {
                let mut times = cx.env().lock();
                let took = millis(times.begun[&self.number].elapsed());
                times.took.entry(self.number).or_insert(took);
                if times.took.len() == cx.env().tasks {
                    cx.env().all_ended.notify_one();
                }
                Next::done(())
            }
        })
    }
}

/// # Errors
/// The environment lacks `DATABASE_URL`, `TASKS` or `AT_ONCE`; or as Postgres reports them.
pub async fn run(phase: Phase) -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL")?;
    let tasks: usize = std::env::var("TASKS")?.parse()?;
    match phase {
        Phase::Setup => setup(&url, tasks).await,
        Phase::Run => work(&url, tasks, std::env::var("AT_ONCE")?.parse()?).await,
    }
}

async fn setup(url: &str, tasks: usize) -> anyhow::Result<()> {
    task_engine::migrate(url).await?;
    let mut conn = AsyncPgConnection::establish(url).await?;
    conn.transaction(async |conn| {
        for number in 0..tasks {
            task_engine::spawn(conn, &Rescue { number }, Start::new()).await?;
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
}

async fn work(url: &str, tasks: usize, at_once: usize) -> anyhow::Result<()> {
    let mut config = ManagerConfig::<AsyncPgConnection>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| Box::pin(task_engine::connect(url)));
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    let pool = Pool::builder(manager).max_size(8).build()?;
    let times = Arc::new(Times { remote: Remote::start(), of: Mutex::default(), tasks, all_ended: Notify::new() });
    let mut probe = AsyncPgConnection::establish(url).await?;
    // The others connect before their clock starts, too.
    drop(futures::future::try_join_all((0..4).map(|_| pool.get())).await?);
    let begun = Instant::now();
    let engine = Engine::builder(pool, url, times.clone()).register::<Rescue>()?.workers(at_once).start();
    times.all_ended.notified().await;
    while number(&mut probe, "SELECT count(*) AS n FROM tasks WHERE ended_at IS NULL").await? > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    engine.shutdown(Duration::from_secs(10)).await;
    let took: Vec<f64> = times.lock().took.values().copied().collect();
    let line = serde_json::json!({
        "seconds": seconds, "p50_ms": percentile(&took, 0.5), "p99_ms": percentile(&took, 0.99),
    });
    println!("{line}");
    Ok(())
}
