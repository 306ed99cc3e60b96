//! Events: shown. Whoever changes something writes one, in the same transaction.

use api::event::Events;
use db::Conn;
use db::event::Event;
use db::filter::{Column, Kind, Page};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::guest;

pub fn register(registry: &mut Registry) {
    registry.resource::<Event>();
}

impl Model for Event {
    type Api = Events;
    const SERVICE: &'static str = "log";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let missing = || Error::not_found("event", ident);
        let id = ident.parse().map_err(|_| missing())?;
        db::event::get(conn, id).await?.ok_or_else(missing)
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<api::event::Event> {
        Ok(self.into())
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.project.clone()))
    }
    fn id(&self) -> Uuid {
        self.obj_id
    }
    fn name(&self) -> &str {
        &self.obj_name
    }
}

impl List for Event {
    const COLUMNS: &'static [Column] = db::event::COLUMNS;
    const SEARCH: &'static [&'static str] = &["obj_name", "action"];
    const PROJECT: Option<Column> = Some(Column::new("project", "events.project", Kind::Text));
    const ORDER: (&'static str, bool) = ("id", true);

    async fn resolve(query: Query, conn: &mut Conn) -> Result<Query> {
        let ident = query.one("obj_id").map(str::to_owned);
        guest::named(query, "obj_id", ident, conn).await
    }

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<api::event::Event>, i64)> {
        let _ = app;
        let (rows, total) = db::event::list(conn, page).await?;
        Ok((rows.into_iter().map(Into::into).collect(), total))
    }
}
