//! A WebSocket as a browser opens it: header by header, over a connection of its own.

#![allow(dead_code, reason = "each test needs a part of it")]

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use testing::Stack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// What the other end chose.
    pub protocol: Option<String>,
    /// Bytes that it has shown.
    pub shown: usize,
}

impl Socket {
    /// The refusal, else: its status and its body.
    pub async fn open(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> Result<Self, (u16, Value)> {
        Self::open_at(&stack.base_url(), path, headers).await
    }

    pub async fn open_at(base: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self, (u16, Value)> {
        let host = base.strip_prefix("http://").expect("a base URL");
        let mut stream = TcpStream::connect(host).await.expect("a connection");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream.write_all((request + "\r\n").as_bytes()).await.expect("sent");
        let head = head(&mut stream).await;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let header = |wanted: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
        };
        if status != 101 {
            let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.expect("the body");
            return Err((status, serde_json::from_slice(&body).unwrap_or_default()));
        }
        let protocol = header("sec-websocket-protocol");
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(Self { stream, protocol, shown: 0 })
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.send(Message::Binary(text.to_owned().into())).await.expect("sent");
    }

    /// The head of a binary frame of so many bytes, masked as a client's must be, and none of them (RFC 6455, section 5.2).
    pub async fn begin(&mut self, length: u64) {
        let head = [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        self.stream.get_mut().write_all(&head).await.expect("sent");
    }

    /// All that is shown until this text has been.
    pub async fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let next = tokio::time::timeout(testing::LIMIT, self.stream.next()).await.expect("something is shown");
            match next.expect("it is open").expect("a frame") {
                Message::Binary(data) => {
                    self.shown += data.len();
                    let from = seen.len().saturating_sub(text.len());
                    seen.extend_from_slice(&data);
                    if seen[from..].windows(text.len()).any(|part| part == text.as_bytes()) {
                        return String::from_utf8_lossy(&seen).into_owned();
                    }
                }
                Message::Close(frame) => panic!("closed before '{text}': {frame:?}"),
                _ => {}
            }
        }
    }

    /// The code and the reason, once the other end closes it.
    pub async fn closed(&mut self) -> (u16, String) {
        while let Some(Ok(message)) = self.stream.next().await {
            if let Message::Close(Some(frame)) = message {
                return (frame.code.into(), frame.reason.to_string());
            }
        }
        (1006, "cut".into())
    }

    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.expect("an answer"));
    }
    String::from_utf8(bytes).expect("text")
}
