//! What is no file: health, readiness, metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::StatusCode;
use serde_json::json;
use tower::ServiceExt;

use crate::http::files::{Answer, Body};
use crate::http::head::{AnswerHead, Request};
use crate::tree::Tree;

/// Bytes of an answer; metrics are far below.
const MOST: usize = 16 << 20;

pub(crate) fn router(tree: Arc<Tree>) -> Router {
    Router::new().route("/readyz", get(readyz)).with_state(tree).merge(service::metrics::routes("baremetal-agent"))
}

/// Answers one request.
pub(crate) async fn answer(router: &Router, request: &Request) -> Answer {
    let Ok(uri) = hyper::Uri::try_from(request.path.as_slice()) else {
        return Answer::text(StatusCode::NOT_FOUND, "nothing is served here\n");
    };
    // A HEAD is answered like a GET, and its body left away where it is written.
    let mut asked = hyper::Request::new(axum::body::Body::empty());
    *asked.uri_mut() = uri;
    let response = router.clone().oneshot(asked).await.unwrap_or_else(|never| match never {});
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::NOT_FOUND {
        return Answer::text(StatusCode::NOT_FOUND, "nothing is served here\n");
    }
    let Ok(body) = axum::body::to_bytes(body, MOST).await else {
        return Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too long\n");
    };
    let mut head = AnswerHead::new(parts.status);
    if let Some(kind) = parts.headers.get(hyper::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) {
        head.header("content-type", kind);
    }
    head.header("content-length", body.len()).header("cache-control", "no-store");
    Answer { status: parts.status, head, body: Body::Bytes(body) }
}

async fn readyz(State(tree): State<Arc<Tree>>) -> Response {
    let catalogue = tree.catalogue();
    let verified: Vec<_> = catalogue
        .images
        .values()
        .map(|image| json!({"name": image.manifest.name, "version": image.manifest.version, "serial": image.manifest.serial}))
        .collect();
    let ready = catalogue.rejected.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": ready, "images": verified, "rejected": catalogue.rejected}))).into_response()
}
