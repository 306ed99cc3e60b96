//! Tasks: shown, cancelled. [`register_all`] is the one list of the tasks there are.

mod cancel;

use api::task::{Cancel, Task, TaskStage, TaskState, Tasks};
use chrono::Utc;
use db::Conn;
use db::guest::Guest;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use task_engine::TaskRow;
use task_engine::schema::tasks::dsl as t;
use types::TaskId;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::guest;

pub fn register(registry: &mut Registry) {
    registry.resource::<TaskRow>().verb::<Cancel>();
}

/// Every kind of task, for the engine.
///
/// # Errors
/// Two kinds of one name: a fault of this program.
pub fn register_all(
    builder: task_engine::Builder<App>,
) -> Result<task_engine::Builder<App>, task_engine::RegisterError> {
    builder
        .register::<guest::ServerCreateTask>()?
        .register::<guest::ServerDeleteTask>()?
        .register::<guest::start::ServerStartTask>()?
        .register::<guest::stop::ServerStopTask>()?
        .register::<guest::start_rescue::StartRescueTask>()?
        .register::<guest::stop_rescue::StopRescueTask>()
}

impl Model for TaskRow {
    type Api = Tasks;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let missing = || Error::not_found("task", ident);
        let id: TaskId = ident.parse().map_err(|_| missing())?;
        t::tasks.find(id.uuid()).select(Self::as_select()).first(conn).await.optional()?.ok_or_else(missing)
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, conn: &mut Conn) -> Result<Task> {
        let name = match (self.obj_type.as_deref(), self.obj_id) {
            (Some(guest::OBJECT), Some(id)) => {
                db::guest::get(conn, types::GuestId::from_uuid(id)).await?.map(|g| g.name)
            }
            _ => None,
        };
        Ok(view(self, name))
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl List for TaskRow {
    async fn list(query: &Query, _: &App, conn: &mut Conn) -> Result<api::List<Task>> {
        let (limit, offset) = query.page()?;
        let object = object_id(query, conn).await?;
        let complete = query.boolean("is_complete")?;
        let states: Vec<TaskState> = query.words("state")?;
        let states: Vec<&str> = states.into_iter().map(TaskState::as_str).collect();
        let matching = || {
            let mut q = t::tasks.into_boxed::<Pg>();
            if let Some(kind) = query.one("obj_type") {
                q = q.filter(t::obj_type.eq(kind.to_owned()));
            }
            if let Some(id) = object {
                q = q.filter(t::obj_id.eq(id));
            }
            if !query.many("task_name").is_empty() {
                q = q.filter(t::name.eq_any(query.many("task_name")));
            }
            if !query.many("stage").is_empty() {
                q = q.filter(t::stage_name.eq_any(query.many("stage")));
            }
            if !states.is_empty() {
                q = q.filter(t::state.eq_any(states.clone()));
            }
            match complete {
                Some(true) => q.filter(t::ended_at.is_not_null()),
                Some(false) => q.filter(t::ended_at.is_null()),
                None => q,
            }
        };
        let total = matching().count().get_result(conn).await?;
        let rows: Vec<TaskRow> = matching()
            .select(TaskRow::as_select())
            .order((t::created_at.desc(), t::id.desc()))
            .limit(limit)
            .offset(offset)
            .load(conn)
            .await?;
        Ok(api::List { data: rows.into_iter().map(|row| view(row, None)).collect(), total, limit, offset })
    }
}

/// The object that a list is about, by id or, for servers, by name.
pub async fn object_id(query: &Query, conn: &mut Conn) -> Result<Option<Uuid>> {
    let Some(ident) = query.one("obj_id") else { return Ok(None) };
    if let Ok(id) = ident.parse::<Uuid>() {
        return Ok(Some(id));
    }
    Ok(Some(Guest::find(conn, ident).await?.id.uuid()))
}

fn view(row: TaskRow, obj_name: Option<String>) -> Task {
    let cause = row.cause();
    let evidence = cause
        .as_ref()
        .and_then(|c| c.error.detail()?.get("evidence")?.as_array().cloned())
        .unwrap_or_default()
        .iter()
        .filter_map(|line| line.as_str().map(str::to_owned))
        .collect();
    let mut stages: Vec<TaskStage> = row
        .history()
        .into_iter()
        .map(|past| TaskStage {
            stage: past.stage,
            started_at: past.started,
            ended_at: Some(past.ended),
            attempts: u32::try_from(past.attempts).unwrap_or(0),
            error: past.error.map(|e| e.message().to_owned()),
            way_back: past.way_back,
        })
        .collect();
    if row.ended_at.is_none() {
        stages.push(TaskStage {
            stage: row.stage_name.clone(),
            started_at: row.stage_started,
            ended_at: None,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            error: row.last_error().map(|e| e.error.message().to_owned()),
            way_back: cause.is_some(),
        });
    }
    let state = row.state();
    Task {
        id: TaskId::from_uuid(row.id),
        task_name: row.name,
        state: state.as_str().parse().unwrap_or(TaskState::Blocked),
        is_complete: state.is_ended(),
        stage: row.stage_name,
        way_back: cause.is_some(),
        obj_type: row.obj_type,
        obj_id: row.obj_id,
        obj_name,
        parent_task_id: row.parent_id.map(TaskId::from_uuid),
        request_id: row.request_id,
        user: row.created_by.as_ref().and_then(|w| w.get("user")).and_then(Value::as_str).map(str::to_owned),
        cause: cause.map(|c| format!("{}: {}", c.at_name, c.error.message())),
        evidence,
        stages,
        created_at: row.created_at,
        updated_at: row.ended_at.unwrap_or_else(|| row.stage_started.min(Utc::now())),
        ended_at: row.ended_at,
    }
}
