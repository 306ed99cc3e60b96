//! Tickets: each opens one console once, for a caller that can send no token.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use types::GuestId;
use types::status::ConsoleKind;

use crate::schema::console_tickets;
use crate::{Conn, QueryResult};

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = console_tickets, check_for_backend(Pg), treat_none_as_default_value = false)]
pub struct Ticket {
    /// SHA-256 of the ticket.
    pub hash: Vec<u8>,
    pub guest_id: GuestId,
    pub kind: ConsoleKind,
    pub user_name: String,
    pub project: String,
    pub expires_at: DateTime<Utc>,
    /// SHA-256 of the token that got it.
    pub token_hash: Option<Vec<u8>>,
    /// Who got it, where the token is another identity server's, and when that one ends.
    pub caller: Option<Value>,
    pub ends_at: Option<DateTime<Utc>>,
}

/// Also forgets those that nobody came with.
pub async fn insert(conn: &mut Conn, ticket: &Ticket) -> QueryResult<()> {
    let old = console_tickets::table.filter(console_tickets::expires_at.lt(diesel::dsl::now));
    diesel::delete(old).execute(conn).await?;
    diesel::insert_into(console_tickets::table).values(ticket).execute(conn).await.map(drop)
}

/// Takes the ticket, if it is there and in time: nobody else gets it.
pub async fn take(conn: &mut Conn, hash: &[u8]) -> QueryResult<Option<Ticket>> {
    let wanted = console_tickets::table.filter(console_tickets::hash.eq(hash));
    let taken: Option<Ticket> =
        diesel::delete(wanted).returning(Ticket::as_returning()).get_result(conn).await.optional()?;
    Ok(taken.filter(|ticket| ticket.expires_at > Utc::now()))
}
