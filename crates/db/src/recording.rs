//! Recordings of serial consoles: one row for each, and what was shown as whole lines of asciicast, in chunks. Whatever is there can be
//! replayed, also of a recording that nobody could end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use types::{GuestId, RecordingId, SessionId};

use crate::filter::{Column, Kind, Page};
use crate::schema::{console_recording_chunks as chunks, console_recordings as recordings};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = recordings, check_for_backend(Pg), treat_none_as_default_value = false)]
pub struct Recording {
    pub id: RecordingId,
    pub guest_id: GuestId,
    /// As the server was called then.
    pub guest_name: String,
    pub project: String,
    pub session_id: Option<SessionId>,
    pub user_name: String,
    pub source: Option<String>,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_ms: i64,
    pub bytes: i64,
    pub is_whole: bool,
    pub written_at: DateTime<Utc>,
}

impl From<Recording> for api::recording::ConsoleRecording {
    fn from(row: Recording) -> Self {
        Self {
            id: row.id,
            server_id: row.guest_id,
            server: row.guest_name,
            project: row.project,
            session_id: row.session_id,
            user: row.user_name,
            source: row.source,
            started_at: row.started_at,
            ended_at: row.ended_at,
            duration_ms: u64::try_from(row.duration_ms).unwrap_or(0),
            bytes: u64::try_from(row.bytes).unwrap_or(0),
            is_whole: row.is_whole,
        }
    }
}

pub async fn insert(conn: &mut Conn, recording: &Recording) -> QueryResult<()> {
    diesel::insert_into(recordings::table).values(recording).execute(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: RecordingId) -> QueryResult<Option<Recording>> {
    recordings::table.find(id).select(Recording::as_select()).first(conn).await.optional()
}

/// How far a recording has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub duration: Duration,
    pub is_whole: bool,
    /// Nothing more comes.
    pub is_over: bool,
}

/// What a recording's writer learns by writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Written {
    /// False: it was deleted, and nothing was written.
    #[diesel(sql_type = Bool)]
    pub is_there: bool,
    /// Bytes of the other recordings of the same rescue.
    #[diesel(sql_type = BigInt)]
    pub elsewhere: i64,
}

/// Adds lines, in one statement with the row; a chunk that is there already, because an answer was lost, is not added again. Lines may be
/// empty.
pub async fn write(conn: &mut Conn, id: RecordingId, seq: i32, lines: &str, now: Progress) -> QueryResult<Written> {
    let written = diesel::sql_query(
        "with added as (
             insert into console_recording_chunks (recording_id, seq, lines)
             select $1, $2, $3 where $3 <> '' and exists (select from console_recordings where id = $1)
             on conflict do nothing returning octet_length(lines) as bytes),
         updated as (
             update console_recordings set bytes = bytes + coalesce((select sum(bytes) from added), 0), duration_ms = $4,
                 is_whole = is_whole and $5, written_at = now(), ended_at = case when $6 then now() else null end
             where id = $1 returning session_id)
         select exists (select from updated) as is_there, coalesce((
             select sum(bytes) from console_recordings
             where session_id = (select session_id from updated) and id <> $1), 0)::bigint as elsewhere",
    );
    written
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<Integer, _>(seq)
        .bind::<Text, _>(lines)
        .bind::<BigInt, _>(i64::try_from(now.duration.as_millis()).unwrap_or(i64::MAX))
        .bind::<Bool, _>(now.is_whole)
        .bind::<Bool, _>(now.is_over)
        .get_result(conn)
        .await
}

/// Bytes of all recordings of a rescue.
pub async fn bytes_of(conn: &mut Conn, session: SessionId) -> QueryResult<u64> {
    let all = recordings::table.filter(recordings::session_id.eq(session)).select(recordings::bytes);
    let all: Vec<i64> = all.load(conn).await?;
    Ok(u64::try_from(all.iter().sum::<i64>()).unwrap_or(0))
}

/// Erases one that has ended. False: it goes on, or is gone already.
pub async fn delete(conn: &mut Conn, id: RecordingId) -> QueryResult<bool> {
    let ended = recordings::table.find(id).filter(recordings::ended_at.is_not_null());
    Ok(diesel::delete(ended).execute(conn).await? > 0)
}

/// Some chunks, those after `seq`, in order.
pub async fn chunks_after(conn: &mut Conn, id: RecordingId, seq: i32, limit: i64) -> QueryResult<Vec<(i32, String)>> {
    chunks::table
        .filter(chunks::recording_id.eq(id))
        .filter(chunks::seq.gt(seq))
        .order(chunks::seq)
        .limit(limit)
        .select((chunks::seq, chunks::lines))
        .load(conn)
        .await
}

/// Ends recordings that nobody has written to for so long: their region is gone.
pub async fn end_silent(conn: &mut Conn, silent: Duration) -> QueryResult<usize> {
    let before = Utc::now() - silent;
    diesel::update(recordings::table)
        .filter(recordings::ended_at.is_null())
        .filter(recordings::written_at.lt(before))
        .set((recordings::ended_at.eq(recordings::written_at.nullable()), recordings::is_whole.eq(false)))
        .execute(conn)
        .await
}

/// Forgets those that began before, some at a time. How many.
pub async fn delete_before(conn: &mut Conn, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    let old = recordings::table.filter(recordings::started_at.lt(before)).filter(recordings::ended_at.is_not_null());
    let ids: Vec<RecordingId> = old.select(recordings::id).limit(limit).load(conn).await?;
    diesel::delete(recordings::table.filter(recordings::id.eq_any(ids))).execute(conn).await
}

/// What a list may be filtered and ordered by.
pub const COLUMNS: &[Column] = &[
    Column::new("id", "console_recordings.id", Kind::Id),
    Column::new("server_id", "console_recordings.guest_id", Kind::Id),
    Column::new("server", "console_recordings.guest_name", Kind::Text),
    Column::new("project", "console_recordings.project", Kind::Text),
    Column::new("session_id", "console_recordings.session_id", Kind::Id),
    Column::new("user", "console_recordings.user_name", Kind::Text),
    Column::new("source", "console_recordings.source", Kind::Text),
    Column::new("started_at", "console_recordings.started_at", Kind::Time),
    Column::new("ended_at", "console_recordings.ended_at", Kind::Time),
    Column::new("duration_ms", "console_recordings.duration_ms", Kind::Integer),
    Column::new("bytes", "console_recordings.bytes", Kind::Integer),
    Column::new("is_whole", "console_recordings.is_whole", Kind::Boolean),
];

/// One page, and how many there are in all.
pub async fn list(conn: &mut Conn, page: &Page) -> QueryResult<(Vec<Recording>, i64)> {
    let matching = || recordings::table.filter(page.base.clone()).filter(page.filter.clone());
    let total = page.total(matching().count().get_result(conn)).await?;
    let rows = matching()
        .select(Recording::as_select())
        .order(page.order_by("console_recordings.id"))
        .limit(page.limit)
        .offset(page.offset)
        .load(conn)
        .await?;
    Ok((rows, total))
}
