//! Who is calling, and may they.
//!
//! * [`Caller`]: the outcome of authentication, an extractor; a handler that takes none serves everybody;
//! * [`token`]: opaque random tokens, stored as digests;
//! * [`password`]: argon2, off the async threads, with a short cache;
//! * [`bootstrap`]: the first administrator;
//! * [`keystone`]: `POST /v3/auth/tokens` in the shape that upstream's command line sends.

pub mod bootstrap;
pub mod keystone;
pub mod password;
pub mod token;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::net::SocketAddr;
use types::UserId;

use api::ErrorClass;
use api::identity::AUTH_TOKEN;

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::layers::RequestId;

pub use password::Authority;

/// Who is calling. Made by authentication only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    pub user: String,
    pub project: String,
    pub role: String,
    /// The address the request came from.
    pub source: Option<String>,
    pub request_id: String,
}

impl Caller {
    /// The service itself, for what it does of its own accord.
    #[must_use]
    pub fn service(request_id: String) -> Self {
        Self {
            user_id: UserId::from_uuid(uuid::Uuid::nil()),
            user: "lifeboat".into(),
            project: "system".into(),
            role: "admin".into(),
            source: None,
            request_id,
        }
    }

    /// Lets the caller through, or says what is missing. `rule` is like `server_perform_start_rescue`.
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, rule: &str) -> Result<()> {
        if self.role == "admin" {
            return Ok(());
        }
        Err(Error::new(ErrorClass::Forbidden, format!("{rule} is not allowed to role '{}'", self.role)))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let token = presented(parts)?;
        let source = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string());
        let request_id = parts.extensions.get::<RequestId>().map(|r| r.0.clone()).unwrap_or_default();
        let mut conn = app.pool.get().await?;
        let user = token::user(&mut conn, &token).await?;
        let (user, _) = user.ok_or_else(|| unauthorized("the token is unknown or expired: log in again"))?;
        Ok(Self { user_id: user.id, user: user.name, project: user.project, role: user.role, source, request_id })
    }
}

fn presented(parts: &Parts) -> Result<types::Secret> {
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::trim).map(types::Secret::new);
    let bearer = || {
        let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| types::Secret::new(token.trim()))
    };
    parts.headers.get(AUTH_TOKEN).and_then(text).or_else(bearer).filter(|token| !token.is_empty()).ok_or_else(|| {
        unauthorized("no token: send X-Auth-Token, or Authorization: Bearer, with one from POST /v3/auth/tokens")
    })
}

pub(crate) fn unauthorized(details: &str) -> Error {
    Error::new(ErrorClass::Unauthorized, details)
}
