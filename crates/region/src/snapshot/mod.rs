//! Snapshots: shown, deleted. Servers make them, and go back to them.

pub mod delete;

use api::server::ServerDisk;
use api::snapshot::{DeleteSnapshot, Snapshots};
use db::Conn;
use db::filter::{Column, Kind, Page};
use types::desc::DiskDesc;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::guest;
use crate::policy::Access;

pub fn register(registry: &mut Registry) {
    registry.resource::<Snapshot>().delete::<DeleteSnapshot>();
}

/// A row, with its server's name.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub row: db::snapshot::Snapshot,
    pub server: String,
}

impl Model for Snapshot {
    type Api = Snapshots;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        let mut found = db::snapshot::find(conn, ident).await?;
        match (found.pop(), found.is_empty()) {
            (Some((row, server)), true) => Ok(Self { row, server }),
            (None, _) => Err(Error::not_found("snapshot", ident)),
            (Some(_), false) => Err(Error::new(
                api::ErrorClass::DuplicateResource,
                format!("several snapshots have the name '{ident}': give the id"),
            )),
        }
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<api::snapshot::Snapshot> {
        view(self.row, self.server)
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.row.project.clone()))
    }
    fn id(&self) -> Uuid {
        self.row.id.uuid()
    }
    fn name(&self) -> &str {
        &self.row.name
    }
}

impl List for Snapshot {
    const COLUMNS: &'static [Column] = db::snapshot::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "server", "id"];
    const PROJECT: Option<Column> = Some(Column::new("project", "snapshots.project", Kind::Text));
    const ORDER: (&'static str, bool) = ("created_at", true);

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        guest::named(query, "server_id", access, conn).await
    }

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<api::snapshot::Snapshot>, i64)> {
        let (rows, total) = db::snapshot::list(conn, page).await?;
        Ok((rows.into_iter().map(|(row, server)| view(row, server)).collect::<Result<_>>()?, total))
    }
}

fn view(row: db::snapshot::Snapshot, server: String) -> Result<api::snapshot::Snapshot> {
    let disks: Vec<DiskDesc> = serde_json::from_value(row.disks)?;
    Ok(api::snapshot::Snapshot {
        id: row.id,
        name: row.name,
        server_id: row.guest_id,
        server,
        status: row.status,
        status_reason: row.status_reason,
        description: row.description,
        disks: disks.into_iter().map(ServerDisk::from).collect(),
        running: row.running,
        created_at: row.created_at,
    })
}
