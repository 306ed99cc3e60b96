//! A server's serial console and its screen: `GET /servers/{id}/console` and `/vnc`, upgraded to a WebSocket (RFC 6455), binary frames both ways.

use api::Resource;
use api::server::Servers;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use reqwest::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::error::Error;
use crate::path::path;
use crate::rest::Client;
use crate::transport::{foreign, read};

/// An open console.
pub struct Console(WebSocketStream<Upgraded>);

impl Client {
    /// Opens the serial console of a server.
    ///
    /// # Errors
    /// [`Error`]; the service's own where it does not open one (unknown server, server is off).
    pub async fn console(&self, id: &str) -> Result<Console, Error> {
        self.open(id, "console", &[("mode", "serial")]).await
    }

    /// Opens the screen of a server: bytes of the VNC protocol (RFC 6143).
    ///
    /// # Errors
    /// As [`Client::console`].
    pub async fn screen(&self, id: &str) -> Result<Console, Error> {
        self.open(id, "vnc", &[]).await
    }

    async fn open(&self, id: &str, which: &str, query: &[(&str, &str)]) -> Result<Console, Error> {
        let path = path(&[Servers::PLURAL, id, which])?;
        let key = generate_key();
        let response = self
            .send(&path, |stack, url| {
                stack
                    .get(url)
                    .query(query)
                    .header(CONNECTION, "Upgrade")
                    .header(UPGRADE, "websocket")
                    .header(SEC_WEBSOCKET_VERSION, "13")
                    .header(SEC_WEBSOCKET_KEY, &key)
            })
            .await?;
        let (status, url) = (response.status(), response.url().clone());
        if status != StatusCode::SWITCHING_PROTOCOLS {
            read(response).await?;
            return Err(foreign(&url, status.as_u16(), "it does not upgrade to a WebSocket".into()));
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(foreign(&url, 101, "its Sec-WebSocket-Accept does not fit the key".into()));
        }
        let upgraded = response.upgrade().await.map_err(|e| Error::Console(e.to_string()))?;
        Ok(Console(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await))
    }
}

impl Console {
    /// Types.
    ///
    /// # Errors
    /// [`Error::Console`] when the connection is gone.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.0.send(Message::Binary(bytes.into())).await.map_err(lost)
    }

    /// What the server printed next; `None` once the other end has closed in order. May be dropped at any point without loss.
    ///
    /// # Errors
    /// [`Error::Console`] with the reason that the other end gave, or when the connection is gone.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        use tungstenite::protocol::frame::coding::CloseCode;
        while let Some(message) = self.0.next().await {
            match message.map_err(lost)? {
                Message::Binary(bytes) => return Ok(Some(bytes)),
                Message::Text(text) => return Ok(Some(text.into())),
                Message::Close(Some(frame)) if frame.code != CloseCode::Normal && frame.code != CloseCode::Away => {
                    return Err(Error::Console(match frame.reason.as_str() {
                        "" => format!("closed by the service (code {})", frame.code),
                        reason => format!("closed by the service: {reason}"),
                    }));
                }
                Message::Close(_) => return Ok(None),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(None)
    }

    /// Says good-bye. What was typed before has been handed over.
    pub async fn close(mut self) {
        // The other end may be gone: then there is nobody to say it to.
        let _ = self.0.close(None).await;
    }
}

fn lost(error: tungstenite::Error) -> Error {
    Error::Console(format!("the connection was lost: {error}"))
}
