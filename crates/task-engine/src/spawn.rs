//! Starting a task, inside the caller's transaction.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::row::Failure;
use crate::store::{self, Statement};
use crate::{StepError, Task, json};

/// What a task is about: a word for the kind, such as `guest`, and an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Object {
    pub kind: String,
    pub id: Uuid,
}

/// How a task is started. `Start::new().holding("guest", id).by(user)`.
#[derive(Debug, Clone, Default)]
pub struct Start {
    id: Option<Uuid>,
    object: Option<Object>,
    holds: bool,
    pub(crate) parent: Option<Uuid>,
    request_id: Option<String>,
    created_by: Option<Value>,
    delay: Duration,
}

impl Start {
    pub fn new() -> Self {
        Self::default()
    }

    /// The object the task is about; others may work on it too.
    pub fn about(mut self, kind: impl Into<String>, id: impl Into<Uuid>) -> Self {
        self.object = Some(Object { kind: kind.into(), id: id.into() });
        self
    }

    /// The object the task is about, which no other task may hold while this one lives.
    pub fn holding(self, kind: impl Into<String>, id: impl Into<Uuid>) -> Self {
        Self { holds: true, ..self.about(kind, id) }
    }

    /// A subtask: its parent's next `join` waits for it too, and on its parent's object it shares the parent's hold.
    pub fn parent(mut self, parent: impl Into<Uuid>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// The request that asks for the task.
    pub fn request(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Who asks for it: user, project, address, in a shape of the caller's.
    pub fn by(mut self, who: Value) -> Self {
        self.created_by = Some(who);
        self
    }

    /// An id chosen beforehand; otherwise a new one, ordered by time.
    pub fn id(mut self, id: impl Into<Uuid>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Not to be run before this time has passed.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A task that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spawned {
    pub id: Uuid,
    pub name: String,
    /// The name of its first stage.
    pub stage: String,
}

/// The live task that holds the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {} is busy with task {task} ({name}, at {stage})", object.kind, object.id)]
pub struct Busy {
    pub object: Object,
    pub task: Uuid,
    pub name: String,
    pub stage: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Nothing was changed, and the caller's transaction is still good.
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("the task can't be written as JSON: {0}")]
    Encode(String),
    #[error("the task could not be stored: {0}")]
    Database(#[from] diesel::result::Error),
}

impl From<SpawnError> for StepError {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Busy(busy) => StepError::permanent(busy).with_code("busy"),
            SpawnError::Encode(_) => StepError::permanent(error),
            SpawnError::Database(error) => error.into(),
        }
    }
}

/// Starts `task`. To be called in the transaction that changes what the task is about: it starts if that commits. After the commit call
/// [`crate::Waker::wake`]; without it the next poll finds the task.
pub async fn spawn<T: Task>(conn: &mut AsyncPgConnection, task: &T, start: Start) -> Result<Spawned, SpawnError> {
    let new = NewTask::of(task, start).map_err(|error| SpawnError::Encode(error.to_string()))?;
    insert(conn, &new).await
}

/// A task ready to be inserted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewTask {
    id: Uuid,
    name: &'static str,
    data: Value,
    stage: Value,
    stage_name: String,
    limit_ms: i64,
    delay_ms: i64,
    obj_type: Option<String>,
    obj_id: Option<Uuid>,
    holds: bool,
    parent_id: Option<Uuid>,
    request_id: Option<String>,
    created_by: Option<Value>,
    /// Set for one that is entered as failed.
    cause: Option<Failure>,
    /// See [`place`].
    traceparent: Option<String>,
}

impl NewTask {
    pub(crate) fn of<T: Task>(task: &T, start: Start) -> Result<Self, StepError> {
        let encode = |error: serde_json::Error| StepError::permanent(format_args!("{} as JSON: {error}", T::NAME));
        let first = T::Stage::default();
        let limit_ms = store::millis(T::limit(&first));
        let mut data = serde_json::to_value(task).map_err(encode)?;
        let mut stage = serde_json::to_value(first).map_err(encode)?;
        json::without_nul(&mut data);
        json::without_nul(&mut stage);
        let (obj_type, obj_id) = start.object.map(|object| (object.kind, object.id)).unzip();
        Ok(Self {
            id: start.id.unwrap_or_else(Uuid::now_v7),
            name: T::NAME,
            data,
            stage_name: json::variant(&stage).unwrap_or_default().to_owned(),
            stage,
            limit_ms,
            delay_ms: store::millis(start.delay),
            obj_type,
            obj_id,
            holds: start.holds,
            parent_id: start.parent,
            request_id: start.request_id,
            created_by: start.created_by.map(|mut who| {
                json::without_nul(&mut who);
                who
            }),
            cause: None,
            traceparent: place(T::NAME),
        })
    }

    pub(crate) fn with_parent(mut self, parent: Uuid) -> Self {
        self.parent_id = Some(parent);
        self
    }

    /// The same task as one that never ran, and failed.
    pub(crate) fn stillborn(mut self, error: StepError) -> Self {
        self.cause = Some(Failure { at: self.stage.clone(), at_name: self.stage_name.clone(), error });
        self
    }
}

/// Where in a trace a task is started: at the span that is current, a request's or that of a parent's step. Outside of any it begins one, so that
/// its steps are together.
fn place(name: &str) -> Option<String> {
    let place = trace::current().or_else(|| {
        let span = tracing::error_span!("start", otel.name = %format_args!("start {name}"));
        trace::of(&span)
    });
    place.map(|place| place.to_string())
}

/// Inserts without waking anybody.
pub(crate) async fn insert(conn: &mut AsyncPgConnection, new: &NewTask) -> Result<Spawned, SpawnError> {
    // The holder may end between the insert and the look at it; then there is room, and the insert is tried again.
    loop {
        let inserted: Option<Uuid> = store::one::<Insert, _>(conn, new).await?;
        if let Some(id) = inserted {
            return Ok(Spawned { id, name: new.name.to_owned(), stage: new.stage_name.clone() });
        }
        let object = new.obj_type.clone().zip(new.obj_id).map(|(kind, id)| Object { kind, id });
        let Some(object) = object.filter(|_| new.holds) else {
            return Err(SpawnError::Encode(format!("a task with the id {} exists already", new.id)));
        };
        if let Some(busy) = holder(conn, &object).await? {
            return Err(busy.into());
        }
    }
}

struct Insert;
impl Statement for Insert {
    const SQL: &'static str = include_str!("store/insert.sql");
    type Row = diesel::sql_types::Uuid;
}

/// Who holds an object, if anybody does.
pub async fn holder(conn: &mut AsyncPgConnection, object: &Object) -> diesel::QueryResult<Option<Busy>> {
    use crate::schema::tasks::dsl;
    let found: Option<(Uuid, String, String)> = dsl::tasks
        .filter(dsl::obj_type.eq(&object.kind))
        .filter(dsl::obj_id.eq(object.id))
        .filter(dsl::holds)
        .filter(dsl::ended_at.is_null())
        .select((dsl::id, dsl::name, dsl::stage_name))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(task, name, stage)| Busy { object: object.clone(), task, name, stage }))
}

/// When the last task of an object ended, of those that held it, by the database's clock.
pub async fn last_ended(conn: &mut AsyncPgConnection, object: &Object) -> diesel::QueryResult<Option<DateTime<Utc>>> {
    use crate::schema::tasks::dsl;
    dsl::tasks
        .filter(dsl::obj_type.eq(&object.kind))
        .filter(dsl::obj_id.eq(object.id))
        .filter(dsl::holds)
        .select(diesel::dsl::max(dsl::ended_at))
        .first(conn)
        .await
}
