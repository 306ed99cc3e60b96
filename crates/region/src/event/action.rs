//! `GET /actions`: the log under the keys that upstream's command line reads.

use api::event::{ActionLog, Actions};
use db::Conn;
use db::event::Event;
use db::filter::{Column, Page};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::model::Marked;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::policy::Access;

/// An event, shown as an action.
#[derive(Clone)]
struct Logged(Event);

pub fn register(registry: &mut Registry) {
    registry.resource::<Logged>();
}

impl Model for Logged {
    type Api = Actions;
    const SERVICE: &'static str = "log";

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let missing = || Error::not_found("action", ident);
        let id = ident.parse().map_err(|_| missing())?;
        db::event::get(conn, id).await?.map(Self).ok_or_else(missing)
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<ActionLog> {
        Ok(api::event::Event::from(self.0).into())
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.0.project.clone()))
    }
    fn id(&self) -> Uuid {
        self.0.obj_id
    }
    fn name(&self) -> &str {
        &self.0.obj_name
    }
}

impl List for Logged {
    const COLUMNS: &'static [Column] = db::event::COLUMNS;
    const SEARCH: &'static [&'static str] = <Event as List>::SEARCH;
    const PROJECT: Option<Column> = <Event as List>::PROJECT;
    const ORDER: (&'static str, bool) = <Event as List>::ORDER;
    const USER: Option<Column> = Some(super::USER);
    const TIME: Option<&'static str> = Some("ops_time");
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("name", "obj_name"), ("tenant", "project"), ("ip", "source")];
    const MARKED: Option<Marked> = Some(super::MARKED);

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        super::resolve(query, access, conn).await
    }

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<ActionLog>, i64)> {
        let (rows, total) = db::event::list(conn, page).await?;
        Ok((rows.into_iter().map(|row| api::event::Event::from(row).into()).collect(), total))
    }
}
