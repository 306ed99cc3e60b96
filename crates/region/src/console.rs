//! `GET /servers/{id}/console`: the serial console, as a WebSocket whose binary frames are the bytes of the line, both ways. Region passes
//! them on between the caller and the server's host; what the console showed last comes first.

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use db::guest::Guest;
use futures::{SinkExt, StreamExt};
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::Model;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::policy::Rule;

pub fn routes() -> Router<App> {
    Router::new().route("/servers/{id}/console", get(open))
}

async fn open(
    State(app): State<App>,
    caller: Caller,
    Path(ident): Path<String>,
    upgrade: std::result::Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response> {
    let mut conn = app.pool.get().await?;
    let guest = Guest::find(&mut conn, &ident).await?;
    let rule = |action, extra| Rule { service: "compute", resource: "servers", word: "server", action, extra };
    let seen = app.policies.access(&mut conn, &caller, &rule("get", None)).await?;
    if !seen.is_some_and(|access| access.reaches(Some(&guest.project))) {
        return Err(Error::not_found("server", &ident));
    }
    // A console writes: whoever may only look may not open one.
    app.policies.require(&mut conn, &caller, &rule("perform", Some("console"))).await?;
    let upgrade =
        upgrade.map_err(|e| Error::input(format!("the console is a WebSocket: {e}; use climc server-console")))?;
    let host = db::host::get(&mut conn, guest.host_id).await?;
    let host = host.ok_or_else(|| Error::status(format!("the host of server '{}' is gone", guest.name)))?;
    let client = app.hosts.client(&host).map_err(Error::internal)?;
    let note = Note {
        obj_type: super::guest::OBJECT,
        obj_id: guest.id.uuid(),
        obj_name: &guest.name,
        action: "console",
        success: true,
        notes: "opened the serial console".into(),
        status: None,
        task: None,
    };
    let event = note.of(&caller.user, caller.project_name(), caller.source.clone(), Some(caller.request_id.clone()));
    db::event::insert(&mut conn, &event).await?;
    drop(conn);
    Ok(upgrade.on_upgrade(move |socket| pass(socket, client, guest.id.to_string())))
}

/// Until either side ends.
async fn pass(socket: WebSocket, mut client: HostServiceClient<Channel>, guest_id: String) {
    let (to_host, inputs) = mpsc::channel::<pb::ConsoleInput>(32);
    let (mut to_caller, mut from_caller) = socket.split();
    let _ = to_host.send(pb::ConsoleInput { guest_id, data: Vec::new() }).await;
    let mut outputs = match client.console(ReceiverStream::new(inputs)).await {
        Ok(outputs) => outputs.into_inner(),
        Err(status) => {
            // RFC 6455, section 7.4.1: 1011 is a server that can't do what it was asked; a reason has at most 123 bytes.
            let reason: String =
                format!("the host does not open the console: {}", status.message()).chars().take(100).collect();
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
