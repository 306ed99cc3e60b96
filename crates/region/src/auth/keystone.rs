//! `/v3/auth/tokens`, in the shape that upstream's command line sends and reads: POST logs in, GET validates, DELETE revokes.

use std::net::SocketAddr;

use api::identity::{
    AUTH_TOKEN, AuthAnswer, AuthRequest, CatalogEndpoint, CatalogEntry, InDomain, Named, SUBJECT_TOKEN, ScopeProject,
    TokenView, UserPassword,
};
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
use crate::auth::{Caller, token, unauthorized};
use crate::dispatch::decode;
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

pub fn routes() -> Router<App> {
    Router::new().route("/v3/auth/tokens", post(log_in).get(validate).delete(revoke))
}

/// What a wrong name and a wrong password are both answered with.
const WRONG: &str = "the user name or the password is wrong";

/// A hash nobody's password fits: checked for unknown users, so that they take as long as known ones.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

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
    let mut conn = app.pool.get().await?;
    let (user, was_in) = match (identity.password, identity.token) {
        (Some(password), _) if identity.methods.iter().any(|m| m == "password") => {
            drop(conn);
            (by_password(&app, password.user, &source).await?, None)
        }
        (_, Some(old)) if identity.methods.iter().any(|m| m == "token") => {
            let holder = token::holder(&mut conn, &old.id).await?;
            let holder = holder.ok_or_else(|| unauthorized("the token is unknown or expired: log in again"))?;
            drop(conn);
            (holder.user, holder.project)
        }
        _ => {
            return Err(Error::input(
                "auth.identity.methods: allowed are password and token, with the part of that name",
            ));
        }
    };
    let mut conn = app.pool.get().await?;
    let project = match request.auth.scope.and_then(|s| s.project) {
        Some(wanted) => Some(scoped(&mut conn, &user, &wanted).await?),
        None => match was_in {
            Some(project) => Some(project),
            None => db::identity::home_project(&mut conn, user.id).await?,
        },
    };
    let (token, _) = token::issue(&mut conn, user.id, project.map(|p| p.id)).await?;
    let holder = token::holder(&mut conn, &token).await?;
    let holder = holder.ok_or_else(|| unauthorized("the user was disabled just now"))?;
    answer(&app, &holder, &token)
}

async fn by_password(app: &App, given: UserPassword, source: &str) -> Result<User> {
    let name = given.name;
    app.attempts.check(&name, source)?;
    let user = {
        let mut conn = app.pool.get().await?;
        db::identity::user_named(&mut conn, &name).await?
    };
    let domain_fits = |u: &User| given.domain.as_ref().is_none_or(|d| d.name.is_empty() || d.name == u.domain);
    let hash = user.as_ref().map_or_else(|| NOBODY.to_owned(), |u| u.password_hash.clone());
    let fits = app.authority.check(hash, given.password).await?;
    match user.filter(|u| fits && u.enabled && domain_fits(u)) {
        Some(user) => {
            app.attempts.succeeded(&name, source);
            Ok(user)
        }
        None => {
            app.attempts.failed(&name, source);
            metrics::counter!("region_logins_failed_total").increment(1);
            Err(unauthorized(WRONG))
        }
    }
}

/// The project that was asked for, if the user has a role in it.
async fn scoped(conn: &mut db::Conn, user: &User, wanted: &ScopeProject) -> Result<Project> {
    let project = match wanted.id.parse::<ProjectId>() {
        Ok(id) => db::identity::project(conn, id).await?,
        Err(_) => {
            db::identity::project_named(conn, if wanted.name.is_empty() { &wanted.id } else { &wanted.name }).await?
        }
    };
    let denied = || unauthorized(&format!("user '{}' has no role in that project", user.name));
    let project = project.ok_or_else(denied)?;
    if db::identity::roles_in(conn, user.id, project.id).await?.is_empty() {
        return Err(denied());
    }
    Ok(project)
}

async fn validate(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response> {
    let (subject, holder) = subject(&app, &caller, &headers).await?;
    answer(&app, &holder, &subject)
}

async fn revoke(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<StatusCode> {
    let (subject, _) = subject(&app, &caller, &headers).await?;
    let mut conn = app.pool.get().await?;
    token::revoke(&mut conn, &subject).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token that a request is about: one's own, or anybody's for an administrator.
async fn subject(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<(Secret, Holder)> {
    let subject = headers.get(SUBJECT_TOKEN).or_else(|| headers.get(AUTH_TOKEN)).and_then(|v| v.to_str().ok());
    let subject = Secret::new(subject.ok_or_else(|| Error::input("X-Subject-Token: the token to look at is wanted"))?);
    let mut conn = app.pool.get().await?;
    let missing = || Error::new(api::ErrorClass::ResourceNotFound, "the token is unknown or expired");
    let holder = token::holder(&mut conn, &subject).await?.ok_or_else(missing)?;
    if holder.user.id != caller.user_id
        && app.policies.access(&mut conn, caller, &TOKENS).await? != Some(Access::Everything)
    {
        return Err(missing());
    }
    Ok((subject, holder))
}

const TOKENS: Rule = Rule { service: "identity", resource: "tokens", word: "token", action: "get", extra: None };

fn answer(app: &App, holder: &Holder, token: &Secret) -> Result<Response> {
    let domain = |name: &str| Named { id: name.to_ascii_lowercase(), name: name.into() };
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
            methods: vec!["password".into()],
            issued_at: time(Utc::now()),
            expires_at: time(holder.expires_at),
            user: InDomain {
                id: holder.user.id.to_string(),
                name: holder.user.name.clone(),
                domain: domain(&holder.user.domain),
            },
            project: holder.project.as_ref().map(|p| InDomain {
                id: p.id.to_string(),
                name: p.name.clone(),
                domain: domain(&p.domain),
            }),
            roles: holder.roles.iter().map(|r| Named { id: r.clone(), name: r.clone() }).collect(),
            catalog: vec![
                entry("region2", "compute_v2", app.public_url.clone()),
                entry("keystone", "identity", format!("{}/v3", app.public_url)),
                entry("log", "log", app.public_url.clone()),
            ],
        },
    };
    let mut token = HeaderValue::from_str(token.expose()).map_err(Error::internal)?;
    token.set_sensitive(true);
    Ok((StatusCode::CREATED, [(HeaderName::from_static(SUBJECT_TOKEN), token)], Json(body)).into_response())
}
