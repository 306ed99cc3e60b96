//! Users and their tokens. A token is stored as its SHA-256 only: a row can't be used to log in.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use types::UserId;

use crate::schema::{tokens, users};
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, check_for_backend(Pg))]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub password_hash: String,
    pub project: String,
    pub role: String,
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
}

/// True if the user is new.
pub async fn insert_user(conn: &mut Conn, user: &User) -> QueryResult<bool> {
    diesel::insert_into(users::table).values(user).on_conflict_do_nothing().execute(conn).await.map(|rows| rows > 0)
}

pub async fn set_password(conn: &mut Conn, name: &str, password_hash: &str) -> QueryResult<()> {
    diesel::update(users::table.filter(users::name.eq(name)))
        .set(users::password_hash.eq(password_hash))
        .execute(conn)
        .await
        .map(drop)
}

pub async fn user_named(conn: &mut Conn, name: &str) -> QueryResult<Option<User>> {
    users::table.filter(users::name.eq(name)).select(User::as_select()).first(conn).await.optional()
}

pub async fn insert_token(conn: &mut Conn, hash: &[u8], user: UserId, expires_at: DateTime<Utc>) -> QueryResult<()> {
    diesel::insert_into(tokens::table)
        .values((tokens::hash.eq(hash), tokens::user_id.eq(user), tokens::expires_at.eq(expires_at)))
        .execute(conn)
        .await
        .map(drop)
}

/// Who a token speaks for, if it is valid now, and until when.
pub async fn user_of_token(conn: &mut Conn, hash: &[u8]) -> QueryResult<Option<(User, DateTime<Utc>)>> {
    tokens::table
        .inner_join(users::table)
        .filter(tokens::hash.eq(hash))
        .filter(tokens::expires_at.gt(diesel::dsl::now))
        .filter(tokens::revoked_at.is_null())
        .filter(users::enabled)
        .select((User::as_select(), tokens::expires_at))
        .first(conn)
        .await
        .optional()
}

pub async fn delete_expired_tokens(conn: &mut Conn) -> QueryResult<usize> {
    diesel::delete(tokens::table.filter(tokens::expires_at.lt(diesel::dsl::now))).execute(conn).await
}
