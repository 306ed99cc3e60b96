//! Hosts: hypervisor nodes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::status::Arch;
use types::{GuestId, HostId, PowerState};

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

/// Takes in what a host says of itself. The name is the host: its id stays over restarts, and so does `enabled`. Gives the database's
/// time with it.
pub async fn register(conn: &mut Conn, host: &Host) -> QueryResult<(HostId, DateTime<Utc>)> {
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
            hosts::registered_at.eq(diesel::dsl::now),
        ))
        .returning((hosts::id, hosts::last_heartbeat))
        .get_result(conn)
        .await
}

/// When it was, by the database's clock. `None`: no such host.
pub async fn heartbeat(
    conn: &mut Conn,
    id: HostId,
    memory_free_mib: i64,
    storage_free_mib: i64,
) -> QueryResult<Option<DateTime<Utc>>> {
    diesel::update(hosts::table.find(id))
        .set((
            hosts::last_heartbeat.eq(diesel::dsl::now),
            hosts::memory_free_mib.eq(memory_free_mib),
            hosts::storage_free_mib.eq(storage_free_mib),
        ))
        .returning(hosts::last_heartbeat)
        .get_result(conn)
        .await
        .optional()
}

/// What is shown as the version of a host's program. `None`: no host has the name.
pub async fn set_version(conn: &mut Conn, name: &str, version: &str) -> QueryResult<Option<HostId>> {
    diesel::update(hosts::table.filter(hosts::name.eq(name)))
        .set(hosts::version.eq(version))
        .returning(hosts::id)
        .get_result(conn)
        .await
        .optional()
}

/// Holds the row until the transaction ends. False: no such host.
pub async fn lock(conn: &mut Conn, id: HostId) -> QueryResult<bool> {
    let row: Option<HostId> = hosts::table.find(id).select(hosts::id).for_update().first(conn).await.optional()?;
    Ok(row.is_some())
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
    Column::words(
        "host_status",
        "(CASE WHEN hosts.offline_since IS NULL THEN 'online' ELSE 'offline' END)",
        api::host::Reachability::WORDS,
    ),
    Column::new("last_heartbeat", "hosts.last_heartbeat", Kind::Time),
    Column::new("created_at", "hosts.created_at", Kind::Time),
];

/// One page with what is on each, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<(Host, Load)>, i64)> {
    let matching = || hosts::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let rows: Vec<Host> = matching()
        .select(Host::as_select())
        .order(page.order_by("hosts.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    let mut loads: HashMap<HostId, Load> =
        loads(conn, rows.iter().map(|h| h.id).collect()).await?.into_iter().map(|load| (load.id, load)).collect();
    let loaded = rows.into_iter().filter_map(|host| loads.remove(&host.id).map(|load| (host, load))).collect();
    Ok((loaded, total))
}

/// What is on a host, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Load {
    #[diesel(sql_type = SqlUuid)]
    pub id: HostId,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub offline_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub registered_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    pub guests: i64,
    #[diesel(sql_type = BigInt)]
    pub running: i64,
    #[diesel(sql_type = BigInt)]
    pub in_rescue: i64,
    /// Processors and memory (MiB) that its guests were promised.
    #[diesel(sql_type = BigInt)]
    pub vcpus: i64,
    #[diesel(sql_type = BigInt)]
    pub promised_mib: i64,
}

/// Of each of these hosts.
pub async fn loads(conn: &mut Conn, ids: Vec<HostId>) -> QueryResult<Vec<Load>> {
    let sql = "select h.id, h.offline_since, h.registered_at, count(g.id) as guests,
            count(g.id) filter (where g.power_state = 'running') as running,
            count(g.id) filter (where g.rescue_session_id is not null) as in_rescue,
            coalesce(sum(g.vcpu_count), 0)::bigint as vcpus, coalesce(sum(g.vmem_size), 0)::bigint as promised_mib
        from hosts h left join guests g on g.host_id = h.id and g.deleted_at is null
        where h.id = any($1) group by h.id";
    let ids: Vec<uuid::Uuid> = ids.into_iter().map(|id| id.uuid()).collect();
    diesel::sql_query(sql).bind::<Array<SqlUuid>, _>(ids).load(conn).await
}

/// A host whose silence began or ended.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Turned {
    #[diesel(sql_type = SqlUuid)]
    pub id: HostId,
    #[diesel(sql_type = Text)]
    pub name: String,
}

/// Marks the hosts that have been silent since `before`, and what their guests do as unknown: nobody has seen it. Returns those marked now.
/// No status is touched; the next report says what is.
pub async fn mark_offline(conn: &mut Conn, before: DateTime<Utc>) -> QueryResult<Vec<Turned>> {
    let sql =
        "update hosts set offline_since = now() where offline_since is null and last_heartbeat < $1 returning id, name";
    let turned: Vec<Turned> = diesel::sql_query(sql).bind::<Timestamptz, _>(before).load(conn).await?;
    let ids: Vec<HostId> = turned.iter().map(|host| host.id).collect();
    diesel::update(guests::table)
        .filter(guests::host_id.eq_any(ids))
        .filter(guests::deleted_at.is_null())
        .filter(guests::power_state.ne(PowerState::Unknown))
        .set((guests::power_state.eq(PowerState::Unknown), guests::power_changed_at.eq(diesel::dsl::now)))
        .execute(conn)
        .await?;
    Ok(turned)
}

/// Hosts that were marked and have been heard since.
pub async fn mark_online(conn: &mut Conn, since: DateTime<Utc>) -> QueryResult<Vec<Turned>> {
    let sql = "update hosts set offline_since = null where offline_since is not null and last_heartbeat >= $1 returning id, name";
    diesel::sql_query(sql).bind::<Timestamptz, _>(since).load(conn).await
}

/// A guest's row, as far as it says whether a host has a right to it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Owner {
    pub guest: GuestId,
    pub name: String,
    pub host: HostId,
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What region knows of these guests, deleted ones too.
pub async fn owners(conn: &mut Conn, ids: Vec<GuestId>) -> QueryResult<Vec<Owner>> {
    let rows = guests::table.filter(guests::id.eq_any(ids));
    rows.select((guests::id, guests::name, guests::host_id, guests::deleted_at)).load(conn).await
}
