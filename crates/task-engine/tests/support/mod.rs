//! A task whose steps are given by each test, and a database of its own for it.
#![allow(dead_code)] // Each test program uses a part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Text};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures::future::BoxFuture;
use pg_cluster::{TestDatabase, TestServer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use task_engine::{
    Builder, Child, Engine, Failure, Handle, Next, Pool, Spawned, Start, StepError, Task, TaskCx, TaskRow, Tuning,
};
use uuid::Uuid;

pub const LIMIT: Duration = Duration::from_secs(30);

/// Two legs there, two back.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    #[default]
    First,
    Second,
    Third {
        with: u32,
    },
    Last,
    Undo,
    UndoMore,
}

pub fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::First => "first",
        Stage::Second => "second",
        Stage::Third { .. } => "third",
        Stage::Last => "last",
        Stage::Undo => "undo",
        Stage::UndoMore => "undo_more",
    }
}

/// One run of a step.
#[derive(Debug, Clone)]
pub struct Call {
    pub task: Uuid,
    pub label: String,
    pub stage: Stage,
    /// It was `failed`, with this.
    pub failing: Option<StepError>,
    pub operation: Uuid,
    pub sequence: i64,
    pub attempt: u32,
    pub outcome: Option<Value>,
    pub cause: Option<Failure>,
    pub cancel_requested: bool,
    pub children: Vec<TaskRow>,
}

impl Call {
    /// `second`, or `failed(second)`.
    pub fn step(&self) -> String {
        if self.failing.is_some() { format!("failed({})", name(&self.stage)) } else { name(&self.stage).into() }
    }
}

pub type Reply = Result<Next<Stage>, StepError>;
pub type Script = Arc<dyn Fn(Call) -> BoxFuture<'static, Reply> + Send + Sync>;

#[derive(Clone)]
pub struct World {
    pub calls: Arc<Mutex<Vec<Call>>>,
    pub script: Script,
}

impl World {
    pub fn new<F, Fut>(script: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self { calls: Arc::default(), script: Arc::new(move |call| Box::pin(script(call))) }
    }

    /// All stages one after the other.
    pub fn plain() -> Self {
        Self::new(|call| async move { along(&call) })
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub fn steps(&self) -> Vec<String> {
        self.calls().iter().map(Call::step).collect()
    }

    pub async fn called(&self, step: &str, times: usize) {
        until(&format!("{step} runs {times} times"), || self.steps().iter().filter(|s| *s == step).count() >= times)
            .await;
    }
}

/// What comes next when nothing goes wrong.
pub fn along(call: &Call) -> Reply {
    Ok(match (&call.failing, &call.stage) {
        (Some(_), Stage::Undo | Stage::UndoMore) => Next::done("stuck"),
        (Some(_), _) => Next::go(Stage::Undo),
        (None, Stage::First) => Next::go(Stage::Second),
        (None, Stage::Second) => Next::go(Stage::Third { with: 3 }),
        (None, Stage::Third { .. }) => Next::go(Stage::Last),
        (None, Stage::Last) => Next::done("there"),
        (None, Stage::Undo) => Next::go(Stage::UndoMore),
        (None, Stage::UndoMore) => Next::done("back"),
    })
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trip {
    pub label: String,
}

impl Task for Trip {
    const NAME: &'static str = "Trip";
    type Env = World;
    type Stage = Stage;

    async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, World>) -> Reply {
        run(self, stage, None, cx).await
    }

    async fn failed(&self, at: Stage, cause: &StepError, cx: &mut TaskCx<'_, World>) -> Reply {
        run(self, at, Some(cause.clone()), cx).await
    }

    fn limit(_: &Stage) -> Duration {
        Duration::from_secs(60)
    }

    fn cancellable(stage: &Stage) -> bool {
        matches!(stage, Stage::First | Stage::Second | Stage::Undo)
    }
}

/// Every step leaves a row in `effects`, which must be there exactly once per saved step.
async fn run(trip: &Trip, stage: Stage, failing: Option<StepError>, cx: &mut TaskCx<'_, World>) -> Reply {
    let call = Call {
        task: cx.id(),
        label: trip.label.clone(),
        stage,
        failing,
        operation: cx.operation(),
        sequence: cx.sequence(),
        attempt: cx.attempt(),
        outcome: cx.outcome().cloned(),
        cause: cx.cause().cloned(),
        cancel_requested: cx.cancel_requested(),
        children: cx.children().await?,
    };
    let (task, step) = (call.task, call.step());
    let reply = (cx.env().script)(call.clone());
    cx.env().calls.lock().unwrap().push(call);
    let next = reply.await?;
    cx.on_save(async move |conn| effect(conn, task, &step).await);
    Ok(next)
}

pub async fn effect(conn: &mut AsyncPgConnection, task: Uuid, step: &str) -> Result<(), StepError> {
    diesel::sql_query("INSERT INTO effects (task, step) VALUES ($1, $2)")
        .bind::<diesel::sql_types::Uuid, _>(task)
        .bind::<Text, _>(step)
        .execute(conn)
        .await?;
    Ok(())
}

/// Another type of task on the same world, without effects, with the engine's own way back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Errand {
    pub label: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum Only {
    #[default]
    One,
}

impl Task for Errand {
    const NAME: &'static str = "Errand";
    type Env = World;
    type Stage = Only;
    async fn step(&self, _: Only, cx: &mut TaskCx<'_, World>) -> Result<Next<Only>, StepError> {
        match self.label.as_str() {
            "fails" => Err(StepError::permanent("as told").with_code("told")),
            label => Ok(Next::done((label, cx.attempt()))),
        }
    }
}

pub struct Db {
    pub database: TestDatabase,
    pub pool: Pool,
}

/// The template is made once per server.
pub async fn database() -> Db {
    let server = TestServer::shared();
    let mut digest = 0u64;
    for byte in include_bytes!("../../migrations/0000000000000100_tasks/up.sql") {
        digest = digest.wrapping_mul(31).wrapping_add(u64::from(*byte));
    }
    let template = format!("task_engine_{digest:x}");
    let handle = tokio::runtime::Handle::current();
    let database = tokio::task::spawn_blocking(move || {
        server
            .template(&template, |url| {
                handle.block_on(async {
                    task_engine::migrate(url).await.map_err(anyhow::Error::from)?;
                    effects_table(url).await
                })
            })
            .unwrap();
        server.database(Some(&template)).unwrap()
    })
    .await
    .unwrap();
    Db { pool: pool(database.url()), database }
}

pub async fn effects_table(url: &str) -> anyhow::Result<()> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    diesel::sql_query("CREATE TABLE effects (task uuid NOT NULL, step text NOT NULL, at timestamptz DEFAULT now())")
        .execute(&mut conn)
        .await?;
    Ok(())
}

pub fn pool(url: &str) -> Pool {
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| Box::pin(task_engine::connect(url)));
    Pool::builder(AsyncDieselConnectionManager::new_with_config(url, config))
        .max_size(8)
        .runtime(deadpool::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(10)))
        .build()
        .unwrap()
}

impl Db {
    pub fn url(&self) -> &str {
        self.database.url()
    }

    /// With fast times and both task types.
    pub fn builder(&self, world: &World) -> Builder<World> {
        // A pool per engine: engines are processes elsewhere.
        Engine::builder(pool(self.url()), self.url(), Arc::new(world.clone()))
            .tuning(Tuning::for_tests())
            .register::<Trip>()
            .unwrap()
            .register::<Errand>()
            .unwrap()
    }

    pub fn engine(&self, world: &World) -> Handle {
        self.builder(world).start()
    }

    pub async fn spawn(&self, label: &str) -> Uuid {
        self.start(label, Start::new()).await.id
    }

    pub async fn start(&self, label: &str, start: Start) -> Spawned {
        let mut conn = self.pool.get().await.unwrap();
        let spawned = task_engine::spawn(&mut conn, &trip(label), start).await.unwrap();
        task_engine::wake(&mut conn).await.unwrap();
        spawned
    }

    pub async fn report(&self, operation: Uuid, outcome: Value) -> bool {
        let mut conn = self.pool.get().await.unwrap();
        let taken = task_engine::report(&mut conn, operation, outcome).await.unwrap();
        task_engine::wake(&mut conn).await.unwrap();
        taken
    }

    pub async fn ended(&self, id: Uuid) -> TaskRow {
        task_engine::testing::wait_ended(&self.pool, id, LIMIT).await
    }

    pub async fn wait_for(&self, id: Uuid, condition: impl Fn(&TaskRow) -> bool) -> TaskRow {
        task_engine::testing::wait_for(&self.pool, id, LIMIT, condition).await
    }

    pub async fn sql(&self, statement: &str) {
        let mut conn = self.pool.get().await.unwrap();
        diesel::sql_query(statement).execute(&mut conn).await.expect(statement);
    }

    /// How often each step of a task was committed.
    pub async fn effects(&self, task: Uuid) -> BTreeMap<String, i64> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            step: String,
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let mut conn = self.pool.get().await.unwrap();
        diesel::sql_query("SELECT step, count(*) AS n FROM effects WHERE task = $1 GROUP BY step")
            .bind::<diesel::sql_types::Uuid, _>(task)
            .load::<Row>(&mut conn)
            .await
            .unwrap()
            .into_iter()
            .map(|row| (row.step, row.n))
            .collect()
    }

    /// No task of the test is left alive.
    pub async fn all_ended(&self) {
        let mut conn = self.pool.get().await.unwrap();
        use diesel::{ExpressionMethods, QueryDsl};
        use task_engine::schema::tasks::dsl;
        let open: Vec<(Uuid, String, String)> = dsl::tasks
            .filter(dsl::ended_at.is_null())
            .select((dsl::id, dsl::state, dsl::stage_name))
            .load(&mut conn)
            .await
            .unwrap();
        assert_eq!(open, []);
    }
}

pub fn trip(label: &str) -> Trip {
    Trip { label: label.into() }
}

pub fn child(label: &str, start: Start) -> Child {
    Child::new(&trip(label), start).unwrap()
}

pub fn once(steps: &[&str]) -> BTreeMap<String, i64> {
    steps.iter().map(|step| ((*step).to_owned(), 1)).collect()
}

/// The stages in a task's history.
pub fn history(row: &TaskRow) -> Vec<String> {
    row.history().into_iter().map(|past| past.stage).collect()
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
