//! What each request passes before anything looks at it: a session's cookie becomes the token it holds, if the request may use it.
//!
//! | request | with the cookie |
//! |---|---|
//! | has a token in a header | the cookie counts for nothing |
//! | changes nothing (GET, HEAD, OPTIONS) | counts, unless a foreign page sends it |
//! | may change something | 403 from a foreign page, 403 without the session's `X-CSRF-Token` |
//!
//! The console's files need no session, and `/v3/auth/tokens` takes none: it tells tokens, and this one is nobody's to read.

use api::ErrorClass;
use api::identity::AUTH_TOKEN;
use api::session::CSRF_HEADER;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::cookie::{self, Held};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::via::Via;

/// The token that the request's cookie held. Whoever finds it among a request's extensions knows that a browser's session authorised it.
#[derive(Debug, Clone)]
pub struct BySession(pub Held);

pub async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match taken(&app, &request) {
        Ok(Some(held)) => {
            let Ok(mut value) = HeaderValue::from_str(held.token.expose()) else { return next.run(request).await };
            value.set_sensitive(true);
            request.headers_mut().insert(AUTH_TOKEN, value);
            request.extensions_mut().insert(BySession(held));
            next.run(request).await
        }
        Ok(None) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The token that the request may use.
fn taken(app: &App, request: &Request) -> Result<Option<Held>> {
    let (headers, path) = (request.headers(), request.uri().path());
    let with_token = headers.contains_key(AUTH_TOKEN) || headers.contains_key(header::AUTHORIZATION);
    let takes_none = path.starts_with(web_console::BASE) || path.starts_with("/v3/") || path == "/auth/login";
    if with_token || takes_none {
        return Ok(None);
    }
    let via = Via::of(request);
    let Some(held) = cookie::held(headers, via.secure) else { return Ok(None) };
    let own = from_own_page(app, via, headers);
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(own.is_ok().then_some(held));
    }
    own?;
    if !cookie::has_csrf(headers, &held.token) {
        let details = if headers.contains_key(CSRF_HEADER) {
            "X-CSRF-Token: is not this session's: take `csrf` of GET /auth/session"
        } else {
            "X-CSRF-Token: is missing: a request that a cookie authorises carries `csrf` of GET /auth/session"
        };
        return Err(Error::new(ErrorClass::Forbidden, details));
    }
    Ok(Some(held))
}

/// Whether a page of ours sent this, as far as the request tells. A program that is no browser tells nothing, and is none to be misled.
///
/// # Errors
/// 403: a foreign page did.
pub fn from_own_page(app: &App, via: &Via, headers: &HeaderMap) -> Result<()> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign = |which: &str| {
        let details = format!(
            "a page of another origin ({which}) may not do this: open the console at region's own address; behind a proxy, \
             see http.public_url and web.origins in region's configuration"
        );
        Err(Error::new(ErrorClass::Forbidden, details))
    };
    if let Some(origin) = text("origin") {
        let listed =
            app.config.web.origins.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin));
        if !listed && !via.is_origin(origin) {
            return foreign(&origin.chars().take(100).collect::<String>());
        }
        return Ok(());
    }
    match text("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => foreign("Sec-Fetch-Site"),
    }
}
