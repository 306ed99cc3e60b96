//! Rescue sessions: one stay of one guest in rescue mode.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::operation::StopHow;
use types::rescue::ReadyReport;
use types::status::{OverlayEnd, RescueNetwork};
use types::{DiskMode, GuestId, GuestStatus, HostId, SessionId, SessionState, TaskId};

use crate::filter::{Column, Kind, Page};
use crate::schema::{guests, rescue_sessions};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = rescue_sessions, check_for_backend(Pg), treat_none_as_default_value = false)]
pub struct RescueSession {
    pub id: SessionId,
    pub guest_id: GuestId,
    pub state: SessionState,
    pub image: Value,
    pub disk_mode: DiskMode,
    pub reason: Option<String>,
    pub user_name: String,
    pub prior_status: GuestStatus,
    pub stop_how: Option<StopHow>,
    pub stop_seconds: Option<f64>,
    pub ready: Option<Value>,
    pub is_ready: bool,
    pub boot: i32,
    pub credentials: Option<Vec<u8>>,
    pub password_shown: bool,
    pub source_sha256: Option<String>,
    pub start_task_id: Option<TaskId>,
    pub stop_task_id: Option<TaskId>,
    pub started_at: DateTime<Utc>,
    pub ready_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub cause: Option<String>,
    pub evidence: Value,
    /// Of disk mode `overlay`: what becomes of what was written, when the session ends by itself.
    pub on_expiry: Option<OverlayEnd>,
    /// As it was last decided.
    pub overlay_end: Option<OverlayEnd>,
    /// The public SSH host key of the session's rescue system, as its host made it, in `known_hosts` form without the host.
    pub ssh_host_key: Option<String>,
    pub network: RescueNetwork,
}

impl RescueSession {
    /// For the API. `server` is the guest's name.
    ///
    /// # Errors
    /// A row written by a newer version.
    pub fn view(self, server: String) -> serde_json::Result<api::rescue::RescueSession> {
        let ready: Option<ReadyReport> = self.ready.map(serde_json::from_value).transpose()?;
        // What has proven itself says whether there is SSH, and its key; until then it is the key that its host gave it.
        let ssh_host_key = match &ready {
            Some(report) => report.ssh_host_key.clone(),
            None => self.ssh_host_key.filter(|_| self.network != RescueNetwork::None),
        };
        Ok(api::rescue::RescueSession {
            id: self.id,
            server_id: self.guest_id,
            server,
            state: self.state,
            image: serde_json::from_value::<api::rescue::SessionImage>(self.image)?,
            disk_mode: self.disk_mode,
            network: self.network,
            reason: self.reason,
            user: self.user_name,
            prior_status: self.prior_status,
            stop_how: self.stop_how,
            stop_seconds: self.stop_seconds,
            disks: ready.as_ref().map(|r| r.disks.clone()).unwrap_or_default(),
            ssh_fingerprint: match &ready {
                Some(report) => report.ssh_fingerprint.clone(),
                None => ssh_host_key.as_deref().and_then(types::rescue::ssh_fingerprint),
            },
            ssh_host_key,
            ready,
            is_ready: self.is_ready,
            boot: u32::try_from(self.boot).unwrap_or(0),
            password_shown: self.password_shown,
            start_task_id: self.start_task_id,
            stop_task_id: self.stop_task_id,
            started_at: self.started_at,
            ready_at: self.ready_at,
            expires_at: self.expires_at,
            ended_at: self.ended_at,
            cause: self.cause,
            evidence: serde_json::from_value(self.evidence)?,
            on_expiry: self.on_expiry,
            overlay: self.overlay_end,
        })
    }
}

pub async fn insert(conn: &mut Conn, session: &RescueSession) -> QueryResult<()> {
    diesel::insert_into(rescue_sessions::table).values(session).execute(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: SessionId) -> QueryResult<Option<RescueSession>> {
    rescue_sessions::table.find(id).select(RescueSession::as_select()).first(conn).await.optional()
}

/// The open session of a guest.
pub async fn open_of(conn: &mut Conn, guest: GuestId) -> QueryResult<Option<RescueSession>> {
    rescue_sessions::table
        .filter(rescue_sessions::guest_id.eq(guest))
        .filter(rescue_sessions::ended_at.is_null())
        .select(RescueSession::as_select())
        .first(conn)
        .await
        .optional()
}

/// The session that the guest's host may still have: the one the guest's row names, or else the one it entered last, open or not.
pub async fn of_guest(conn: &mut Conn, guest: &crate::guest::Guest) -> QueryResult<Option<RescueSession>> {
    match guest.rescue_session_id {
        Some(id) => get(conn, id).await,
        None => latest_of(conn, guest.id).await,
    }
}

/// The session that a guest entered last, open or not.
pub async fn latest_of(conn: &mut Conn, guest: GuestId) -> QueryResult<Option<RescueSession>> {
    rescue_sessions::table
        .filter(rescue_sessions::guest_id.eq(guest))
        .order(rescue_sessions::started_at.desc())
        .select(RescueSession::as_select())
        .first(conn)
        .await
        .optional()
}

pub async fn set_start_task(conn: &mut Conn, id: SessionId, task: TaskId) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set(rescue_sessions::start_task_id.eq(task))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn set_stopping(conn: &mut Conn, id: SessionId, task: TaskId) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set((rescue_sessions::state.eq(SessionState::Stopping), rescue_sessions::stop_task_id.eq(task)))
        .execute(conn)
        .await
        .map(drop)
}

/// The server's own system is about to be tried: the rescue system is up no more.
pub async fn set_confirming(conn: &mut Conn, id: SessionId) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .filter(rescue_sessions::ended_at.is_null())
        .set((rescue_sessions::state.eq(SessionState::Confirming), rescue_sessions::is_ready.eq(false)))
        .execute(conn)
        .await
        .map(drop)
}

/// What is to become of what was written beside the disks.
pub async fn set_overlay_end(conn: &mut Conn, id: SessionId, end: OverlayEnd) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set(rescue_sessions::overlay_end.eq(end))
        .execute(conn)
        .await
        .map(drop)
}

/// Records how the guest was stopped on the way in; the first record stays.
pub async fn set_stopped(conn: &mut Conn, id: SessionId, how: StopHow, seconds: f64) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .filter(rescue_sessions::stop_how.is_null())
        .set((rescue_sessions::stop_how.eq(how), rescue_sessions::stop_seconds.eq(seconds)))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn set_source(conn: &mut Conn, id: SessionId, sha256: &str) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set(rescue_sessions::source_sha256.eq(sha256))
        .execute(conn)
        .await
        .map(drop)
}

/// The key stays what it is as long as the session lasts; a host that lost it makes another.
pub async fn set_host_key(conn: &mut Conn, id: SessionId, line: &str) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set(rescue_sessions::ssh_host_key.eq(line))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn set_ready(conn: &mut Conn, id: SessionId, ready: &Value, boot: i32) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set((
            rescue_sessions::state.eq(SessionState::Active),
            rescue_sessions::ready.eq(ready),
            rescue_sessions::is_ready.eq(true),
            rescue_sessions::boot.eq(boot),
            rescue_sessions::ready_at.eq(diesel::dsl::now),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// What a host's heartbeat says of active sessions: guest, session, boot, whether it is ready. A reboot inside rescue makes one not ready
/// until proven again. A host speaks for its own guests only.
pub async fn set_boots(conn: &mut Conn, host: HostId, seen: &[(GuestId, SessionId, i32, bool)]) -> QueryResult<()> {
    use diesel::sql_types::{Array, Bool, Integer, Uuid as SqlUuid};
    diesel::sql_query(
        "update rescue_sessions s set boot = v.boot, is_ready = v.ready
         from unnest($1, $2, $3, $4) as v (guest, id, boot, ready)
         join guests g on g.id = v.guest and g.host_id = $6
         where s.id = v.id and s.guest_id = v.guest and s.state = $5
           and (s.boot < v.boot or s.boot = v.boot and s.is_ready <> v.ready)",
    )
    .bind::<Array<SqlUuid>, _>(seen.iter().map(|(guest, ..)| guest.uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(seen.iter().map(|(_, id, ..)| id.uuid()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(seen.iter().map(|(_, _, boot, _)| *boot).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(seen.iter().map(|(.., ready)| *ready).collect::<Vec<_>>())
    .bind::<diesel::sql_types::Text, _>(SessionState::Active.as_str())
    .bind::<SqlUuid, _>(host.uuid())
    .execute(conn)
    .await
    .map(drop)
}

/// The rescue system of a guest boots again: it has to prove itself anew.
pub async fn set_rebooting(conn: &mut Conn, guest: GuestId) -> QueryResult<()> {
    diesel::update(rescue_sessions::table)
        .filter(rescue_sessions::guest_id.eq(guest))
        .filter(rescue_sessions::state.eq(SessionState::Active))
        .set(rescue_sessions::is_ready.eq(false))
        .execute(conn)
        .await
        .map(drop)
}

/// Ends a session, once, and forgets its credentials.
pub async fn close(
    conn: &mut Conn,
    id: SessionId,
    state: SessionState,
    cause: Option<&str>,
    evidence: &Value,
) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .filter(rescue_sessions::ended_at.is_null())
        .set((
            rescue_sessions::state.eq(state),
            rescue_sessions::is_ready.eq(false),
            rescue_sessions::credentials.eq(None::<Vec<u8>>),
            rescue_sessions::ended_at.eq(diesel::dsl::now),
            rescue_sessions::cause.eq(cause),
            rescue_sessions::evidence.eq(evidence),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Moves the end of an open session. False: it has ended.
pub async fn set_expiry(conn: &mut Conn, id: SessionId, expires_at: DateTime<Utc>) -> QueryResult<bool> {
    diesel::update(rescue_sessions::table.find(id))
        .filter(rescue_sessions::ended_at.is_null())
        .set(rescue_sessions::expires_at.eq(expires_at))
        .execute(conn)
        .await
        .map(|rows| rows > 0)
}

/// How many open sessions a project, and a host, have.
pub async fn open_count(conn: &mut Conn, project: &str, host: HostId) -> QueryResult<(i64, i64)> {
    let open = || rescue_sessions::table.inner_join(guests::table).filter(rescue_sessions::ended_at.is_null());
    let of_project = open().filter(guests::project.eq(project)).count().get_result(conn).await?;
    let of_host = open().filter(guests::host_id.eq(host)).count().get_result(conn).await?;
    Ok((of_project, of_host))
}

/// Open sessions whose time is up, with nothing at work on their way out.
pub async fn expired(conn: &mut Conn) -> QueryResult<Vec<RescueSession>> {
    rescue_sessions::table
        .filter(rescue_sessions::ended_at.is_null())
        .filter(rescue_sessions::state.eq(SessionState::Active))
        .filter(rescue_sessions::expires_at.le(diesel::dsl::now))
        .select(RescueSession::as_select())
        .limit(200)
        .load(conn)
        .await
}

/// Sessions that end within the time and are in their second half, whose rescue system is up, and where nobody was told of that end.
pub async fn ending(conn: &mut Conn, within: Duration) -> QueryResult<Vec<RescueSession>> {
    let soon = Utc::now() + within;
    rescue_sessions::table
        .filter(rescue_sessions::ended_at.is_null())
        .filter(rescue_sessions::state.eq(SessionState::Active))
        .filter(rescue_sessions::is_ready)
        .filter(rescue_sessions::expires_at.gt(diesel::dsl::now))
        .filter(rescue_sessions::expires_at.le(soon))
        .filter(diesel::dsl::sql::<Bool>("expires_at - now() <= (expires_at - started_at) / 2"))
        .filter(rescue_sessions::noticed_for.is_distinct_from(rescue_sessions::expires_at.nullable()))
        .select(RescueSession::as_select())
        .limit(200)
        .load(conn)
        .await
}

/// Those inside are told of this end.
pub async fn set_noticed(conn: &mut Conn, id: SessionId, of: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(rescue_sessions::table.find(id))
        .set(rescue_sessions::noticed_for.eq(of))
        .execute(conn)
        .await
        .map(drop)
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "rescue_sessions.id", Kind::Id),
    Column::new("server_id", "rescue_sessions.guest_id", Kind::Id),
    Column::new("server", "guests.name", Kind::Text),
    Column::words("state", "rescue_sessions.state", SessionState::WORDS),
    Column::words("disk_mode", "rescue_sessions.disk_mode", DiskMode::WORDS),
    Column::words("network", "rescue_sessions.network", RescueNetwork::WORDS),
    Column::new("user", "rescue_sessions.user_name", Kind::Text),
    Column::new("is_ready", "rescue_sessions.is_ready", Kind::Boolean),
    Column::new("started_at", "rescue_sessions.started_at", Kind::Time),
    Column::new("ready_at", "rescue_sessions.ready_at", Kind::Time),
    Column::new("expires_at", "rescue_sessions.expires_at", Kind::Time),
    Column::new("ended_at", "rescue_sessions.ended_at", Kind::Time),
];

/// One page with the guests' names, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<(RescueSession, String)>, i64)> {
    let matching =
        || rescue_sessions::table.inner_join(guests::table).filter(page.base.clone()).filter(page.filter.clone());
    let total = matching().count().get_result(conn).await?;
    let rows = matching()
        .select((RescueSession::as_select(), guests::name))
        .order(page.order_by("rescue_sessions.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}
