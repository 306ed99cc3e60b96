//! Disks: shown; detached ones are deleted. The others come and go with the descs of their servers.

pub mod delete;

use api::disk::{DeleteDisk, Disks};
use db::Conn;
use db::disk::Disk;
use db::filter::{Column, Kind, Page};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Model, Query, Registry};
use crate::error::{Error, Result};
use crate::guest;
use crate::policy::Access;

/// The kind that events know disks under.
pub const OBJECT: &str = "disk";

pub fn register(registry: &mut Registry) {
    registry.resource::<Disk>().delete::<DeleteDisk>();
}

impl Model for Disk {
    type Api = Disks;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        db::disk::find(conn, ident).await?.ok_or_else(|| Error::not_found("disk", ident))
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, _: &App, _: &mut Conn) -> Result<api::disk::Disk> {
        Ok(view(self))
    }
    async fn project(&self, _: &mut Conn) -> Result<Option<String>> {
        Ok(Some(self.project.clone()))
    }
    fn id(&self) -> Uuid {
        self.id.uuid()
    }
    fn name(&self) -> &str {
        &self.serial
    }
}

impl List for Disk {
    const COLUMNS: &'static [Column] = db::disk::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "server", "id"];
    const PROJECT: Option<Column> = Some(Column::new("project", "guest_disks.project", Kind::Text));
    const ORDER: (&'static str, bool) = ("created_at", true);

    async fn resolve(query: Query, access: &Access, conn: &mut Conn) -> Result<Query> {
        guest::named(query, "server_id", access, conn).await
    }

    async fn page(page: &Page, _: &App, conn: &mut Conn) -> Result<(Vec<api::disk::Disk>, i64)> {
        let (rows, total) = db::disk::list(conn, page).await?;
        Ok((rows.into_iter().map(view).collect(), total))
    }
}

fn view(disk: Disk) -> api::disk::Disk {
    api::disk::Disk {
        id: disk.id,
        name: disk.serial,
        server_id: disk.guest_id,
        server: disk.guest,
        host_id: disk.host_id,
        index: disk.index.and_then(|index| u32::try_from(index).ok()),
        status: disk.status,
        driver: disk.driver,
        format: disk.format,
        size: u64::try_from(disk.size_mib).unwrap_or(0),
        image: disk.image,
        created_at: disk.created_at,
    }
}
