//! Tasks: shown, cancelled, and by an administrator got going again or given up. [`register_all`] is the one list of the tasks there are.

mod abandon;
mod archived;
mod cancel;
mod retry;
pub mod span;
mod view;

use api::server::{RescueRepair, StartRescue};
use api::task::{Abandon, Cancel, Retry, Task, Tasks};
use db::Conn;
use db::filter::{Column, Page};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use task_engine::TaskRow;
use task_engine::schema::tasks::dsl as t;
use types::TaskId;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::model::Marked;
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, List, Model, Query, Registry, object};
use crate::error::{Error, Result};
use crate::guest::one_call::OneCallTask;
use crate::policy::{Access, Rule};
use crate::{disk, guest, snapshot};

pub use view::many as views;

pub fn register(registry: &mut Registry) {
    registry.resource::<TaskRow>().verb::<Cancel>().verb::<Retry>().verb::<Abandon>();
    archived::register(registry);
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
        .register::<guest::restart::ServerRestartTask>()?
        .register::<guest::restart::RescueRestartTask>()?
        .register::<OneCallTask<guest::reset::ServerReset>>()?
        .register::<OneCallTask<guest::suspend::ServerSuspend>>()?
        .register::<OneCallTask<guest::resume::ServerResume>>()?
        .register::<guest::syncstatus::ServerSyncstatusTask>()?
        .register::<OneCallTask<guest::change::ServerChange>>()?
        .register::<OneCallTask<guest::resize_disk::ServerResizeDisk>>()?
        .register::<OneCallTask<guest::create_snapshot::ServerSnapshot>>()?
        .register::<OneCallTask<guest::revert_snapshot::ServerRevert>>()?
        .register::<OneCallTask<snapshot::delete::SnapshotDelete>>()?
        .register::<disk::delete::DiskDeleteTask>()?
        .register::<guest::start_rescue::StartRescueTask>()?
        .register::<guest::batch::BatchTask<StartRescue>>()?
        .register::<OneCallTask<guest::rescue_diagnose::ServerDiagnose>>()?
        .register::<OneCallTask<guest::rescue_repair::ServerRepair>>()?
        .register::<guest::rescue_auto::RescueAutoRepairTask>()?
        .register::<guest::batch::BatchTask<RescueRepair>>()?
        .register::<OneCallTask<guest::rescue_notice::ServerNotice>>()?
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
        view::whole(self, conn).await
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
    const COLUMNS: &'static [Column] = db::task::COLUMNS;
    const SEARCH: &'static [&'static str] = SEARCH;
    const PROJECT: Option<Column> = Some(db::task::PROJECT);
    const ORDER: (&'static str, bool) = ORDER;
    const USER: Option<Column> = Some(db::task::USER);
    const TIME: Option<&'static str> = Some("created_at");
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
    const MARKED: Option<Marked> = Some(MARKED);

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        resolve(query, access, conn).await
    }

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<Task>, i64)> {
        let (rows, total) = db::task::list(conn, page).await?;
        Ok((view::many(rows, conn).await?, total))
    }
}

const SEARCH: &[&str] = &["task_name", "id"];
const ORDER: (&str, bool) = ("created_at", true);
const ALIASES: &[(&str, &str)] =
    &[("name", "task_name"), ("status", "state"), ("parent", "parent_task_id"), ("parent_id", "parent_task_id")];
const MARKED: Marked = Marked { field: "created_at", unique: "id", shown: ("created_at", "id") };

/// `obj_id` may be a name. The index of objects begins with their kind, so it is always given.
async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
    let mut kinds: Vec<String> = query.many("obj_type").into_iter().map(str::to_owned).collect();
    if kinds.is_empty() {
        kinds = object::KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    }
    let names: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let query = object::named(query, "obj_id", &names, access, conn).await?;
    Ok(if query.one("obj_id").is_some() { query.with_all("obj_type", kinds) } else { query })
}

/// An event about a task, of the object that it is about.
async fn note(task: &TaskRow, action: &str, notes: String, cx: &mut Cx<'_>) -> Result<()> {
    let name = match task.obj_id {
        Some(id) => db::guest::names(cx.conn, vec![types::GuestId::from_uuid(id)]).await?.pop().map(|(_, name)| name),
        None => None,
    };
    cx.event(Note {
        obj_type: task.obj_type.as_deref().unwrap_or("task"),
        obj_id: task.obj_id.unwrap_or(task.id),
        obj_name: name.as_deref().unwrap_or(&task.name),
        action,
        success: true,
        notes,
        status: None,
        task: Some(task.id),
    })
    .await
}

fn refused(error: task_engine::AdminError) -> Error {
    match error {
        task_engine::AdminError::Database(error) => error.into(),
        other => Error::status(other.to_string()),
    }
}

/// A blocked task is a fault of the service: only who runs it may decide. Asked beside the verb's own rule.
async fn operator(verb: &'static str, cx: &mut Cx<'_>) -> Result<()> {
    let rule = Rule { service: "compute", resource: "tasks", word: "task", action: "perform", extra: Some(verb) };
    match cx.app.policies.require(cx.conn, cx.caller, &rule).await? {
        Access::Everything => Ok(()),
        Access::Projects(_) => {
            let details = format!("not allowed. require: {rule} in scope system: ask whoever runs the service");
            Err(Error::new(api::ErrorClass::Forbidden, details))
        }
    }
}
