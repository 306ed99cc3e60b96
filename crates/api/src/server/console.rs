//! Tickets for consoles.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::Secret;
use types::status::ConsoleKind;

use super::Servers;
use crate::action::Action;

/// `POST /servers/{id}/console-ticket`: what opens a console once, without a token. For browsers, whose WebSockets can't send one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleTicket {
    /// `console`, the serial line, or `vnc`, the screen.
    pub kind: ConsoleKind,
}
impl Action for ConsoleTicket {
    type On = Servers;
    type Extra = TicketAccess;
    const NAME: &'static str = "console-ticket";
    const SUMMARY: &'static str = "Get a ticket that opens a server's console once, within a minute";
    fn forget_secrets(_: TicketAccess) -> TicketAccess {
        TicketAccess::default()
    }
}

/// What console-ticket answers beside the server. A repeat of the request does not show it again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TicketAccess {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<TicketFor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TicketFor {
    pub kind: ConsoleKind,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ticket: Secret,
    /// Where to open the WebSocket, on this service: the ticket is in it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub path: Secret,
    pub expires_at: DateTime<Utc>,
    /// What this console shows is kept, for auditors; the terminal says so too.
    pub recording: bool,
}
