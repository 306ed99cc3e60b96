//! Hosts: shown, enabled, disabled, asked whether they are there. They register themselves (`upcall`).

mod enable;
mod ping;
mod unknown;

use api::host::{DisableHost, EnableHost, Hosts, PingHost, Reachability};
use chrono::{DateTime, Utc};
use db::Conn;
use db::filter::{Column, Page};
use db::host::{Host, Load};
use diesel_async::AsyncConnection;
use types::HostId;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::dispatch::{List, Model, Registry};
use crate::error::{Error, Result};

pub const OBJECT: &str = "host";

pub fn register(registry: &mut Registry) {
    registry.resource::<Host>().verb::<EnableHost>().verb::<DisableHost>().verb::<PingHost>().detail(
        "unknown-guests",
        "Guests that it has and region does not know; they are shown, never touched",
        unknown::unknown_guests,
    );
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
        let load = db::host::loads(conn, vec![self.id]).await?.pop();
        let load = load.ok_or_else(|| Error::not_found("host", &self.name))?;
        Ok(view(self, load, app))
    }
    crate::dispatch::model::known_by_columns!();
}

impl List for Host {
    const COLUMNS: &'static [Column] = db::host::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const ORDER: (&'static str, bool) = ("name", false);
    const ALIASES: &'static [(&'static str, &'static str)] = &[("status", "host_status")];

    async fn page(page: &Page, app: &App, conn: &mut Conn) -> Result<(Vec<api::host::Host>, i64)> {
        let (rows, total) = db::host::list(conn, page).await?;
        Ok((rows.into_iter().map(|(host, load)| view(host, load, app)).collect(), total))
    }
}

/// Writes an event about a host, unless the same was written before: what a host says may come more than once.
///
/// # Errors
/// As the database reports them.
pub async fn tell_once(
    conn: &mut Conn,
    id: HostId,
    name: &str,
    action: &str,
    success: bool,
    notes: String,
) -> db::QueryResult<()> {
    let note =
        Note { obj_type: OBJECT, obj_id: id.uuid(), obj_name: name, action, success, notes, status: None, task: None };
    let event = note.of("lifeboat", "", None, Some(Uuid::now_v7().to_string()));
    conn.transaction(async |conn| {
        // Two that come at once follow each other.
        if db::host::lock(conn, id).await? && !db::event::is_there(conn, &event).await? {
            db::event::insert(conn, &event).await?;
        }
        Ok(())
    })
    .await
}

/// Whether somebody who sends heartbeats has been heard lately.
pub fn reachability(last_heartbeat: DateTime<Utc>, app: &App) -> Reachability {
    if last_heartbeat >= app.heard_since() { Reachability::Online } else { Reachability::Offline }
}

fn view(host: Host, load: Load, app: &App) -> api::host::Host {
    let host_status = match load.offline_since {
        Some(_) => Reachability::Offline,
        None => reachability(host.last_heartbeat, app),
    };
    api::host::Host {
        host_status,
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
        mem_promised: load.promised_mib,
        vcpu_promised: load.vcpus,
        guests: load.guests,
        guests_running: load.running,
        guests_in_rescue: load.in_rescue,
        offline_since: load.offline_since,
        registered_at: Some(load.registered_at),
        last_heartbeat: host.last_heartbeat,
        created_at: host.created_at,
    }
}
