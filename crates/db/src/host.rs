//! Hosts: hypervisor nodes.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::HostId;
use types::status::Arch;

use crate::filter::{Column, Kind, Page};
use crate::schema::{guests, hosts};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = hosts, check_for_backend(Pg))]
pub struct Host {
    pub id: HostId,
    pub name: String,
    pub zone: String,
    pub endpoint: String,
    pub version: String,
    pub arch: Arch,
    pub accelerator: String,
    pub qemu_versions: Value,
    pub cpus: i32,
    pub memory_mib: i64,
    pub memory_free_mib: i64,
    pub storage_free_mib: i64,
    pub enabled: bool,
    pub last_heartbeat: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

impl Host {
    #[must_use]
    pub fn qemu_versions(&self) -> Vec<String> {
        serde_json::from_value(self.qemu_versions.clone()).unwrap_or_default()
    }
}

/// Takes in what a host says of itself. The name is the host: its id stays over restarts, and so does `enabled`.
pub async fn register(conn: &mut Conn, host: &Host) -> QueryResult<HostId> {
    use diesel::upsert::excluded;
    diesel::insert_into(hosts::table)
        .values(host)
        .on_conflict(hosts::name)
        .do_update()
        .set((
            hosts::zone.eq(excluded(hosts::zone)),
            hosts::endpoint.eq(excluded(hosts::endpoint)),
            hosts::version.eq(excluded(hosts::version)),
            hosts::arch.eq(excluded(hosts::arch)),
            hosts::accelerator.eq(excluded(hosts::accelerator)),
            hosts::qemu_versions.eq(excluded(hosts::qemu_versions)),
            hosts::cpus.eq(excluded(hosts::cpus)),
            hosts::memory_mib.eq(excluded(hosts::memory_mib)),
            hosts::last_heartbeat.eq(diesel::dsl::now),
        ))
        .returning(hosts::id)
        .get_result(conn)
        .await
}

/// False: no such host.
pub async fn heartbeat(conn: &mut Conn, id: HostId, memory_free_mib: i64, storage_free_mib: i64) -> QueryResult<bool> {
    diesel::update(hosts::table.find(id))
        .set((
            hosts::last_heartbeat.eq(diesel::dsl::now),
            hosts::memory_free_mib.eq(memory_free_mib),
            hosts::storage_free_mib.eq(storage_free_mib),
        ))
        .execute(conn)
        .await
        .map(|rows| rows > 0)
}

pub async fn get(conn: &mut Conn, id: HostId) -> QueryResult<Option<Host>> {
    hosts::table.find(id).select(Host::as_select()).first(conn).await.optional()
}

pub async fn find(conn: &mut Conn, ident: &str) -> QueryResult<Option<Host>> {
    if let Ok(id) = ident.parse::<HostId>()
        && let Some(host) = get(conn, id).await?
    {
        return Ok(Some(host));
    }
    hosts::table.filter(hosts::name.eq(ident)).select(Host::as_select()).first(conn).await.optional()
}

pub async fn set_enabled(conn: &mut Conn, id: HostId, enabled: bool) -> QueryResult<()> {
    diesel::update(hosts::table.find(id)).set(hosts::enabled.eq(enabled)).execute(conn).await.map(drop)
}

/// Enabled hosts heard since `since`, those with most free memory first.
pub async fn usable(conn: &mut Conn, since: DateTime<Utc>) -> QueryResult<Vec<Host>> {
    hosts::table
        .filter(hosts::enabled)
        .filter(hosts::last_heartbeat.ge(since))
        .order((hosts::memory_free_mib.desc(), hosts::name.asc()))
        .select(Host::as_select())
        .load(conn)
        .await
}

/// Memory promised to the guests of a host, in MiB.
pub async fn promised_mib(conn: &mut Conn, id: HostId) -> QueryResult<i64> {
    let sum: Option<i64> = guests::table
        .filter(guests::host_id.eq(id))
        .filter(guests::deleted_at.is_null())
        .select(diesel::dsl::sum(guests::vmem_size))
        .get_result(conn)
        .await?;
    Ok(sum.unwrap_or(0))
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "hosts.id", Kind::Id),
    Column::new("name", "hosts.name", Kind::Text),
    Column::new("zone", "hosts.zone", Kind::Text),
    Column::new("enabled", "hosts.enabled", Kind::Boolean),
    Column::new("version", "hosts.version", Kind::Text),
    Column::words("arch", "hosts.arch", Arch::WORDS),
    Column::new("accelerator", "hosts.accelerator", Kind::Text),
    Column::new("cpu_count", "hosts.cpus", Kind::Integer),
    Column::new("mem_size", "hosts.memory_mib", Kind::Integer),
    Column::new("last_heartbeat", "hosts.last_heartbeat", Kind::Time),
    Column::new("created_at", "hosts.created_at", Kind::Time),
];

/// One page with the number of guests on each, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<(Host, i64)>, i64)> {
    let matching = || hosts::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let rows: Vec<Host> = matching()
        .select(Host::as_select())
        .order(page.order_by("hosts.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    let counts = guest_counts(conn, rows.iter().map(|h| h.id).collect()).await?;
    let count = |host: &Host| counts.iter().find(|(id, _)| *id == host.id).map_or(0, |(_, n)| *n);
    let counted = rows.into_iter().map(|host| (count(&host), host)).map(|(n, host)| (host, n)).collect();
    Ok((counted, total))
}

pub async fn guest_counts(conn: &mut Conn, hosts: Vec<HostId>) -> QueryResult<Vec<(HostId, i64)>> {
    guests::table
        .filter(guests::host_id.eq_any(hosts))
        .filter(guests::deleted_at.is_null())
        .group_by(guests::host_id)
        .select((guests::host_id, diesel::dsl::count_star()))
        .load(conn)
        .await
}
