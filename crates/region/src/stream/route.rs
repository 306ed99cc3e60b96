//! The request: `GET /stream?resource=servers,tasks&id=...`.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use db::change::Position;
use db::guest::Guest;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use super::feed::Limits;
use super::item::Kind;
use super::listener::{self, Listener};
use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::query::{Query, short};
use crate::dispatch::{Model, Registry};
use crate::error::{Error, Result};
use crate::http::openapi::Operation;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

pub fn register(registry: &mut Registry) {
    let parameters = [
        (
            "resource",
            "Of servers, tasks, events, those that are wanted, with commas between them; else all that you may see",
        ),
        (
            "id",
            "Only what concerns this server, task or object; several with commas between them; a server also by name",
        ),
    ];
    let about = "Changes as they commit, as server-sent events: `server`, `task`, `event` with what GET answers; `ready` when all that was \
        missed has been sent; `reset`: list again; `error`: why it ends. Resumes after Last-Event-ID";
    registry.document("/stream", &Method::GET, Operation::stream("stream", about, &parameters));
    registry.merge(Router::new().route("/stream", get(open)));
}

async fn open(State(app): State<App>, caller: Caller, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let named = kinds(&query)?;
    let kinds = if named.is_empty() { Kind::ALL.to_vec() } else { named.clone() };
    let rights = listener::rights(&app, &caller, &kinds, !named.is_empty()).await?;
    let since = since(&parts.headers, &query)?;
    let ids = ids(&app, &caller, &query).await?;
    let limits = &app.config.stream;
    let limits = Limits { per_token: limits.max_per_token, in_all: limits.max_streams };
    let place = app.feed.admit(token(&parts.headers), limits).ok_or_else(|| {
        let details = format!(
            "too many streams are open: at most {} by one token, {} in all; close one",
            limits.per_token, limits.in_all
        );
        Error::new(api::ErrorClass::TooManyRequests, details).retry_after(Duration::from_secs(5))
    })?;
    let unavailable =
        || Error::new(api::ErrorClass::ServiceUnavailable, "changes can't be read now; try again in a moment");
    let subscription = app.feed.subscribe().await.ok_or_else(unavailable)?;
    let (out, events) = mpsc::channel(16);
    let keep_alive = Duration::from_secs(u64::from(app.config.stream.keep_alive_s).max(1));
    // An event and no comment: a browser's page hears it, and knows by its lack that the connection is dead.
    let alive = Event::default().event("alive").data("{}");
    let listener = Listener { app, parts, rights, checked: Instant::now(), ids, out, place };
    tokio::spawn(listener.run(subscription, since));
    let stream = ReceiverStream::new(events).map(Ok::<_, std::convert::Infallible>);
    let mut response = Sse::new(stream).keep_alive(KeepAlive::new().interval(keep_alive).event(alive)).into_response();
    // Proxies that gather answers before they pass them on are asked not to.
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    Ok(response)
}

fn list<'q>(query: &'q Query, key: &str) -> Vec<&'q str> {
    query
        .many(key)
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect()
}

fn kinds(query: &Query) -> Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    for word in list(query, "resource") {
        let kind = Kind::of(word).ok_or_else(|| {
            let allowed = Kind::ALL.map(Kind::plural).join(", ");
            Error::input(format!("resource: '{}': allowed are {allowed}", short(word)))
        })?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

async fn ids(app: &App, caller: &Caller, query: &Query) -> Result<Vec<Uuid>> {
    let given = list(query, "id");
    if given.len() > 100 {
        return Err(Error::input("id: at most 100 are allowed"));
    }
    let mut ids = Vec::with_capacity(given.len());
    for ident in given {
        ids.push(match ident.parse() {
            Ok(id) => id,
            Err(_) => {
                let missing = || Error::not_found("server", ident);
                let mut conn = app.pool.get().await?;
                let rule = listener::rule(Kind::Servers);
                let access = app.policies.access(&mut conn, caller, &rule).await?.ok_or_else(missing)?;
                let guest = Guest::find_within(&mut conn, ident, &access).await?;
                if !access.reaches(Some(&guest.project)) {
                    return Err(missing());
                }
                guest.id.uuid()
            }
        });
    }
    Ok(ids)
}

/// A browser sends the header by itself when it connects again; the parameter is for everybody else.
fn since(headers: &axum::http::HeaderMap, query: &Query) -> Result<Option<Position>> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.or(query.one("last_event_id")).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = |()| Error::input(format!("Last-Event-ID: '{}' is no id of this stream", short(text)));
    text.parse().map(Some).map_err(wrong)
}

/// The token's digest: who it is does not matter here.
fn token(headers: &axum::http::HeaderMap) -> Vec<u8> {
    let token = headers.get(AUTH_TOKEN).or_else(|| headers.get(header::AUTHORIZATION));
    Sha256::digest(token.map(axum::http::HeaderValue::as_bytes).unwrap_or_default()).to_vec()
}
