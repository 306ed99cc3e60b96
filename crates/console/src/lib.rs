//! The web console, as files: what `make web` builds from `web/` into `web/dist` is embedded in the program, or read from a folder.
//!
//! * [`files`]: where files come from, their digests and compressed forms;
//! * [`answer`]: one file as an answer: what may be cached, which form, which headers;
//! * [`headers`]: what a browser is told not to do;
//! * `unbuilt.html`: what stands there instead when nothing was built.
//!
//! [`routes`] is all that a program needs. Nothing here knows of the API or of log-ins: the files are the same for everybody.

mod answer;
mod files;
mod headers;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

pub use files::{Files, NoConsole};
pub use headers::CONTENT_SECURITY_POLICY;

/// Where the console lives.
pub const BASE: &str = "/ui/";

/// `/ui/` with all that is beneath it, and `/`, which leads a browser there.
pub fn routes<S>(files: Files) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let files = Arc::new(files);
    let page = {
        let files = files.clone();
        move |headers: HeaderMap| async move { answer::page(&files, &headers).await }
    };
    let file =
        move |Path(path): Path<String>, headers: HeaderMap| async move { answer::file(&files, &path, &headers).await };
    Router::new()
        .route("/", get(root))
        .route("/ui", get(|| async { Redirect::temporary(BASE) }))
        .route(BASE, get(page))
        .route("/ui/{*path}", get(file))
        .route_layer(map_response(headers::protect))
}

/// A browser goes to the console. A program that asks for nothing is told so, as everywhere.
async fn root(headers: HeaderMap) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds =
        accepts.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim());
    let vary = [(header::VARY, HeaderValue::from_static("accept"))];
    if kinds.any(|kind| kind.eq_ignore_ascii_case("text/html")) {
        (vary, Redirect::temporary(BASE)).into_response()
    } else {
        (vary, StatusCode::NOT_FOUND).into_response()
    }
}
