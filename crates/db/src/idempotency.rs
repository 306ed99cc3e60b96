//! Answers to requests that may be sent again under the same `Idempotency-Key`.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::schema::idempotency_keys;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = idempotency_keys, check_for_backend(Pg))]
pub struct Answered {
    pub request: Vec<u8>,
    pub status: i32,
    pub answer: Value,
}

/// The answer that was given, if any. Holds the key until the transaction ends, so that two equal requests can't both act.
pub async fn look(conn: &mut Conn, user: &str, key: &str) -> QueryResult<Option<Answered>> {
    diesel::sql_query("select pg_advisory_xact_lock(hashtextextended($1, 7))")
        .bind::<diesel::sql_types::Text, _>(format!("{user}\n{key}"))
        .execute(conn)
        .await?;
    idempotency_keys::table.find((user, key)).select(Answered::as_select()).first(conn).await.optional()
}

pub async fn record(
    conn: &mut Conn,
    user: &str,
    key: &str,
    request: &[u8],
    status: i32,
    answer: &Value,
) -> QueryResult<()> {
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::user_name.eq(user),
            idempotency_keys::key.eq(key),
            idempotency_keys::request.eq(request),
            idempotency_keys::status.eq(status),
            idempotency_keys::answer.eq(answer),
        ))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn delete_before(conn: &mut Conn, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.lt(before))).execute(conn).await
}
