//! Baremetal agents: the processes that serve boot files.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::AgentId;
use types::desc::BootFile;
use types::status::Arch;

use crate::filter::{Column, Kind, Page};
use crate::schema::baremetal_agents;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = baremetal_agents, check_for_backend(Pg))]
pub struct BaremetalAgent {
    pub id: AgentId,
    pub name: String,
    pub zone: String,
    pub http_endpoint: String,
    pub tftp_endpoint: String,
    pub version: String,
    pub images: Value,
    pub enabled: bool,
    pub draining: bool,
    /// Files it was sending when it was heard last.
    pub transfers: i32,
    pub last_heartbeat: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// A rescue image that an agent serves and region has verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueImage {
    pub name: String,
    pub version: String,
    pub serial: u64,
    pub arch: Arch,
    pub kernel: BootFile,
    pub initramfs: BootFile,
    pub cmdline: String,
    pub min_memory_mib: u32,
    /// Devices it can drive: `virtio-blk`, `e1000`.
    #[serde(default)]
    pub drivers: Vec<String>,
}

impl BaremetalAgent {
    #[must_use]
    pub fn images(&self) -> Vec<RescueImage> {
        serde_json::from_value(self.images.clone()).unwrap_or_default()
    }
}

/// Takes in what an agent says of itself. The name is the agent: its id stays over restarts, and so does `enabled`.
pub async fn register(conn: &mut Conn, agent: &BaremetalAgent) -> QueryResult<AgentId> {
    use diesel::upsert::excluded;
    diesel::insert_into(baremetal_agents::table)
        .values(agent)
        .on_conflict(baremetal_agents::name)
        .do_update()
        .set((
            baremetal_agents::zone.eq(excluded(baremetal_agents::zone)),
            baremetal_agents::http_endpoint.eq(excluded(baremetal_agents::http_endpoint)),
            baremetal_agents::tftp_endpoint.eq(excluded(baremetal_agents::tftp_endpoint)),
            baremetal_agents::version.eq(excluded(baremetal_agents::version)),
            baremetal_agents::images.eq(excluded(baremetal_agents::images)),
            baremetal_agents::draining.eq(false),
            baremetal_agents::transfers.eq(0),
            baremetal_agents::last_heartbeat.eq(diesel::dsl::now),
        ))
        .returning(baremetal_agents::id)
        .get_result(conn)
        .await
}

/// False: no such agent.
pub async fn heartbeat(
    conn: &mut Conn,
    id: AgentId,
    images: &Value,
    draining: bool,
    transfers: i32,
) -> QueryResult<bool> {
    diesel::update(baremetal_agents::table.find(id))
        .set((
            baremetal_agents::last_heartbeat.eq(diesel::dsl::now),
            baremetal_agents::images.eq(images),
            baremetal_agents::draining.eq(draining),
            baremetal_agents::transfers.eq(transfers),
        ))
        .execute(conn)
        .await
        .map(|rows| rows > 0)
}

pub async fn get(conn: &mut Conn, id: AgentId) -> QueryResult<Option<BaremetalAgent>> {
    baremetal_agents::table.find(id).select(BaremetalAgent::as_select()).first(conn).await.optional()
}

pub async fn find(conn: &mut Conn, ident: &str) -> QueryResult<Option<BaremetalAgent>> {
    if let Ok(id) = ident.parse::<AgentId>()
        && let Some(agent) = get(conn, id).await?
    {
        return Ok(Some(agent));
    }
    baremetal_agents::table
        .filter(baremetal_agents::name.eq(ident))
        .select(BaremetalAgent::as_select())
        .first(conn)
        .await
        .optional()
}

pub async fn set_enabled(conn: &mut Conn, id: AgentId, enabled: bool) -> QueryResult<()> {
    diesel::update(baremetal_agents::table.find(id))
        .set(baremetal_agents::enabled.eq(enabled))
        .execute(conn)
        .await
        .map(drop)
}

/// Enabled agents of a zone, not draining, heard since `since`; those with least to do first.
pub async fn usable(conn: &mut Conn, zone: &str, since: DateTime<Utc>) -> QueryResult<Vec<BaremetalAgent>> {
    baremetal_agents::table
        .filter(baremetal_agents::zone.eq(zone))
        .filter(baremetal_agents::enabled)
        .filter(baremetal_agents::draining.eq(false))
        .filter(baremetal_agents::last_heartbeat.ge(since))
        .order((baremetal_agents::transfers, baremetal_agents::last_heartbeat.desc()))
        .select(BaremetalAgent::as_select())
        .load(conn)
        .await
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "baremetal_agents.id", Kind::Id),
    Column::new("name", "baremetal_agents.name", Kind::Text),
    Column::new("zone", "baremetal_agents.zone", Kind::Text),
    Column::new("enabled", "baremetal_agents.enabled", Kind::Boolean),
    Column::new("version", "baremetal_agents.version", Kind::Text),
    Column::new("transfers", "baremetal_agents.transfers", Kind::Integer),
    Column::new("last_heartbeat", "baremetal_agents.last_heartbeat", Kind::Time),
    Column::new("created_at", "baremetal_agents.created_at", Kind::Time),
];

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<BaremetalAgent>, i64)> {
    let matching = || baremetal_agents::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let rows = matching()
        .select(BaremetalAgent::as_select())
        .order(page.order_by("baremetal_agents.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}
