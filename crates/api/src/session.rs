//! `/auth/...`: how a browser logs in. Its token is in a cookie that no script can read; what the console needs to know of it is a [`Session`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::Secret;

/// The cookie that holds a session's token.
pub const SESSION_COOKIE: &str = "lifeboat_session";
/// Its name where TLS is: a browser takes one of this name from this very host alone (RFC 6265bis, section 4.1.3.2).
pub const SECURE_SESSION_COOKIE: &str = "__Host-lifeboat_session";
/// The header that a request which changes something must carry beside the cookie: [`Session::csrf`].
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The body of `POST /auth/login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogIn {
    pub username: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: Secret,
    /// The user's domain, by name or id; else Default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The project to be in: its id, its name in the user's domain, or `domain/name`; else the first that the user has a role in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// The body of `POST /auth/project`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChooseProject {
    /// Its id, its name in the user's domain, or `domain/name`.
    pub project: String,
}

/// Who is logged in, in which project, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    pub user: SessionUser,
    /// Absent: the user has a role in none.
    pub project: Option<SessionProject>,
    /// All that the user may choose from, by domain and name.
    pub projects: Vec<SessionProject>,
    /// The roles in `project`.
    pub roles: Vec<String>,
    pub expires_at: DateTime<Utc>,
    /// To be sent as `X-CSRF-Token` with each request that changes something. It follows from the token, and the token not from it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub csrf: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionUser {
    pub id: String,
    pub name: String,
    pub domain: String,
    /// As events and other answers name the user: `name`, or `domain/name` outside of Default.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionProject {
    pub id: String,
    pub name: String,
    pub domain: String,
    /// As servers name their project: `name`, or `domain/name` outside of Default.
    pub key: String,
    /// The user's roles in it.
    pub roles: Vec<String>,
}

/// The answer of log-in, look and change of project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionAnswer {
    pub session: Session,
}
