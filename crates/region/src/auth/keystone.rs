//! `POST /v3/auth/tokens` and `GET /v3/auth/tokens`, in the shape that upstream's command line sends and reads.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};

use api::identity::{
    AUTH_TOKEN, AuthAnswer, AuthRequest, CatalogEndpoint, CatalogEntry, InDomain, Named, SUBJECT_TOKEN, TokenView,
};
use db::identity::User;
use types::Secret;

use crate::app::App;
use crate::auth::{Caller, token, unauthorized};
use crate::dispatch::decode;
use crate::error::{Error, Result};

pub fn routes() -> Router<App> {
    Router::new().route("/v3/auth/tokens", post(log_in).get(validate))
}

/// What a wrong name and a wrong password are both answered with.
const WRONG: &str = "the user name or the password is wrong";

/// A hash nobody's password fits: checked for unknown users, so that they take as long as known ones.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

async fn log_in(State(app): State<App>, headers: HeaderMap, body: axum::body::Bytes) -> Result<Response> {
    let body = decode::json(&headers, &body)?;
    let (request, _) = decode::typed::<AuthRequest>(body)?;
    let identity = request.auth.identity;
    let mut conn = app.pool.get().await?;
    let user = match (identity.password, identity.token) {
        (Some(password), _) if identity.methods.iter().any(|m| m == "password") => {
            let user = db::identity::user_named(&mut conn, &password.user.name).await?;
            drop(conn);
            let hash = user.as_ref().map_or_else(|| NOBODY.to_owned(), |u| u.password_hash.clone());
            let fits = app.authority.check(hash, password.user.password).await?;
            user.filter(|u| fits && u.enabled).ok_or_else(|| unauthorized(WRONG))?
        }
        (_, Some(old)) if identity.methods.iter().any(|m| m == "token") => {
            let user = token::user(&mut conn, &old.id).await?;
            drop(conn);
            user.map(|(user, _)| user).ok_or_else(|| unauthorized("the token is unknown or expired: log in again"))?
        }
        _ => {
            return Err(Error::input(
                "auth.identity.methods: allowed are password and token, with the part of that name",
            ));
        }
    };
    if let Some(project) = request.auth.scope.and_then(|s| s.project)
        && ![project.name.as_str(), project.id.as_str()].contains(&user.project.as_str())
    {
        return Err(unauthorized(&format!("user '{}' has no role in that project: give {}", user.name, user.project)));
    }
    let mut conn = app.pool.get().await?;
    let (token, expires_at) = token::issue(&mut conn, user.id).await?;
    answer(&app, &user, &token, expires_at)
}

async fn validate(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response> {
    let subject = headers.get(SUBJECT_TOKEN).or_else(|| headers.get(AUTH_TOKEN)).and_then(|v| v.to_str().ok());
    let subject = Secret::new(subject.ok_or_else(|| Error::input("X-Subject-Token: the token to look at is wanted"))?);
    let mut conn = app.pool.get().await?;
    let (user, expires_at) = token::user(&mut conn, &subject)
        .await?
        .ok_or_else(|| Error::new(api::ErrorClass::ResourceNotFound, "the token is unknown or expired"))?;
    if user.id != caller.user_id {
        caller.require("token_get")?;
    }
    answer(&app, &user, &subject, expires_at)
}

fn answer(app: &App, user: &User, token: &Secret, expires_at: DateTime<Utc>) -> Result<Response> {
    let domain = || Named { id: "default".into(), name: "Default".into() };
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
            expires_at: time(expires_at),
            user: InDomain { id: user.id.to_string(), name: user.name.clone(), domain: domain() },
            project: Some(InDomain { id: user.project.clone(), name: user.project.clone(), domain: domain() }),
            roles: vec![Named { id: user.role.clone(), name: user.role.clone() }],
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
