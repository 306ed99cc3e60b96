//! A real HTTP server on loopback that misbehaves as told, and keeps what it was asked.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;

/// What a path answers.
#[derive(Clone, Debug)]
pub enum Way {
    /// As it should be: ranges, entity tag.
    Well(Bytes),
    /// Whole, whatever range was asked for.
    Whole(Bytes),
    Status(u16),
    Redirect(String),
    /// Announces everything and closes after so many bytes (of the range that was asked for).
    CutAfter(Bytes, usize),
    /// Sends so many bytes, then nothing more, and never closes.
    HangAfter(Bytes, usize),
    /// Without a length, and properly ended too early.
    Short(Bytes),
    /// Without a length; more than there should be.
    Endless,
    /// Answers 206 with another range than was asked for.
    OtherRange(Bytes),
    /// The first answers by this, later ones by the next.
    Then(Vec<Way>),
    /// Well, but not before [`Server::release`].
    Gated(Bytes),
}

pub struct Server {
    pub endpoint: String,
    inner: Arc<Inner>,
}

pub struct Inner {
    ways: Mutex<HashMap<String, Way>>,
    asked: Mutex<Vec<Asked>>,
    gate: tokio::sync::watch::Sender<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub range: Option<String>,
    pub if_range: Option<String>,
}

impl Server {
    pub async fn start() -> Self {
        let gate = tokio::sync::watch::channel(false).0;
        let inner = Arc::new(Inner { ways: Mutex::default(), asked: Mutex::default(), gate });
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, inner }
    }

    pub fn set(&self, path: impl Into<String>, way: Way) {
        self.inner.ways.lock().unwrap().insert(path.into(), way);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    pub fn release(&self) {
        self.inner.gate.send_replace(true);
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let path = head.uri.path().to_owned();
    let get = |name| head.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let asked = Asked { path: path.clone(), range: get(header::RANGE), if_range: get(header::IF_RANGE) };
    inner.asked.lock().unwrap().push(asked);
    let way = {
        let mut ways = inner.ways.lock().unwrap();
        match ways.get_mut(&path) {
            Some(Way::Then(list)) if list.len() > 1 => list.remove(0),
            Some(Way::Then(list)) => list[0].clone(),
            Some(way) => way.clone(),
            None => Way::Status(404),
        }
    };
    let offset = get(header::RANGE).and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    act(&inner, way, offset).await
}

async fn act(inner: &Inner, way: Way, offset: Option<usize>) -> Response {
    match way {
        Way::Well(content) => ranged(&content, offset, Body::from),
        Way::Gated(content) => {
            let _ = inner.gate.subscribe().wait_for(|open| *open).await;
            ranged(&content, offset, Body::from)
        }
        Way::Whole(content) => content.into_response(),
        Way::Status(status) => (StatusCode::from_u16(status).unwrap(), "an error page, not a file").into_response(),
        Way::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Way::CutAfter(content, n) => ranged(&content, offset, |body| {
            let first = body.slice(..n.min(body.len()));
            let parts = [Ok(first), Err(std::io::Error::other("cut off"))];
            // The pause lets the first part leave before the connection breaks.
            Body::from_stream(stream::iter(parts).then(|part| async {
                tokio::task::yield_now().await;
                part
            }))
        }),
        Way::HangAfter(content, n) => ranged(&content, offset, |body| {
            let first = stream::iter([Ok::<_, std::io::Error>(body.slice(..n.min(body.len())))]);
            Body::from_stream(first.chain(stream::pending()))
        }),
        Way::Short(content) => {
            let part = stream::iter([Ok::<_, std::io::Error>(content)]);
            Body::from_stream(part).into_response()
        }
        Way::Endless => {
            let zeros = Bytes::from(vec![0; 8192]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(zeros.clone()))).into_response()
        }
        Way::OtherRange(content) => {
            let range = format!("bytes 0-{}/{}", content.len() - 1, content.len());
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], content).into_response()
        }
        Way::Then(_) => unreachable!("taken apart before"),
    }
}

fn ranged(content: &Bytes, offset: Option<usize>, body: impl FnOnce(Bytes) -> Body) -> Response {
    let mut headers = HeaderMap::new();
    let (status, part) = match offset {
        Some(offset) if offset < content.len() => {
            let range = format!("bytes {offset}-{}/{}", content.len() - 1, content.len());
            headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
            (StatusCode::PARTIAL_CONTENT, content.slice(offset..))
        }
        _ => (StatusCode::OK, content.clone()),
    };
    headers.insert(header::CONTENT_LENGTH, part.len().into());
    (status, headers, body(part)).into_response()
}
