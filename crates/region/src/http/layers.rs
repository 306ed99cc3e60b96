//! What every request passes, outermost first: an id, a line in the log, what browsers may not do with the answer, the error
//! body, which way it came in, the session of a browser, then
//! limits of how often, of time and of size, then YAML.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::ErrorClass;
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::app::App;
use crate::auth::browser::guard;
use crate::error::Error;
use crate::http::rate::Limits;
use crate::http::span;
use crate::http::via::Trust;

/// Names one request, in its answer, its log lines, its events and its task.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TIMEOUT: Duration = Duration::from_secs(30);

pub fn apply(router: Router, app: &App, trust: Arc<Trust>) -> Router {
    let (body_limit, limits) = (app.config.http.body_limit, Limits::new(&app.config.rate));
    router
        .layer(from_fn(super::yaml::negotiate))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(body_limit, read_body))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(from_fn_with_state(limits, super::rate::limit))
        .layer(from_fn_with_state(app.clone(), guard::admit))
        .layer(from_fn_with_state(trust, super::via::see))
        .layer(from_fn(super::error::finish))
        .layer(map_response(protect))
        .layer(from_fn(identify))
}

/// Reads the whole body before anything looks at it. Of one that is too large the rest is read too, within reason, and thrown away: a
/// caller who is cut off while sending never sees the answer that says why.
async fn read_body(State(limit): State<usize>, request: Request, next: Next) -> Response {
    const PATIENCE: usize = 64 * 1024 * 1024;
    let (parts, body) = request.into_parts();
    let mut stream = body.into_data_stream();
    let (mut kept, mut seen) = (Vec::new(), 0usize);
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else { return Error::input("the body ends before its end").into_response() };
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            kept.extend_from_slice(&chunk);
        } else if seen > PATIENCE {
            break;
        }
    }
    if seen > limit {
        let details = format!("the body is larger than {limit} bytes");
        return Error::new(ErrorClass::PayloadTooLarge, details).into_response();
    }
    next.run(Request::from_parts(parts, Body::from(kept))).await
}

/// What browsers are told of every answer that says nothing of it itself: it is the caller's alone and not to be kept; it is what its type
/// says; it is no page, and stands in no frame. `/docs` is a page, of files of this origin.
async fn protect(mut response: Response) -> Response {
    const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let is_html =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = if is_html { web_console::CONTENT_SECURITY_POLICY } else { NO_PAGE };
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, policy),
        // No page of another site may take it in, as an image or a script.
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn identify(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|id| is_request_id(id))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |p| p.as_str()).to_owned();
    let span = span::of(&request, &id, &route);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span::answered(&span, status);
    metrics::counter!("region_http_requests_total", "route" => route.clone(), "method" => method.to_string(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("region_http_request_seconds", "route" => route, "method" => method.to_string())
        .record(begun.elapsed().as_secs_f64());
    let ms = begun.elapsed().as_millis() as u64;
    tracing::info!(parent: &span, %method, path, status, ms, "request");
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A caller may choose the id, if it can do no harm in a log.
fn is_request_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
