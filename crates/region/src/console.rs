//! `GET /servers/{id}/console` and `/vnc`: the serial console and the screen, each as a WebSocket whose binary frames are bytes, both ways.
//! Region passes them on between the caller and the server's host. The console begins with what it showed last; the screen speaks the VNC
//! protocol (RFC 6143) from its first byte.
//!
//! A caller that can send no token, as a browser, first gets a ticket with one (`POST /servers/{id}/console-ticket`) and comes with
//! `?ticket=`: good once, for a minute.

mod ticket;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use db::Conn;
use db::guest::Guest;
use futures::{SinkExt, StreamExt};
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use types::status::ConsoleKind;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::Model;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

type Upgrade = std::result::Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

pub fn routes() -> Router<App> {
    let of = |kind: ConsoleKind| {
        get(
            async move |State(app): State<App>,
                        caller: Result<Caller>,
                        Path(ident): Path<String>,
                        Query(query): Query<Ticketed>,
                        upgrade: Upgrade| open(app, kind, caller, ident, query.ticket, upgrade).await,
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

const fn rule(action: &'static str, extra: Option<&'static str>) -> Rule {
    Rule { service: "compute", resource: "servers", word: "server", action, extra }
}

/// What a policy says of opening one: whoever may only look may open none, for it writes.
fn opening(kind: ConsoleKind) -> Rule {
    match kind {
        ConsoleKind::Console => rule("perform", Some("console")),
        ConsoleKind::Vnc => rule("perform", Some("vnc")),
    }
}

async fn open(
    app: App,
    kind: ConsoleKind,
    caller: Result<Caller>,
    ident: String,
    ticket: Option<String>,
    upgrade: Upgrade,
) -> Result<Response> {
    let mut conn = app.pool.get().await?;
    let (caller, guest) = match (caller, ticket) {
        (Ok(caller), _) => {
            let guest = allowed(&app, &caller, &ident, kind, &mut conn).await?;
            (caller, guest)
        }
        (Err(_), Some(ticket)) => ticket::redeem(&ticket, &ident, kind, &mut conn).await?,
        (Err(error), None) => return Err(error),
    };
    let upgrade = upgrade
        .map_err(|e| Error::input(format!("the {kind} is a WebSocket: {e}; use climc {}", kind.command())))?
        .protocols(["binary"]);
    let host = db::host::get(&mut conn, guest.host_id).await?;
    let host = host.ok_or_else(|| Error::status(format!("the host of server '{}' is gone", guest.name)))?;
    let client = app.hosts.client(&host).map_err(Error::internal)?;
    let note = Note {
        obj_type: super::guest::OBJECT,
        obj_id: guest.id.uuid(),
        obj_name: &guest.name,
        action: kind.as_str(),
        success: true,
        notes: match kind {
            ConsoleKind::Console => "opened the serial console".into(),
            ConsoleKind::Vnc => "opened the screen".into(),
        },
        status: None,
        task: None,
    };
    let event = note.of(&caller.user, caller.project_name(), caller.source.clone(), Some(caller.request_id.clone()));
    db::event::insert(&mut conn, &event).await?;
    drop(conn);
    Ok(upgrade.on_upgrade(move |socket| pass(socket, client, kind, guest.id.to_string())))
}

/// The server, if the caller may open this console of it.
async fn allowed(app: &App, caller: &Caller, ident: &str, kind: ConsoleKind, conn: &mut Conn) -> Result<Guest> {
    let missing = || Error::not_found("server", ident);
    let seen = app.policies.access(conn, caller, &rule("get", None)).await?.ok_or_else(missing)?;
    let guest = Guest::find_within(conn, ident, &seen).await?;
    let reaches = |access: &Access| access.reaches(Some(&guest.project));
    if !reaches(&seen) {
        return Err(missing());
    }
    let rule = opening(kind);
    let access = app.policies.require(conn, caller, &rule).await?;
    if !reaches(&access) {
        let details = format!("not allowed. require: {rule} in a scope that reaches this server");
        return Err(Error::new(api::ErrorClass::Forbidden, details));
    }
    Ok(guest)
}

/// Until either side ends.
async fn pass(socket: WebSocket, mut client: HostServiceClient<Channel>, kind: ConsoleKind, guest_id: String) {
    let (to_host, inputs) = mpsc::channel::<pb::ConsoleInput>(32);
    let (mut to_caller, mut from_caller) = socket.split();
    let _ = to_host.send(pb::ConsoleInput { guest_id, data: Vec::new() }).await;
    let inputs = ReceiverStream::new(inputs);
    let opened = match kind {
        ConsoleKind::Console => client.console(inputs).await,
        ConsoleKind::Vnc => client.vnc(inputs).await,
    };
    let mut outputs = match opened {
        Ok(outputs) => outputs.into_inner(),
        Err(status) => {
            // RFC 6455, section 7.4.1: 1011 is a server that can't do what it was asked; a reason has at most 123 bytes.
            let reason: String =
                format!("the host does not open the {kind}: {}", status.message()).chars().take(100).collect();
            let _ = to_caller.send(Message::Close(Some(CloseFrame { code: 1011, reason: reason.into() }))).await;
            return;
        }
    };
    let down = async {
        while let Ok(Some(output)) = outputs.message().await {
            if to_caller.send(Message::Binary(output.data.into())).await.is_err() {
                break;
            }
        }
        let _ = to_caller.close().await;
    };
    let up = async {
        while let Some(Ok(message)) = from_caller.next().await {
            let data = match message {
                Message::Binary(data) => data.to_vec(),
                Message::Text(text) => text.as_str().as_bytes().to_vec(),
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            if to_host.send(pb::ConsoleInput { guest_id: String::new(), data }).await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = down => {}, () = up => {} }
}
