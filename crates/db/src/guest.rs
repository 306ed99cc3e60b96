//! Guests: servers, in the words of REST.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::desc::Desc;
use types::{GuestId, GuestStatus, HostId, OperationId, PowerState, SessionId};

use crate::filter::{Column, Kind, Page};
use crate::schema::{guests, hosts};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = guests, check_for_backend(Pg))]
pub struct Guest {
    pub id: GuestId,
    pub name: String,
    pub project: String,
    pub status: GuestStatus,
    pub status_reason: Option<String>,
    pub power_state: PowerState,
    pub power_changed_at: DateTime<Utc>,
    pub host_id: HostId,
    pub hypervisor: String,
    pub vcpu_count: i32,
    pub vmem_size: i32,
    pub desc: Value,
    pub metadata: Value,
    pub rescue_session_id: Option<SessionId>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub update_version: i64,
    pub deleted_at: Option<DateTime<Utc>>,
    pub description: String,
}

impl Guest {
    /// What its host was asked to create.
    ///
    /// # Errors
    /// A row written by a newer version.
    pub fn parsed_desc(&self) -> serde_json::Result<Desc> {
        serde_json::from_value(self.desc.clone())
    }

    /// For the API. `host` is the host's name, `task` what is at work on it.
    ///
    /// # Errors
    /// A row written by a newer version.
    pub fn view(self, host: String, task: Option<api::task::TaskBrief>) -> serde_json::Result<api::server::Server> {
        let desc = self.parsed_desc()?;
        let metadata: BTreeMap<String, String> = serde_json::from_value(self.metadata)?;
        Ok(api::server::Server {
            id: self.id,
            name: self.name,
            rescue_mode: GuestStatus::OF_RESCUE.contains(&self.status),
            status: self.status,
            status_reason: self.status_reason,
            power_state: self.power_state,
            hypervisor: self.hypervisor,
            host_id: self.host_id,
            host,
            arch: desc.arch,
            machine: desc.machine,
            firmware: desc.firmware,
            vcpu_count: desc.vcpu,
            vmem_size: desc.memory_mib,
            disks: desc.disks.into_iter().map(api::server::ServerDisk::from).collect(),
            nics: desc
                .nics
                .into_iter()
                .map(|n| api::server::ServerNic { index: n.index, mac: n.mac, model: n.model, forwards: n.forwards })
                .collect(),
            cdroms: desc.cdroms.into_iter().map(|c| api::server::ServerCdrom { index: c.index, iso: c.iso }).collect(),
            vnc: desc.vnc,
            qemu_version: desc.qemu_version,
            rescue_session_id: self.rescue_session_id,
            task,
            metadata,
            description: self.description,
            created_at: self.created_at,
            updated_at: self.updated_at,
            update_version: self.update_version,
        })
    }
}

pub async fn insert(conn: &mut Conn, guest: &Guest) -> QueryResult<()> {
    diesel::insert_into(guests::table).values(guest).execute(conn).await.map(drop)
}

/// The guest, locked until the transaction ends. A deleted one is not found.
pub async fn lock(conn: &mut Conn, id: GuestId) -> QueryResult<Option<Guest>> {
    guests::table
        .filter(guests::id.eq(id))
        .filter(guests::deleted_at.is_null())
        .select(Guest::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

pub async fn get(conn: &mut Conn, id: GuestId) -> QueryResult<Option<Guest>> {
    guests::table
        .filter(guests::id.eq(id))
        .filter(guests::deleted_at.is_null())
        .select(Guest::as_select())
        .first(conn)
        .await
        .optional()
}

/// Moves the status, and the reason with it.
pub async fn set_status(conn: &mut Conn, id: GuestId, status: GuestStatus, reason: Option<&str>) -> QueryResult<()> {
    diesel::update(guests::table.find(id))
        .set((
            guests::status.eq(status),
            guests::status_reason.eq(reason),
            guests::updated_at.eq(diesel::dsl::now),
            guests::update_version.eq(guests::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// A rescue begins: the status and the session at once.
pub async fn enter_rescue(conn: &mut Conn, id: GuestId, session: SessionId) -> QueryResult<()> {
    diesel::update(guests::table.find(id))
        .set((
            guests::rescue_session_id.eq(Some(session)),
            guests::status.eq(GuestStatus::StartRescue),
            guests::status_reason.eq(None::<&str>),
            guests::updated_at.eq(diesel::dsl::now),
            guests::update_version.eq(guests::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// What people call it, and what they remember with it.
pub async fn set_words(conn: &mut Conn, guest: &Guest) -> QueryResult<()> {
    diesel::update(guests::table.find(guest.id))
        .set((
            guests::name.eq(&guest.name),
            guests::description.eq(&guest.description),
            guests::metadata.eq(&guest.metadata),
            guests::updated_at.eq(diesel::dsl::now),
            guests::update_version.eq(guests::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// What it is made of, as its host has it now. Disks that went are detached, disks that came are not any more.
///
/// # Errors
/// As the database reports them; a row written by a newer version.
pub async fn set_desc(conn: &mut Conn, guest: &Guest, desc: &Desc) -> QueryResult<()> {
    let unreadable = |e: serde_json::Error| diesel::result::Error::DeserializationError(Box::new(e));
    let before = guest.parsed_desc().map_err(unreadable)?;
    for disk in before.disks.iter().filter(|d| !desc.disks.iter().any(|now| now.id == d.id)) {
        crate::detached::insert(conn, guest, disk).await?;
    }
    crate::detached::remove(conn, desc.disks.iter().map(|d| d.id).collect()).await?;
    crate::detached::release(conn, guest.id).await?;
    let mib = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    diesel::update(guests::table.find(guest.id))
        .set((
            guests::desc.eq(serde_json::to_value(desc).map_err(unreadable)?),
            guests::vcpu_count.eq(mib(desc.vcpu)),
            guests::vmem_size.eq(mib(desc.memory_mib)),
            guests::updated_at.eq(diesel::dsl::now),
            guests::update_version.eq(guests::update_version + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn set_session(conn: &mut Conn, id: GuestId, session: Option<SessionId>) -> QueryResult<()> {
    diesel::update(guests::table.find(id)).set(guests::rescue_session_id.eq(session)).execute(conn).await.map(drop)
}

pub async fn set_deleted(conn: &mut Conn, id: GuestId) -> QueryResult<()> {
    diesel::update(guests::table.find(id))
        .set((guests::deleted_at.eq(diesel::dsl::now), guests::updated_at.eq(diesel::dsl::now)))
        .execute(conn)
        .await
        .map(drop)
}

/// Writes what a host observed; true if it is news. Never touches the status.
pub async fn set_power(conn: &mut Conn, id: GuestId, host: HostId, power: PowerState) -> QueryResult<bool> {
    diesel::update(guests::table.find(id))
        .filter(guests::host_id.eq(host))
        .filter(guests::power_state.ne(power))
        .set((guests::power_state.eq(power), guests::power_changed_at.eq(diesel::dsl::now)))
        .execute(conn)
        .await
        .map(|rows| rows > 0)
}

/// The same for all guests of a host in one statement; those that its news are of.
pub async fn set_powers(conn: &mut Conn, host: HostId, seen: &[(GuestId, PowerState)]) -> QueryResult<Vec<GuestId>> {
    #[derive(QueryableByName)]
    struct Changed {
        #[diesel(sql_type = SqlUuid)]
        id: GuestId,
    }
    let (ids, powers): (Vec<_>, Vec<_>) = seen.iter().map(|(id, power)| (id.uuid(), power.as_str())).unzip();
    let changed: Vec<Changed> = diesel::sql_query(
        "update guests g set power_state = v.power, power_changed_at = now()
         from unnest($1, $2) as v (id, power)
         where g.id = v.id and g.host_id = $3 and g.power_state <> v.power
         returning g.id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Text>, _>(powers)
    .bind::<SqlUuid, _>(host.uuid())
    .load(conn)
    .await?;
    Ok(changed.into_iter().map(|c| c.id).collect())
}

/// Live guests that `ident` may mean: the one of this id, or else those of this name, at most two. Of those that have the name, only what
/// belongs to these projects.
pub async fn find(conn: &mut Conn, ident: &str, projects: Option<&[String]>) -> QueryResult<Vec<Guest>> {
    let live = || guests::table.filter(guests::deleted_at.is_null()).select(Guest::as_select());
    if let Ok(id) = ident.parse::<GuestId>() {
        let found = live().filter(guests::id.eq(id)).load(conn).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let named = live().filter(guests::name.eq(ident)).limit(2).into_boxed();
    match projects {
        Some(projects) => named.filter(guests::project.eq_any(projects)).load(conn).await,
        None => named.load(conn).await,
    }
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "guests.id", Kind::Id),
    Column::new("name", "guests.name", Kind::Text),
    Column::new("project", "guests.project", Kind::Text),
    Column::words("status", "guests.status", GuestStatus::WORDS),
    Column::words("power_state", "guests.power_state", PowerState::WORDS),
    Column::new("host_id", "guests.host_id", Kind::Id),
    Column::new("host", "hosts.name", Kind::Text),
    Column::new("hypervisor", "guests.hypervisor", Kind::Text),
    Column::new("vcpu_count", "guests.vcpu_count", Kind::Integer),
    Column::new("vmem_size", "guests.vmem_size", Kind::Integer),
    Column::new("rescue_session_id", "guests.rescue_session_id", Kind::Id),
    Column::new("created_at", "guests.created_at", Kind::Time),
    Column::new("updated_at", "guests.updated_at", Kind::Time),
];

/// One page with the hosts' names, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<(Guest, String)>, i64)> {
    let matching = || {
        guests::table
            .inner_join(hosts::table)
            .filter(guests::deleted_at.is_null())
            .filter(page.base.clone())
            .filter(page.filter.clone())
    };
    let total = page.total(matching().count().get_result(conn)).await?;
    let rows = matching()
        .filter(page.after.clone())
        .select((Guest::as_select(), hosts::name))
        .order(page.order_by("guests.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}

/// Guests whose status has not followed what their host sees since `before`: `running` but off, `ready` but on, `suspend` but not paused.
pub async fn drifted(conn: &mut Conn, before: DateTime<Utc>) -> QueryResult<Vec<GuestId>> {
    guests::table
        .filter(guests::deleted_at.is_null())
        .filter(guests::power_changed_at.lt(before))
        .filter(
            (guests::status
                .eq(GuestStatus::Running)
                .and(guests::power_state.eq_any([PowerState::Shutoff, PowerState::Paused])))
            .or(guests::status
                .eq(GuestStatus::Ready)
                .and(guests::power_state.eq_any([PowerState::Running, PowerState::Paused])))
            .or(guests::status
                .eq(GuestStatus::Suspended)
                .and(guests::power_state.eq_any([PowerState::Running, PowerState::Shutoff]))),
        )
        .select(guests::id)
        .limit(500)
        .load(conn)
        .await
}

/// Which of these operations are of live tasks on guests of the host that reports them: another host's report counts for nothing.
pub async fn operations_on(conn: &mut Conn, reported: &[(OperationId, HostId)]) -> QueryResult<Vec<OperationId>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = SqlUuid)]
        operation: OperationId,
    }
    let bounds: Vec<_> = reported.iter().map(|(operation, _)| task_engine::tasks_of(operation.uuid())).collect();
    let found: Vec<Found> = diesel::sql_query(
        "select v.operation from unnest($1, $2, $3, $4) as v (operation, host_id, least, greatest)
         join tasks t on t.id between v.least and v.greatest and t.operation = v.operation and t.ended_at is null
         join guests g on g.id = t.obj_id and g.host_id = v.host_id",
    )
    .bind::<Array<SqlUuid>, _>(reported.iter().map(|(operation, _)| operation.uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(reported.iter().map(|(_, host)| host.uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(bounds.iter().map(|(least, _)| *least).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(bounds.iter().map(|(_, greatest)| *greatest).collect::<Vec<_>>())
    .load(conn)
    .await?;
    Ok(found.into_iter().map(|f| f.operation).collect())
}

/// These guests with the names of their hosts, deleted ones too.
pub async fn by_ids(conn: &mut Conn, ids: Vec<GuestId>) -> QueryResult<Vec<(Guest, String)>> {
    let rows = guests::table.inner_join(hosts::table).filter(guests::id.eq_any(ids));
    rows.select((Guest::as_select(), hosts::name)).load(conn).await
}

/// The names of these guests, deleted ones too.
pub async fn names(conn: &mut Conn, ids: Vec<GuestId>) -> QueryResult<Vec<(GuestId, String)>> {
    guests::table.filter(guests::id.eq_any(ids)).select((guests::id, guests::name)).load(conn).await
}

/// The project of a guest, deleted or not.
pub async fn project(conn: &mut Conn, id: GuestId) -> QueryResult<Option<String>> {
    guests::table.find(id).select(guests::project).first(conn).await.optional()
}
