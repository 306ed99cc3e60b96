//! Tasks: shown, cancelled. [`register_all`] is the one list of the tasks there are.

mod cancel;

use api::task::{Cancel, Task, TaskStage, TaskState, Tasks};
use chrono::Utc;
use db::Conn;
use db::filter::{Column, Kind, Page};
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
        .register::<guest::start_rescue::BatchStartRescueTask>()?
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
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(self.created_by.as_ref().and_then(|w| w.get("project")).and_then(Value::as_str).map(str::to_owned))
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl List for TaskRow {
    const COLUMNS: &'static [Column] = COLUMNS;
    const SEARCH: &'static [&'static str] = &["task_name", "id"];
    const PROJECT: Option<Column> = Some(Column::new("project", "(tasks.created_by ->> 'project')", Kind::Text));
    const ORDER: (&'static str, bool) = ("created_at", true);

    async fn resolve(query: Query, conn: &mut Conn) -> Result<Query> {
        let ident = query.one("obj_id").map(str::to_owned);
        guest::named(query, "obj_id", ident, conn).await
    }

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<Task>, i64)> {
        let _ = app;
        let matching = || t::tasks.filter(page.base.clone()).filter(page.filter.clone());
        let total = matching().count().get_result(conn).await?;
        let rows: Vec<TaskRow> = matching()
            .select(TaskRow::as_select())
            .order(page.order_by("tasks.id"))
            .limit(page.limit)
            .offset(page.offset)
            .load(conn)
            .await?;
        let ids = rows.iter().filter_map(|row| row.obj_id.map(types::GuestId::from_uuid)).collect();
        let names = db::guest::names(conn, ids).await?;
        let name =
            |row: &TaskRow| names.iter().find(|(id, _)| Some(id.uuid()) == row.obj_id).map(|(_, name)| name.clone());
        Ok((
            rows.into_iter()
                .map(|row| {
                    let name = name(&row);
                    view(row, name)
                })
                .collect(),
            total,
        ))
    }
}

/// What a list may be filtered and ordered by.
const COLUMNS: &[Column] = &[
    Column::new("id", "tasks.id", Kind::Id),
    Column::new("task_name", "tasks.name", Kind::Text),
    Column::words("state", "tasks.state", TaskState::WORDS),
    Column::new("stage", "tasks.stage_name", Kind::Text),
    Column::new("is_complete", "(tasks.ended_at IS NOT NULL)", Kind::Boolean),
    Column::new("way_back", "(tasks.cause IS NOT NULL)", Kind::Boolean),
    Column::new("obj_type", "tasks.obj_type", Kind::Text),
    Column::new("obj_id", "tasks.obj_id", Kind::Id),
    Column::new("parent_task_id", "tasks.parent_id", Kind::Id),
    Column::new("request_id", "tasks.request_id", Kind::Text),
    Column::new("user", "(tasks.created_by ->> 'user')", Kind::Text),
    Column::new("created_at", "tasks.created_at", Kind::Time),
    Column::new("ended_at", "tasks.ended_at", Kind::Time),
];

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
