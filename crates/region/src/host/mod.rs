//! Hosts: shown, enabled, disabled. They register themselves (`upcall`).

mod enable;

use api::host::{DisableHost, EnableHost, Hosts, Reachability};
use chrono::{DateTime, Utc};
use db::Conn;
use db::filter::{Column, Page};
use db::host::Host;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Model, Registry};
use crate::error::{Error, Result};

pub const OBJECT: &str = "host";

pub fn register(registry: &mut Registry) {
    registry.resource::<Host>().verb::<EnableHost>().verb::<DisableHost>();
}

impl Model for Host {
    type Api = Hosts;

    async fn find(conn: &mut Conn, ident: &str) -> Result<Self> {
        db::host::find(conn, ident).await?.ok_or_else(|| Error::not_found("host", ident))
    }
    async fn lock(self, _: &mut Conn) -> Result<Self> {
        Ok(self)
    }
    async fn view(self, app: &App, conn: &mut Conn) -> Result<api::host::Host> {
        let guests = db::host::guest_counts(conn, vec![self.id]).await?;
        Ok(view(self, guests.first().map_or(0, |(_, n)| *n), app))
    }
    fn id(&self) -> Uuid {
        self.id.uuid()
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl List for Host {
    const COLUMNS: &'static [Column] = db::host::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const ORDER: (&'static str, bool) = ("name", false);

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<api::host::Host>, i64)> {
        let (rows, total) = db::host::list(conn, page).await?;
        Ok((rows.into_iter().map(|(host, guests)| view(host, guests, app)).collect(), total))
    }
}

/// Whether somebody who sends heartbeats has been heard lately.
pub fn reachability(last_heartbeat: DateTime<Utc>, app: &App) -> Reachability {
    if last_heartbeat >= app.heard_since() { Reachability::Online } else { Reachability::Offline }
}

fn view(host: Host, guests: i64, app: &App) -> api::host::Host {
    api::host::Host {
        host_status: reachability(host.last_heartbeat, app),
        qemu_versions: host.qemu_versions(),
        id: host.id,
        name: host.name,
        zone: host.zone,
        enabled: host.enabled,
        endpoint: host.endpoint,
        version: host.version,
        arch: host.arch,
        accelerator: host.accelerator,
        cpu_count: host.cpus,
        mem_size: host.memory_mib,
        mem_free: host.memory_free_mib,
        storage_free: host.storage_free_mib,
        guests,
        last_heartbeat: host.last_heartbeat,
        created_at: host.created_at,
    }
}
