//! Who is calling. Whether they may is [`crate::policy`].
//!
//! * [`Caller`]: the outcome of authentication, an extractor; a handler that takes none serves everybody;
//! * [`browser`]: sessions of browsers, by a cookie;
//! * [`oidc`]: tokens of other identity servers;
//! * [`token`]: opaque random tokens, stored as digests;
//! * [`password`]: argon2, off the async threads, with a short cache;
//! * [`attempts`]: failed log-ins are slowed down;
//! * [`bootstrap`]: the first administrator;
//! * [`keystone`]: `/v3/auth/tokens` in the shape that upstream's command line sends.

pub mod attempts;
pub mod bootstrap;
pub mod browser;
pub mod keystone;
pub mod oidc;
pub mod password;
pub mod token;

use std::net::SocketAddr;

use api::ErrorClass;
use api::identity::AUTH_TOKEN;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use db::Conn;
use db::identity::Holder;
use serde_json::{Value, json};
use types::{Secret, UserId};

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::layers::RequestId;
use crate::http::span;

pub use password::Authority;

/// Which project a token of another identity server is used in, where its claims give several: a key, as `name` or `domain/name`.
pub const PROJECT: &str = "x-project";

/// Who is calling. Made by authentication only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    /// By key: `name`, or `domain/name` outside of the domain Default.
    pub user: String,
    /// The project the token is scoped to, by key, and its domain.
    pub project: Option<String>,
    pub domain: Option<String>,
    /// The roles in that project.
    pub roles: Vec<String>,
    /// The address the request came from.
    pub source: Option<String>,
    pub request_id: String,
    pub proof: Proof,
}

/// What a caller was believed for; by it what stays open for long asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The digest of a token of ours: whether it still holds is in the database.
    Token(Vec<u8>),
    /// A token of another identity server: it holds until then.
    Foreign { until: DateTime<Utc> },
    /// The service's own word.
    Own,
}

impl Caller {
    /// The service itself, for what it does of its own accord.
    #[must_use]
    pub fn service(request_id: String) -> Self {
        Self {
            user_id: UserId::from_uuid(uuid::Uuid::nil()),
            user: "lifeboat".into(),
            project: Some(bootstrap::PROJECT.into()),
            domain: None,
            roles: vec!["admin".into()],
            source: None,
            request_id,
            proof: Proof::Own,
        }
    }

    /// Whoever holds a token of ours.
    #[must_use]
    pub fn of_holder(holder: Holder, digest: Vec<u8>, source: Option<String>, request_id: String) -> Self {
        Self {
            user_id: holder.user.id,
            user: holder.user.key(),
            domain: holder.project.as_ref().map(|p| p.domain.clone()),
            project: holder.project.map(|p| p.key()),
            roles: holder.roles,
            source,
            request_id,
            proof: Proof::Token(digest),
        }
    }

    /// The same caller now: with the roles of now.
    ///
    /// # Errors
    /// 401: the token has ended.
    pub async fn again(&self, conn: &mut Conn) -> Result<Self> {
        let ended = || unauthorized("the session has ended: log in again");
        match &self.proof {
            Proof::Token(digest) => {
                let holder = token::holder_of(conn, digest).await?.ok_or_else(ended)?;
                Ok(Self::of_holder(holder, digest.clone(), self.source.clone(), self.request_id.clone()))
            }
            Proof::Foreign { until } if *until <= Utc::now() => Err(ended()),
            Proof::Foreign { .. } | Proof::Own => Ok(self.clone()),
        }
    }

    /// As a task keeps who started it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "user_id": self.user_id, "user": self.user, "project": self.project_name(), "domain": self.domain,
            "roles": self.roles, "source": self.source,
        })
    }

    /// Whoever started a task, for what the task does in that name.
    #[must_use]
    pub fn from_json(who: &Value, request_id: String) -> Self {
        let text = |key: &str| who.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            user_id: text("user_id").and_then(|id| id.parse().ok()).unwrap_or(UserId::from_uuid(uuid::Uuid::nil())),
            user: text("user").unwrap_or_default(),
            project: text("project").filter(|p| !p.is_empty()),
            domain: text("domain"),
            roles: who.get("roles").cloned().and_then(|r| serde_json::from_value(r).ok()).unwrap_or_default(),
            source: text("source"),
            request_id,
            proof: Proof::Own,
        }
    }

    /// For events: the project, or nothing.
    #[must_use]
    pub fn project_name(&self) -> &str {
        self.project.as_deref().unwrap_or_default()
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let token = presented(parts)?;
        let source = source(parts);
        let request_id = parts.extensions.get::<RequestId>().map(|r| r.0.clone()).unwrap_or_default();
        if app.issuers.take(&token) {
            let wanted = parts.headers.get(PROJECT).and_then(|v| v.to_str().ok());
            let verified = app.issuers.verify(&token, wanted).await?;
            let mut conn = app.pool.get().await?;
            return verified.caller(&mut conn, source, request_id).await.inspect(span::asked_by);
        }
        let mut conn = app.pool.get().await?;
        let holder = token::holder(&mut conn, &token).await?;
        let holder = holder.ok_or_else(|| unauthorized("the token is unknown or expired: log in again"))?;
        let caller = Self::of_holder(holder, token::digest(&token), source, request_id);
        span::asked_by(&caller);
        Ok(caller)
    }
}

/// The address that a request came from.
pub fn source(parts: &Parts) -> Option<String> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string())
}

fn presented(parts: &Parts) -> Result<Secret> {
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::trim).map(Secret::new);
    let bearer = || {
        let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
    };
    parts.headers.get(AUTH_TOKEN).and_then(text).or_else(bearer).filter(|token| !token.is_empty()).ok_or_else(|| {
        unauthorized(
            "no token: send X-Auth-Token, or Authorization: Bearer, with one from POST /v3/auth/tokens; a browser logs in with POST /auth/login",
        )
    })
}

pub(crate) fn unauthorized(details: &str) -> Error {
    Error::new(ErrorClass::Unauthorized, details)
}
