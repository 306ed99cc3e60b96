//! What a step gets to know, and how it hands over database changes.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::row::{Failure, TaskRow};
use crate::store::claim::Job;
use crate::{Object, Pool, StepError};

pub(crate) type Effect =
    Box<dyn for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<(), StepError>> + Send>;

/// An async closure over a connection whose future may move between threads. Implemented by all that fit.
pub trait SaveFn<'c>:
    AsyncFnOnce(&'c mut AsyncPgConnection) -> Result<(), StepError>
    + FnOnce(&'c mut AsyncPgConnection) -> <Self as SaveFn<'c>>::Future
{
    type Future: Future<Output = Result<(), StepError>>;
}

impl<'c, F, Fut> SaveFn<'c> for F
where
    F: AsyncFnOnce(&'c mut AsyncPgConnection) -> Result<(), StepError> + FnOnce(&'c mut AsyncPgConnection) -> Fut,
    Fut: Future<Output = Result<(), StepError>>,
{
    type Future = Fut;
}

/// One step's view of its task.
pub struct TaskCx<'a, E> {
    pub(crate) env: &'a E,
    pub(crate) job: &'a Job,
    pub(crate) pool: &'a Pool,
    pub(crate) cause: Option<Failure>,
    /// Never locked by two; the lock lets a shared borrow of the whole live in a future that is sent.
    pub(crate) effects: Mutex<Vec<Effect>>,
    pub(crate) run_by: std::time::Instant,
}

impl<'a, E> TaskCx<'a, E> {
    /// What all steps of the engine share.
    pub fn env(&self) -> &'a E {
        self.env
    }

    /// The task's id.
    pub fn id(&self) -> Uuid {
        self.job.id
    }

    /// The same over all tries of one stage, new at the next. Saved before the step runs, so a request that carries it
    /// is never sent twice under two ids, and a report that quotes it is never unknown.
    pub fn operation(&self) -> Uuid {
        self.job.operation
    }

    /// Rises with each operation, of any task. A host refuses a lower one than it has seen for a guest.
    pub fn sequence(&self) -> i64 {
        self.job.sequence
    }

    /// How often this stage was begun, this time included; 1 at first.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.job.attempts).unwrap_or(1)
    }

    /// What was reported for the operation, if anything was.
    pub fn outcome(&self) -> Option<&'a Value> {
        self.job.outcome.as_ref()
    }

    /// The same, decoded; what does not decode is a permanent error.
    pub fn outcome_as<T: DeserializeOwned>(&self) -> Result<Option<T>, StepError> {
        self.outcome().map(T::deserialize).transpose().map_err(|error| {
            StepError::permanent(format_args!("the reported outcome does not decode: {error}")).with_code("bad_outcome")
        })
    }

    /// When the present stage began, by the database's clock.
    pub fn stage_started(&self) -> DateTime<Utc> {
        self.job.stage_started
    }

    /// When it must have ended, by the database's clock.
    pub fn deadline(&self) -> DateTime<Utc> {
        self.job.stage_deadline
    }

    /// The time this run of the step may still take; then it is dropped. For the deadlines of requests.
    pub fn time_left(&self) -> Duration {
        self.run_by.saturating_duration_since(std::time::Instant::now())
    }

    /// Somebody asked to cancel. Only of interest to stages that do not say `cancellable`, and do so by hand.
    pub fn cancel_requested(&self) -> bool {
        self.job.cancel_requested
    }

    /// The first failure, while the task is on its way back.
    pub fn cause(&self) -> Option<&Failure> {
        self.cause.as_ref()
    }

    /// What the task is about.
    pub fn object(&self) -> Option<Object> {
        Some(Object { kind: self.job.obj_type.clone()?, id: self.job.obj_id? })
    }

    pub fn parent(&self) -> Option<Uuid> {
        self.job.parent_id
    }

    /// The request that started the task.
    pub fn request_id(&self) -> Option<&'a str> {
        self.job.request_id.as_deref()
    }

    /// Who started it, as given to [`crate::Start::by`].
    pub fn created_by(&self) -> Option<&'a Value> {
        self.job.created_by.as_ref()
    }

    pub fn created_at(&self) -> DateTime<Utc> {
        self.job.created_at
    }

    /// Database changes that belong to this step: they commit together with its save, and vanish with it if the step
    /// fails, is dropped, or its lease was lost. Run in the order given, in one transaction, only after the step
    /// returned `Ok`.
    ///
    /// ```ignore
    /// cx.on_save(async move |conn| Ok(guests::set_status(conn, guest, GuestStatus::Rescue).await?));
    /// ```
    pub fn on_save<F>(&mut self, change: F)
    where
        F: for<'c> SaveFn<'c, Future: Send> + Send + 'static,
    {
        let effects = self.effects.get_mut().unwrap_or_else(PoisonError::into_inner);
        effects.push(Box::new(move |conn| Box::pin(change(conn))));
    }

    /// The task's children, oldest first.
    pub async fn children(&self) -> Result<Vec<TaskRow>, StepError> {
        use crate::schema::tasks::dsl;
        let mut conn = self.pool.get().await?;
        Ok(dsl::tasks
            .filter(dsl::parent_id.eq(self.job.id))
            .order((dsl::created_at, dsl::id))
            .select(TaskRow::as_select())
            .load(&mut conn)
            .await?)
    }
}
