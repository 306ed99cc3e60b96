//! Events: shown. Whoever changes something writes one, in the same transaction. [`action`] shows the same rows in upstream's words.

mod action;

use api::event::Events;
use db::Conn;
use db::event::Event;
use db::filter::{Column, Kind, Page};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::model::Marked;
use crate::dispatch::{List, Model, Query, Registry, object};
use crate::error::{Error, Result};
use crate::policy::Access;

pub fn register(registry: &mut Registry) {
    registry.resource::<Event>();
    action::register(registry);
}

const USER: Column = Column::new("user", "events.user_name", Kind::Text);
const ALIASES: &[(&str, &str)] = &[("name", "obj_name")];
const MARKED: Marked = Marked { field: "id", unique: "id", shown: ("id", "id") };

/// `obj_id` may be a name, of a thing of the kinds that `obj_type` names.
async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
    let kinds: Vec<String> = query.many("obj_type").into_iter().map(str::to_owned).collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    object::named(query, "obj_id", if kinds.is_empty() { object::KINDS } else { &kinds }, access, conn).await
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
        Ok(Some(self.owner.clone()))
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
    const PROJECT: Option<Column> = Some(Column::new("owner", "events.owner", Kind::Text));
    const ORDER: (&'static str, bool) = ("id", true);

    const USER: Option<Column> = Some(USER);
    const TIME: Option<&'static str> = Some("ops_time");
    const ALIASES: &'static [(&'static str, &'static str)] = ALIASES;
    const MARKED: Option<Marked> = Some(MARKED);

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        resolve(query, access, conn).await
    }

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<api::event::Event>, i64)> {
        let _ = app;
        let (rows, total) = db::event::list(conn, page).await?;
        Ok((rows.into_iter().map(Into::into).collect(), total))
    }
}
