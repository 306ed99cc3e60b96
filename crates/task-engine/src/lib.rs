//! Durable staged tasks on Postgres: work that survives the end of any process at any moment, and ends once.
//!
//! A task is a serialisable struct; its [stages](Task::Stage) are an enum; [`Task::step`] does one stage and says what
//! is [`Next`]. The stage is saved before it runs, so after a crash it runs again: **every arm may run twice.** Whoever
//! has failed for good goes back by [`Task::failed`], which leads to ordinary saved stages too.
//!
//! Reading order: `task` (what a task is), `cx` (what a step gets), `spawn` and `store::report` (what the world tells the
//! engine), `decide` (what follows from a step: pure), `store` (the SQL), `engine` (who runs it all), `testing`.
//!
//! ```
//! use std::time::Duration;
//! use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
//! use serde::{Deserialize, Serialize};
//! use task_engine::{Next, StepError, Task, TaskCx};
//! use uuid::Uuid;
//!
//! #[derive(Serialize, Deserialize)]
//! struct StopTask { guest: Uuid }
//!
//! #[derive(Serialize, Deserialize, Default, Clone, Debug)]
//! #[serde(rename_all = "snake_case")]
//! enum Stage { #[default] StopServer, WaitOff { polite: bool }, RestorePower }
//!
//! /// What all steps share: here a way to talk to hosts.
//! struct Env { hosts: Hosts }
//!
//! impl Task for StopTask {
//!     const NAME: &'static str = "StopTask";
//!     type Env = Env;
//!     type Stage = Stage;
//!
//!     async fn step(&self, stage: Stage, cx: &mut TaskCx<'_, Env>) -> Result<Next<Stage>, StepError> {
//!         let guest = self.guest;
//!         match stage {
//!             // Asks for something that takes a while. Runs again every few seconds, and at once when
//!             // `task_engine::report(conn, operation, outcome)` was called.
//!             Stage::StopServer => match cx.outcome_as::<Stopped>()? {
//!                 Some(stopped) => Ok(Next::go(Stage::WaitOff { polite: stopped.polite })),
//!                 None => {
//!                     cx.env().hosts.stop(guest, cx.operation(), cx.sequence()).await?; // the host ignores repeats
//!                     Ok(Next::wait(Stage::StopServer, Duration::from_secs(90)))
//!                 }
//!             },
//!             // A database change that commits together with the end of the task.
//!             Stage::WaitOff { polite } => {
//!                 cx.on_save(async move |conn| Ok(set_status(conn, guest, "ready").await?));
//!                 Ok(Next::done(serde_json::json!({ "polite": polite })))
//!             }
//!             // A stage of the way back: ordinary, saved, may fail and wait like all others.
//!             Stage::RestorePower => {
//!                 let why = cx.cause().map(|cause| cause.error.to_string());
//!                 cx.on_save(async move |conn| Ok(set_status(conn, guest, "stop_failed").await?));
//!                 Ok(Next::done(why)) // ends as `failed`, for the task has a cause
//!             }
//!         }
//!     }
//!
//!     async fn failed(&self, at: Stage, _: &StepError, cx: &mut TaskCx<'_, Env>) -> Result<Next<Stage>, StepError> {
//!         let guest = self.guest;
//!         match at {
//!             Stage::StopServer | Stage::WaitOff { .. } => Ok(Next::go(Stage::RestorePower)),
//!             Stage::RestorePower => { // the way back itself failed: name it and end
//!                 cx.on_save(async move |conn| Ok(set_status(conn, guest, "unknown").await?));
//!                 Ok(Next::done(()))
//!             }
//!         }
//!     }
//!
//!     fn limit(stage: &Stage) -> Duration {
//!         match stage {
//!             Stage::StopServer => Duration::from_secs(120),
//!             Stage::WaitOff { .. } | Stage::RestorePower => Duration::from_secs(60),
//!         }
//!     }
//!     fn cancellable(stage: &Stage) -> bool {
//!         matches!(stage, Stage::StopServer)
//!     }
//! }
//!
//! /// One transaction: the guest's status, the task, an event.
//! async fn perform(conn: &mut AsyncPgConnection, guest: Uuid) -> Result<Uuid, task_engine::SpawnError> {
//!     conn.transaction(async |conn| {
//!         set_status(conn, guest, "stopping").await?;
//!         let start = task_engine::Start::new().holding("guest", guest).request("req-1");
//!         let task = task_engine::spawn(conn, &StopTask { guest }, start).await?; // or SpawnError::Busy
//!         Ok(task.id)
//!     })
//!     .await
//! }
//!
//! async fn run(pool: task_engine::Pool, url: &str, env: Env) -> Result<(), Box<dyn std::error::Error>> {
//!     task_engine::migrate(url).await?;
//!     let engine = task_engine::Engine::builder(pool, url, env.into()).register::<StopTask>()?.workers(64).start();
//!     tokio::signal::ctrl_c().await?;
//!     engine.shutdown(Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! # #[derive(Deserialize)] struct Stopped { polite: bool }
//! # struct Hosts;
//! # impl Hosts {
//! #     async fn stop(&self, _: Uuid, _: Uuid, _: i64) -> Result<(), StepError> { Ok(()) }
//! # }
//! # async fn set_status(conn: &mut AsyncPgConnection, guest: Uuid, to: &'static str) -> diesel::QueryResult<()> {
//! #     diesel::sql_query(format!("UPDATE guests SET status = '{to}' WHERE id = '{guest}'")).execute(conn).await.map(drop)
//! # }
//! ```
//!
//! # What a host needs to do
//! Keep the outcome of each operation by its id and answer a repeated request with it; refuse a sequence lower than the
//! highest it has seen for the guest; report outcomes until the report is acknowledged, whatever the answer says.
//!
//! # What ends how
//! | the step says | the row |
//! |---|---|
//! | `go`, `done` | saved with its effects in one commit; `go` continues in the same claim |
//! | `wait` | due again when the outcome is reported, at the deadline, and every few seconds |
//! | `join` | due again when the last child has ended |
//! | transient error | same stage, same operation, after a growing pause; at the deadline it is permanent |
//! | permanent error, panic, deadline, cancelled | cause saved, then `failed`; ends as `failed` or `cancelled` |
//! | its saved form does not decode; `failed` fails | `blocked`: keeps its hold until [`retry`] or [`abandon`] |

mod connect;
mod cx;
mod decide;
mod engine;
mod error;
mod json;
mod migrate;
mod operation;
mod row;
pub mod schema;
mod spawn;
mod store;
mod task;
pub mod testing;
mod tuning;
mod waker;

pub use connect::connect;
pub use cx::{SaveFn, TaskCx};
pub use engine::{Builder, Connect, Engine, Handle, RegisterError, SpanOf, Step};
pub use error::{ErrorKind, StepError, is_transient};
pub use migrate::{MIGRATIONS, MigrateError, migrate};
pub use operation::tasks_of;
pub use row::{Failure, LastError, Past, State, TaskRow};
pub use spawn::{Busy, Object, SpawnError, Spawned, Start, holder, last_ended, spawn};
pub use store::admin::{AdminError, abandon, archive, cancel, get, retry};
pub use store::report::{Report, report, report_all};
pub use task::{Child, DEFAULT_LIMIT, Next, Task};
pub use tuning::Tuning;
pub use waker::{Waker, wake};

/// The pool that the engine works with.
pub type Pool = diesel_async::pooled_connection::deadpool::Pool<diesel_async::AsyncPgConnection>;
