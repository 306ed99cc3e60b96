//! Rescue sessions.

use api::rescue::{Extend, RescueSessions};
use db::Conn;
use db::filter::{Column, Kind, Page};
use db::guest::Guest;
use db::session::RescueSession;
use types::SessionId;
use uuid::Uuid;

use super::{diagnosis, explain};
use crate::app::App;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::guest;
use crate::policy::Access;

pub fn register(registry: &mut Registry) {
    registry
        .resource::<RescueSession>()
        .verb::<Extend>()
        .detail("explain", "Where it stands, what was seen, what to do next", explain::explain)
        .detail("diagnosis", "What the rescue system found, and what was repaired since", diagnosis::diagnosis);
}

impl Model for RescueSession {
    type Api = RescueSessions;

    /// Sessions have no names; the id or name of a server stands for its last session.
    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        if let Ok(id) = ident.parse::<SessionId>()
            && let Some(session) = db::session::get(conn, id).await?
        {
            return Ok(session);
        }
        let missing = || Error::not_found("rescue session", ident);
        let guest = Guest::find(conn, ident).await.map_err(|e| match e.class {
            api::ErrorClass::ResourceNotFound => missing(),
            _ => e,
        })?;
        db::session::latest_of(conn, guest.id).await?.ok_or_else(missing)
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, conn: &mut Conn) -> Result<api::rescue::RescueSession> {
        let server = db::guest::get(conn, self.guest_id).await?.map(|g| g.name).unwrap_or_default();
        Ok(RescueSession::view(self, server)?)
    }
    async fn project(&self, conn: &mut Conn) -> Result<Option<String>> {
        Ok(db::guest::project(conn, self.guest_id).await?)
    }
    fn id(&self) -> Uuid {
        self.id.uuid()
    }
    fn name(&self) -> &str {
        ""
    }
}

impl List for RescueSession {
    const COLUMNS: &'static [Column] = db::session::COLUMNS;
    const SEARCH: &'static [&'static str] = &["server", "id"];
    const PROJECT: Option<Column> = Some(Column::new("project", "guests.project", Kind::Text));
    const ORDER: (&'static str, bool) = ("started_at", true);
    const USER: Option<Column> = Some(Column::new("user", "rescue_sessions.user_name", Kind::Text));
    const TIME: Option<&'static str> = Some("started_at");
    const ALIASES: &'static [(&'static str, &'static str)] = &[("name", "server"), ("status", "state")];

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        // `obj_id` as tasks and events have it; `server_id` as the column is called.
        guest::named(query.renamed("obj_id", "server_id"), "server_id", access, conn).await
    }

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<api::rescue::RescueSession>, i64)> {
        let _ = app;
        let (rows, total) = db::session::list(conn, page).await?;
        let views = rows.into_iter().map(|(session, server)| session.view(server)).collect::<Result<_, _>>()?;
        Ok((views, total))
    }
}
