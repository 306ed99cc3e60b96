//! The HTTP side: boot files, and what operators ask.
//!
//! `/tftp/<path>` the tree as TFTP serves it, `/images/<name>/<file>` the same files shorter, `/artifacts/sha256/<digest>` by content;
//! `/healthz` as long as the process answers, `/readyz` when all images passed their check, `/metrics`.

use std::io::{Seek, SeekFrom};
use std::sync::Arc;

use artifact::Digest;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::range::{Part, part};
use crate::root::RootError;
use crate::tree::{Content, Tree};

/// For a path, which may lead to other content tomorrow.
const REVALIDATE: &str = "no-cache";
/// For a digest, which can't.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Bytes read at a time for a body.
const CHUNK: usize = 256 * 1024;

pub fn router(tree: Arc<Tree>) -> Router {
    Router::new()
        .route("/tftp/{*path}", get(by_path))
        .route("/images/{*path}", get(by_path))
        .route("/artifacts/sha256/{digest}", get(by_digest))
        .route("/readyz", get(readyz))
        .with_state(tree)
        .merge(service::metrics::routes())
        .fallback(async || (StatusCode::NOT_FOUND, "nothing is served here\n"))
}

/// The raw path is taken, because a file's name need not be UTF-8.
async fn by_path(State(tree): State<Arc<Tree>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix("/tftp/").unwrap_or_else(|| uri.path());
    let Some(name) = percent_decode(path) else {
        return (StatusCode::BAD_REQUEST, "the path holds a '%' without two hex digits\n").into_response();
    };
    let shown = tftp::packet::printable(&name);
    serve(&shown, move || tree.open(&name), &method, &headers, REVALIDATE).await
}

async fn by_digest(State(tree): State<Arc<Tree>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let text = uri.path().rsplit('/').next().unwrap_or_default();
    match text.parse::<Digest>() {
        Ok(digest) => serve(text, move || tree.artifact(digest), &method, &headers, FOR_EVER).await,
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn serve(
    shown: &str,
    open: impl FnOnce() -> Result<Content, RootError> + Send + 'static,
    method: &Method,
    headers: &HeaderMap,
    cache: &str,
) -> Response {
    let opened = tokio::task::spawn_blocking(open).await;
    let opened = opened.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()));
    let (status, response) = match opened {
        Ok(content) => match answer(content, headers, cache) {
            Ok(response) => (response.status(), response),
            Err(error) => failed(shown, &error.into()),
        },
        Err(error) => failed(shown, &error),
    };
    tracing::debug!(%method, file = shown, status = status.as_u16(), "boot file asked for by HTTP");
    metrics::counter!("baremetal_agent_http_files_total", "status" => status.as_u16().to_string()).increment(1);
    response
}

/// What exists but may not be read looks like what does not exist.
fn failed(shown: &str, error: &RootError) -> (StatusCode, Response) {
    let status = match error {
        RootError::NotFound => StatusCode::NOT_FOUND,
        RootError::Denied(reason) => {
            tracing::warn!(file = shown, reason, "HTTP request refused");
            StatusCode::NOT_FOUND
        }
        RootError::Io(error) => {
            tracing::error!(file = shown, %error, "a boot file can't be read");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let text = if status == StatusCode::NOT_FOUND { "no such file\n" } else { "the file can't be read\n" };
    (status, (status, text).into_response())
}

fn answer(content: Content, headers: &HeaderMap, cache: &str) -> std::io::Result<Response> {
    let size = content.size();
    let (etag, kind) = match &content {
        Content::File { digest: Some(digest), .. } => (format!("\"{digest}\""), OCTETS),
        Content::File { mark, .. } => (mark.etag(), OCTETS),
        Content::Bytes(bytes) if bytes.starts_with(b"{") => (format!("\"{}\"", Digest::of(bytes)), "application/json"),
        Content::Bytes(bytes) => (format!("\"{}\"", Digest::of(bytes)), "text/plain; charset=utf-8"),
    };
    let part = part(headers, &etag, size);
    let (status, first, length) = match part {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Range { first, length } => (StatusCode::PARTIAL_CONTENT, first, length),
        Part::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        Part::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
        Part::Precondition => (StatusCode::PRECONDITION_FAILED, 0, 0),
    };
    let body = match (content, length) {
        (_, 0) => Body::empty(),
        (Content::Bytes(bytes), _) => Body::from(bytes.slice(position(first)..position(first + length))),
        (Content::File { mut file, .. }, _) => {
            file.seek(SeekFrom::Start(first))?;
            // Exactly as long as announced: a file that shrinks meanwhile breaks the connection, and does not look whole.
            Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(length), CHUNK))
        }
    };
    let mut response = (status, body).into_response();
    let out = response.headers_mut();
    let mut set = |name, value: &str| HeaderValue::from_str(value).map(|value| out.insert(name, value)).is_ok();
    set(header::ETAG, &etag);
    set(header::CACHE_CONTROL, cache);
    set(header::ACCEPT_RANGES, "bytes");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    match part {
        Part::Whole | Part::Range { .. } => {
            set(header::CONTENT_TYPE, kind);
            set(header::CONTENT_LENGTH, &length.to_string());
        }
        Part::Beyond | Part::NotModified | Part::Precondition => {}
    }
    match part {
        Part::Range { .. } => set(header::CONTENT_RANGE, &format!("bytes {first}-{}/{size}", first + length - 1)),
        Part::Beyond => set(header::CONTENT_RANGE, &format!("bytes */{size}")),
        Part::Whole | Part::NotModified | Part::Precondition => true,
    };
    Ok(response)
}

const OCTETS: &str = "application/octet-stream";

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// `None`: a percent sign without two hex digits.
fn percent_decode(path: &str) -> Option<Vec<u8>> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            decoded.extend(types::rescue::unhex(std::str::from_utf8(&pair).ok()?)?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(percent_decode("a%2Fb%00").unwrap(), b"a/b\0");
        assert_eq!(percent_decode("%252e").unwrap(), b"%2e");
        for wrong in ["%", "%2", "%zz", "a%"] {
            assert_eq!(percent_decode(wrong), None, "{wrong}");
        }
    }
}
