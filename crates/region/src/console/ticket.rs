//! `POST /servers/{id}/console-ticket`, and what a ticket is good for: one console of one server, for the session that got it, once, for a
//! minute.

use std::time::Duration;

use api::ErrorClass;
use api::server::{ConsoleTicket, TicketAccess, TicketFor};
use chrono::Utc;
use db::Conn;
use db::guest::Guest;
use db::ticket::Ticket;
use sha2::{Digest, Sha256};
use types::Secret;
use types::status::ConsoleKind;

use super::record;
use super::rights::allowed;
use crate::auth::{Caller, Proof, token};
use crate::dispatch::perform::Note;
use crate::dispatch::{Cx, Done, Perform};
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use service::random;

const LIFE: Duration = Duration::from_secs(60);

impl Perform<ConsoleTicket> for Guest {
    async fn perform(self, action: ConsoleTicket, cx: &mut Cx<'_>) -> Result<Done<ConsoleTicket>> {
        let kind = action.kind;
        // Whoever may get tickets still needs leave to open the console.
        let guest = allowed(cx.app, cx.caller, &self.id.to_string(), kind, cx.conn).await?;
        let ticket: String =
            random::bytes::<32>().map_err(Error::internal)?.iter().map(|byte| format!("{byte:02x}")).collect();
        let expires_at = Utc::now() + LIFE;
        let (token_hash, caller, ends_at) = match &cx.caller.proof {
            Proof::Token(digest) => (Some(digest.clone()), None, None),
            Proof::Foreign { until } => (None, Some(cx.caller.to_json()), Some(*until)),
            Proof::Own => (None, None, None),
        };
        let row = Ticket {
            hash: hash(&ticket),
            guest_id: guest.id,
            kind,
            user_name: cx.caller.user.clone(),
            project: cx.caller.project_name().to_owned(),
            expires_at,
            token_hash,
            caller,
            ends_at,
        };
        db::ticket::insert(cx.conn, &row).await?;
        cx.event(Note {
            obj_type: OBJECT,
            obj_id: guest.id.uuid(),
            obj_name: &guest.name,
            action: "console_ticket",
            success: true,
            notes: format!("for the {kind}"),
            status: None,
            task: None,
        })
        .await?;
        let path = Secret::new(format!("/servers/{}/{kind}?ticket={ticket}", guest.id));
        let console = TicketFor {
            kind,
            ticket: Secret::new(ticket),
            path,
            expires_at,
            recording: record::is_wanted(cx.app, kind, &guest),
        };
        Ok(Done { task: None, extra: TicketAccess { console: Some(console) } })
    }
}

fn hash(ticket: &str) -> Vec<u8> {
    Sha256::digest(ticket).to_vec()
}

/// Takes the ticket: who it was made for, and the server. The request comes from `source`.
///
/// # Errors
/// 401: there is no such ticket, or no more, or it is for something else, or its session has ended. It is gone in any case.
pub async fn redeem(
    ticket: &str,
    ident: &str,
    kind: ConsoleKind,
    source: Option<String>,
    request_id: String,
    conn: &mut Conn,
) -> Result<(Caller, Guest)> {
    let refused = || {
        let details =
            format!("ticket: is not good for this {kind}, or was used, or is older than a minute: get another");
        Error::new(ErrorClass::Unauthorized, details)
    };
    let row = db::ticket::take(conn, &hash(ticket)).await?.filter(|row| row.kind == kind).ok_or_else(refused)?;
    let guest = db::guest::get(conn, row.guest_id).await?.ok_or_else(refused)?;
    if guest.id.to_string() != ident && guest.name != ident {
        return Err(refused());
    }
    let caller = match (row.token_hash, row.caller, row.ends_at) {
        (Some(digest), ..) => {
            let holder = token::holder_of(conn, &digest).await?.ok_or_else(refused)?;
            Caller::of_holder(holder, digest, source, request_id)
        }
        (None, Some(caller), Some(until)) => {
            Caller { source, proof: Proof::Foreign { until }, ..Caller::from_json(&caller, request_id) }
        }
        _ => return Err(refused()),
    };
    // One of another identity server may have ended meanwhile.
    Ok((caller.again(conn).await?, guest))
}
