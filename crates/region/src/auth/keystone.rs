//! `/v3/auth/tokens`, in the shape that upstream's command line sends and reads: POST logs in, GET validates, DELETE revokes.

use std::net::SocketAddr;
use std::time::Duration;

use api::account::DEFAULT_DOMAIN;
use api::identity::{
    AUTH_TOKEN, AuthAnswer, AuthRequest, CatalogEndpoint, CatalogEntry, InDomain, Named, SUBJECT_TOKEN, Scope,
    ScopeProject, TokenView, UserPassword,
};
use api::session::LogIn;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use db::identity::{Holder, Project, User};
use types::Secret;
use types::id::ProjectId;

use crate::app::App;
use crate::auth::oidc::Verified;
use crate::auth::password::NOBODY;
use crate::auth::{Caller, token, unauthorized};
use crate::dispatch::decode;
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

pub fn routes() -> Router<App> {
    Router::new().route("/v3/auth/tokens", post(log_in).get(validate).delete(revoke))
}

/// What a wrong name and a wrong password are both answered with.
const WRONG: &str = "the user name or the password is wrong";

async fn log_in(
    State(app): State<App>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response> {
    let body = decode::json(&headers, &body)?;
    let (request, _) = decode::typed::<AuthRequest>(body)?;
    let source = peer.map(|p| p.0.0.ip().to_string()).unwrap_or_default();
    let identity = request.auth.identity;
    let ends = Utc::now() + Duration::from_secs(app.config.auth.token_lifetime_s.max(60).into());
    let (user, was_in, method, expires_at) = match (identity.password, identity.token) {
        (Some(password), _) if identity.methods.iter().any(|m| m == "password") => {
            (by_password(&app, password.user, &source).await?, None, "password", ends)
        }
        (_, Some(old)) if identity.methods.iter().any(|m| m == "token") => {
            if app.issuers.take(&old.id) {
                return Err(Error::input(
                    "auth.identity.token: a token of another identity server is used as it is: send it as Authorization: Bearer",
                ));
            }
            let mut conn = app.pool.get().await?;
            let holder = token::holder(&mut conn, &old.id).await?;
            let holder = holder.ok_or_else(|| unauthorized("the token is unknown or expired: log in again"))?;
            // A token from a token ends with it: whoever steals one can't keep it alive.
            (holder.user, holder.project, "token", ends.min(holder.expires_at))
        }
        _ => {
            return Err(Error::input(
                "auth.identity.methods: allowed are password and token, with the part of that name",
            ));
        }
    };
    let mut conn = app.pool.get().await?;
    let project = match request.auth.scope {
        Some(Scope { unscoped: true, .. }) => None,
        Some(Scope { project: Some(wanted), .. }) => Some(scoped(&mut conn, &user, &wanted).await?),
        Some(Scope { project: None, .. }) | None => match was_in {
            Some(project) => Some(project),
            None => db::identity::home_project(&mut conn, user.id).await?,
        },
    };
    let token = token::issue(&mut conn, user.id, project.map(|p| p.id), expires_at).await?;
    let holder = token::holder(&mut conn, &token).await?;
    let holder = holder.ok_or_else(|| unauthorized("the user was disabled just now"))?;
    answer(&app, &Shown::of(holder, method), &token, StatusCode::CREATED)
}

/// The user whom name and password fit.
///
/// # Errors
/// 401, the same for a wrong name and a wrong password; 429 while a wait after wrong ones lasts.
pub(super) async fn by_password(app: &App, given: UserPassword, source: &str) -> Result<User> {
    let (name, user, open) = {
        let mut conn = app.pool.get().await?;
        let domain = named_domain(&mut conn, given.domain.as_ref()).await?;
        let by_id = given.id.as_deref().filter(|_| given.name.is_empty());
        let user = match by_id {
            Some(id) => match id.parse() {
                Ok(id) => db::identity::user(&mut conn, id).await?,
                Err(_) => None,
            },
            None => db::identity::user_named(&mut conn, &domain, &given.name).await?,
        };
        // One user is one, by whichever name.
        let name = match (&user, by_id) {
            (Some(user), _) => user.key(),
            (None, Some(id)) => id.to_owned(),
            (None, None) => db::identity::key(&domain, &given.name),
        };
        let domain = db::domain::find(&mut conn, user.as_ref().map_or(&domain, |user| &user.domain)).await?;
        (name, user, domain.is_some_and(|domain| domain.enabled))
    };
    let may = || app.attempts.check(&name, source);
    may()?;
    let hash = user.as_ref().map_or_else(|| NOBODY.to_owned(), |u| u.password_hash.clone());
    let fits = app.authority.check(hash, given.password, may).await?;
    match user.filter(|u| fits && u.enabled && open) {
        Some(user) => {
            app.attempts.succeeded(&name, source);
            Ok(user)
        }
        None => {
            app.attempts.failed(&name, source);
            metrics::counter!("region_logins_failed_total").increment(1);
            // As long as a name may be; what was sent in its place may be a megabyte.
            let user: String = name.chars().take(128).collect();
            tracing::warn!(user, source, "a log-in failed");
            Err(unauthorized(WRONG))
        }
    }
}

/// The name of the domain that is meant: given by name or id, else Default.
async fn named_domain(conn: &mut db::Conn, given: Option<&Named>) -> Result<String> {
    let Some(given) = given else { return Ok(DEFAULT_DOMAIN.into()) };
    if !given.name.is_empty() {
        return Ok(given.name.clone());
    }
    Ok(match given.id.as_str() {
        "" | "default" => DEFAULT_DOMAIN.into(),
        id => db::domain::find(conn, id).await?.map_or_else(|| id.to_owned(), |domain| domain.name),
    })
}

/// The project that was asked for, if the user has a role in it. Without a domain, a name is looked for in the user's own.
pub(super) async fn scoped(conn: &mut db::Conn, user: &User, wanted: &ScopeProject) -> Result<Project> {
    let project = match wanted.id.parse::<ProjectId>() {
        Ok(id) => db::identity::project(conn, id).await?,
        Err(_) => {
            let name = if wanted.name.is_empty() { &wanted.id } else { &wanted.name };
            let domain = match &wanted.domain {
                Some(domain) => named_domain(conn, Some(domain)).await?,
                None => user.domain.clone(),
            };
            db::identity::project_named(conn, &domain, name).await?
        }
    };
    let denied = || unauthorized(&format!("user '{}' has no role in that project", user.name));
    let project = project.ok_or_else(denied)?;
    if db::identity::roles_in(conn, user.id, project.id).await?.is_empty() {
        return Err(denied());
    }
    Ok(project)
}

/// A user as a browser names it: the domain is a name, or an id.
pub(super) fn named_user(given: &LogIn) -> UserPassword {
    let domain = given.domain.as_ref().map(|domain| Named { id: domain.clone(), name: String::new() });
    UserPassword { domain, name: given.username.clone(), id: None, password: given.password.clone() }
}

/// A project as a browser names it: an id, a name in the user's own domain, or `domain/name`.
pub(super) fn named_project(ident: &str) -> ScopeProject {
    match ident.split_once('/') {
        Some((domain, name)) => ScopeProject {
            id: String::new(),
            name: name.to_owned(),
            domain: Some(Named { id: String::new(), name: domain.to_owned() }),
        },
        None => ScopeProject { id: ident.to_owned(), name: String::new(), domain: None },
    }
}

async fn validate(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response> {
    let subject = shown(&headers)?;
    if app.issuers.take(&subject) {
        let verified = app.issuers.verify(&subject, caller.project.as_deref()).await?;
        if verified.id() != caller.user_id {
            return Err(missing());
        }
        let mut conn = app.pool.get().await?;
        let shown = Shown::foreign(verified, &mut conn).await?;
        return answer(&app, &shown, &subject, StatusCode::OK);
    }
    let (subject, holder) = of(&app, &caller, subject).await?;
    answer(&app, &Shown::of(holder, "token"), &subject, StatusCode::OK)
}

async fn revoke(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<StatusCode> {
    let subject = shown(&headers)?;
    if app.issuers.take(&subject) {
        return Err(Error::input("X-Subject-Token: a token of another identity server ends there, not here"));
    }
    let (subject, _) = of(&app, &caller, subject).await?;
    let mut conn = app.pool.get().await?;
    token::revoke(&mut conn, &subject).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token that a request is about.
fn shown(headers: &HeaderMap) -> Result<Secret> {
    let subject = headers.get(SUBJECT_TOKEN).or_else(|| headers.get(AUTH_TOKEN)).and_then(|v| v.to_str().ok());
    subject.map(Secret::new).ok_or_else(|| Error::input("X-Subject-Token: the token to look at is wanted"))
}

fn missing() -> Error {
    Error::new(api::ErrorClass::ResourceNotFound, "the token is unknown or expired")
}

/// Whose it is: one's own, or anybody's for an administrator.
async fn of(app: &App, caller: &Caller, subject: Secret) -> Result<(Secret, Holder)> {
    let mut conn = app.pool.get().await?;
    let holder = token::holder(&mut conn, &subject).await?.ok_or_else(missing)?;
    if holder.user.id != caller.user_id
        && app.policies.access(&mut conn, caller, &TOKENS).await? != Some(Access::Everything)
    {
        return Err(missing());
    }
    Ok((subject, holder))
}

const TOKENS: Rule = Rule { service: "identity", resource: "tokens", word: "token", action: "get", extra: None };

/// What an answer shows of a token.
struct Shown {
    method: &'static str,
    user: InDomain,
    project: Option<InDomain>,
    roles: Vec<String>,
    expires_at: DateTime<Utc>,
}

impl Shown {
    fn of(holder: Holder, method: &'static str) -> Self {
        Self {
            method,
            user: InDomain {
                id: holder.user.id.to_string(),
                name: holder.user.name,
                domain: domain(&holder.user.domain),
            },
            project: holder.project.map(|p| InDomain { id: p.id.to_string(), name: p.name, domain: domain(&p.domain) }),
            roles: holder.roles,
            expires_at: holder.expires_at,
        }
    }
}

impl Shown {
    async fn foreign(verified: Verified, conn: &mut db::Conn) -> Result<Self> {
        let expires_at = DateTime::from_timestamp(verified.expires_at, 0).unwrap_or_default();
        let id = verified.id().to_string();
        let project = match &verified.project {
            Some(key) => db::identity::project_of_key(conn, key).await?,
            None => None,
        };
        Ok(Self {
            method: "token",
            user: InDomain { id, name: verified.user, domain: domain(DEFAULT_DOMAIN) },
            roles: if project.is_some() { verified.roles } else { Vec::new() },
            project: project.map(|p| InDomain { id: p.id.to_string(), name: p.name, domain: domain(&p.domain) }),
            expires_at,
        })
    }
}

/// The id of Default is what upstream's programs expect; of any other domain the name serves.
fn domain(name: &str) -> Named {
    Named { id: if name == DEFAULT_DOMAIN { "default" } else { name }.into(), name: name.into() }
}

fn answer(app: &App, shown: &Shown, token: &Secret, status: StatusCode) -> Result<Response> {
    let time = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Micros, true);
    let entry = |name: &str, kind: &str, url: String| CatalogEntry {
        id: name.into(),
        name: name.into(),
        kind: kind.into(),
        endpoints: ["internal", "public", "admin"]
            .map(|interface| CatalogEndpoint {
                id: format!("{name}-{interface}"),
                interface: interface.into(),
                region: "region0".into(),
                region_id: "region0".into(),
                url: url.clone(),
                name: name.into(),
            })
            .into(),
    };
    let body = AuthAnswer {
        token: TokenView {
            methods: vec![shown.method.into()],
            issued_at: time(Utc::now()),
            expires_at: time(shown.expires_at),
            user: shown.user.clone(),
            project: shown.project.clone(),
            roles: shown.roles.iter().map(|r| Named { id: r.clone(), name: r.clone() }).collect(),
            catalog: vec![
                entry("region2", "compute_v2", app.public_url.clone()),
                entry("keystone", "identity", format!("{}/v3", app.public_url)),
                entry("log", "log", app.public_url.clone()),
            ],
        },
    };
    let mut token = HeaderValue::from_str(token.expose()).map_err(Error::internal)?;
    token.set_sensitive(true);
    Ok((status, [(HeaderName::from_static(SUBJECT_TOKEN), token)], Json(body)).into_response())
}
