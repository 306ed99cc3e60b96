//! `GET /archivedtasks`: tasks that ended long ago. The reconcile loop moves them there, whole families at a time.

use api::task::{ArchivedTasks, Task};
use db::Conn;
use db::filter::{Column, Page};
use serde_json::Value;
use task_engine::TaskRow;
use types::TaskId;
use uuid::Uuid;

use super::view;
use crate::app::App;
use crate::dispatch::model::Marked;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::policy::Access;

#[derive(Clone)]
struct Archived(TaskRow);

pub fn register(registry: &mut Registry) {
    registry.resource::<Archived>();
}

impl Model for Archived {
    type Api = ArchivedTasks;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let missing = || Error::not_found("archived task", ident);
        let id: TaskId = ident.parse().map_err(|_| missing())?;
        db::task::get_archived(conn, id.uuid()).await?.map(Self).ok_or_else(missing)
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, conn: &mut Conn) -> Result<Task> {
        view::whole(self.0, conn).await
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(self.0.created_by.as_ref().and_then(|w| w.get("project")).and_then(Value::as_str).map(str::to_owned))
    }
    fn id(&self) -> Uuid {
        self.0.id
    }
    fn name(&self) -> &str {
        &self.0.name
    }
}

impl List for Archived {
    const COLUMNS: &'static [Column] = db::task::ARCHIVE_COLUMNS;
    const SEARCH: &'static [&'static str] = super::SEARCH;
    const PROJECT: Option<Column> = Some(db::task::ARCHIVE_PROJECT);
    const ORDER: (&'static str, bool) = super::ORDER;
    const USER: Option<Column> = Some(db::task::ARCHIVE_USER);
    const TIME: Option<&'static str> = Some("created_at");
    const ALIASES: &'static [(&'static str, &'static str)] = super::ALIASES;
    const MARKED: Option<Marked> = Some(super::MARKED);

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        super::resolve(query, access, conn).await
    }

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<Task>, i64)> {
        let (rows, total) = db::task::list_archived(conn, page).await?;
        Ok((view::many(rows, conn).await?, total))
    }
}
