//! `GET /servers/{id}/console` and `/vnc`: the serial console and the screen, each as a WebSocket whose binary frames are bytes, both ways.
//! Region passes them on between the caller and the server's host. The console begins with what it showed last; the screen speaks the VNC
//! protocol (RFC 6143) from its first byte.
//!
//! * [`open`](self): the request: from where, by whom, to which host;
//! * [`ticket`]: for a caller that can send no token: good once, for a minute, as the subprotocol `ticket.TICKET` beside `binary`;
//! * [`rights`]: who may, asked again while it is open;
//! * [`relay`]: the bytes, until either side ends, or the rights do;
//! * [`buffer`]: what stands between a host and a reader that is slower;
//! * [`places`]: how many may be open at once;
//! * [`record`], [`cast`], [`recordings`]: what consoles of servers in rescue showed, for auditors.

mod buffer;
mod cast;
mod places;
mod record;
pub mod recordings;
mod relay;
mod rights;
mod ticket;

use std::time::Duration;

use api::ErrorClass;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::status::ConsoleKind;

use crate::app::App;
use crate::auth::browser::guard::from_own_page;
use crate::auth::{self, Caller};
use crate::error::{Error, Result};
use crate::http::layers::RequestId;
use crate::http::via::Via;
use places::Places;
pub use record::SILENT as RECORDER_SILENT;
use relay::Relay;

/// Bytes of one message from a caller: what is typed, pasted, or clicked.
const LONGEST: usize = 1024 * 1024;

pub fn routes() -> Router<App> {
    let of = |kind: ConsoleKind| {
        get(
            async move |State(app): State<App>,
                        Path(ident): Path<String>,
                        Query(query): Query<Ticketed>,
                        request: Request| { open(app, kind, ident, query.ticket, request).await },
        )
    };
    Router::new()
        .route("/servers/{id}/console", of(ConsoleKind::Console))
        .route("/servers/{id}/vnc", of(ConsoleKind::Vnc))
}

#[derive(Deserialize)]
struct Ticketed {
    ticket: Option<String>,
}

/// The consoles that are open at this process.
#[derive(Debug, Clone, Default)]
pub struct Consoles {
    stop: CancellationToken,
    open: TaskTracker,
    places: Places,
}

impl Consoles {
    /// Tells all callers to come again, and waits until it is written down that they left.
    pub async fn end(&self, patience: Duration) {
        self.stop.cancel();
        self.open.close();
        let _ = tokio::time::timeout(patience, self.open.wait()).await;
    }
}

async fn open(
    app: App,
    kind: ConsoleKind,
    ident: String,
    ticket: Option<String>,
    request: Request,
) -> Result<Response> {
    let via = Via::of(&request).clone();
    let (mut parts, _) = request.into_parts();
    if parts.headers.contains_key(header::ORIGIN) {
        from_own_page(&app, &via, &parts.headers)?;
    }
    let caller = Caller::from_request_parts(&mut parts, &app).await;
    let mut conn = app.pool.get().await?;
    let (caller, guest) = match (ticket_protocol(&parts.headers).or(ticket), caller) {
        (Some(ticket), caller) => {
            let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            let (holder, guest) =
                ticket::redeem(&ticket, &ident, kind, auth::source(&parts), request_id, &mut conn).await?;
            if caller.is_ok_and(|caller| caller.user_id != holder.user_id) {
                let details = "ticket: was made for another user than the one who is logged in: get another";
                return Err(Error::new(ErrorClass::Forbidden, details));
            }
            // It may be a minute old.
            let guest = rights::allowed(&app, &holder, &guest.id.to_string(), kind, &mut conn).await?;
            (holder, guest)
        }
        (None, caller) => {
            let caller = caller?;
            let guest = rights::allowed(&app, &caller, &ident, kind, &mut conn).await?;
            (caller, guest)
        }
    };
    let limits = &app.config.console;
    let place = app.consoles.places.take(caller.user_id, limits).ok_or_else(|| {
        let details = format!(
            "too many consoles are open: at most {} of one user, {} in all; close one",
            limits.max_per_user, limits.max_open
        );
        Error::new(ErrorClass::TooManyRequests, details).retry_after(Duration::from_secs(5))
    })?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let upgrade = upgrade
        .map_err(|e| Error::input(format!("the {kind} is a WebSocket: {e}; use climc {}", kind.command())))?
        .protocols(["binary"])
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST);
    let host = db::host::get(&mut conn, guest.host_id).await?;
    let host = host.ok_or_else(|| Error::status(format!("the host of server '{}' is gone", guest.name)))?;
    let client = app.hosts.console_client(&host).map_err(Error::internal)?;
    let relay = Relay { app, kind, caller, guest, client };
    relay.opened(&mut conn).await?;
    drop(conn);
    let consoles = relay.app.consoles.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let stop = consoles.stop.clone();
        consoles.open.track_future(relay.run(socket, stop)).await;
        drop(place);
    }))
}

/// A ticket among the subprotocols: no path that a proxy may log holds it.
fn ticket_protocol(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let mut offered = values.flat_map(|value| value.split(',')).map(str::trim);
    offered.find_map(|one| one.strip_prefix("ticket.").map(str::to_owned))
}
