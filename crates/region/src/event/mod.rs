//! Events: shown. Whoever changes something writes one, in the same transaction.

use api::event::Events;
use db::Conn;
use db::event::{Event, Filter};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::task::object_id;

pub fn register(registry: &mut Registry) {
    registry.resource::<Event>();
}

impl Model for Event {
    type Api = Events;

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
    fn id(&self) -> Uuid {
        self.obj_id
    }
    fn name(&self) -> &str {
        &self.obj_name
    }
}

impl List for Event {
    async fn list(query: &Query, _: &App, conn: &mut Conn) -> Result<api::List<api::event::Event>> {
        let (limit, offset) = query.page()?;
        let filter = Filter {
            obj_type: query.one("obj_type").map(str::to_owned),
            obj_id: object_id(query, conn).await?,
            search: query.one("search").map(str::to_owned),
        };
        let (rows, total) = db::event::list(conn, &filter, limit, offset).await?;
        Ok(api::List { data: rows.into_iter().map(Into::into).collect(), total, limit, offset })
    }
}
