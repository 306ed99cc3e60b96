//! `/auth/...`: log-in, a look at the session, another project, log-out. The passwords, the waits after wrong ones and the tokens are those
//! of [`keystone`](crate::auth::keystone).

use std::time::Duration;

use api::session::{ChooseProject, LogIn, Session, SessionAnswer, SessionProject, SessionUser};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use chrono::Utc;
use db::Conn;
use db::identity::{Holder, Project, User};
use types::Secret;

use super::cookie::{self, Held};
use super::guard::{BySession, from_own_page};
use crate::app::App;
use crate::auth::{self, keystone, token, unauthorized};
use crate::dispatch::{Registry, decode};
use crate::error::{Error, Result};
use crate::http::openapi::Operation;
use crate::http::via::Via;

pub fn register(registry: &mut Registry) {
    let tell = |id: &str, about: &str| Operation::session(id, about);
    let login = tell("auth_login", "Log in from a browser: sets the session's cookie");
    registry.document("/auth/login", &Method::POST, login.taking::<LogIn>().giving::<SessionAnswer>().open());
    let look = tell("auth_session", "The browser's session, and the value for X-CSRF-Token");
    registry.document("/auth/session", &Method::GET, look.giving::<SessionAnswer>());
    let choose = tell("auth_project", "Change the session's project: another cookie, another X-CSRF-Token");
    registry.document("/auth/project", &Method::POST, choose.taking::<ChooseProject>().giving::<SessionAnswer>());
    let end = tell("auth_logout", "End the session: its token is revoked, its cookie cleared");
    registry.document("/auth/logout", &Method::POST, end.giving_nothing());
    let routes = Router::new()
        .route("/auth/login", post(log_in))
        .route("/auth/session", get(look_at))
        .route("/auth/project", post(choose_project))
        .route("/auth/logout", post(log_out));
    registry.merge(routes);
}

/// What the request's cookie held.
type InCookie = Option<Extension<BySession>>;

/// The cookie's token, or what to do without one.
fn held(session: InCookie) -> Result<Held> {
    let missing = || unauthorized("no session: log in with POST /auth/login");
    session.map(|Extension(BySession(held))| held).ok_or_else(missing)
}

async fn log_in(State(app): State<App>, request: Request) -> Result<Response> {
    let via = Via::of(&request).clone();
    let (parts, body) = request.into_parts();
    // A foreign page that logs somebody in as another is an attack too.
    from_own_page(&app, &via, &parts.headers)?;
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let (wanted, _) = decode::typed::<LogIn>(decode::json(&parts.headers, &body)?)?;
    let source = auth::source(&parts).unwrap_or_default();
    let given = keystone::named_user(&wanted);
    let user = keystone::by_password(&app, given, &source).await?;
    let mut conn = app.pool.get().await?;
    let project = match &wanted.project {
        Some(ident) => Some(keystone::scoped(&mut conn, &user, &keystone::named_project(ident)).await?),
        None => db::identity::home_project(&mut conn, user.id).await?,
    };
    // One browser, one session: that of before is not left lying about.
    if let Some(old) = cookie::held(&parts.headers, via.secure) {
        token::revoke(&mut conn, &old.token).await?;
    }
    let ends = Utc::now() + Duration::from_secs(app.config.auth.token_lifetime_s.max(60).into());
    // A browser says itself that its page came by TLS, also where no proxy does.
    let secure = via.secure || has_tls(&via, &parts.headers);
    begin(&mut conn, &user, project, ends, secure).await
}

fn has_tls(via: &Via, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origin.starts_with("https://") && via.is_origin(origin))
}

async fn look_at(State(app): State<App>, session: InCookie) -> Result<Response> {
    let token = held(session)?.token;
    let mut conn = app.pool.get().await?;
    let holder = holder(&mut conn, &token).await?;
    Ok(Json(answer(&mut conn, holder, &token).await?).into_response())
}

async fn choose_project(
    State(app): State<App>,
    session: InCookie,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let Held { token: old, secure } = held(session)?;
    let (wanted, _) = decode::typed::<ChooseProject>(decode::json(&headers, &body)?)?;
    let mut conn = app.pool.get().await?;
    let holder = holder(&mut conn, &old).await?;
    let project = keystone::scoped(&mut conn, &holder.user, &keystone::named_project(&wanted.project)).await;
    let project = project.map_err(|error| match error.class {
        // The session is good; the project is not there for this user.
        api::ErrorClass::Unauthorized => Error::not_found("project", &wanted.project),
        _ => error,
    })?;
    let response = begin(&mut conn, &holder.user, Some(project), holder.expires_at, secure).await?;
    token::revoke(&mut conn, &old).await?;
    Ok(response)
}

/// Also without a session, or with one that has ended: the browser forgets it. But no foreign page logs anybody out, not even one that
/// the browser goes to region from: with such a request it sends no cookie, and would take the answer's.
async fn log_out(
    State(app): State<App>,
    session: InCookie,
    Extension(via): Extension<Via>,
    headers: HeaderMap,
) -> Result<Response> {
    from_own_page(&app, &via, &headers)?;
    let mut secure = via.secure || has_tls(&via, &headers);
    if let Some(Extension(BySession(held))) = session {
        secure |= held.secure;
        let mut conn = app.pool.get().await?;
        token::revoke(&mut conn, &held.token).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    for secure in [false].into_iter().chain(secure.then_some(true)) {
        response.headers_mut().append(header::SET_COOKIE, cookie::clear(secure)?);
    }
    Ok(response)
}

/// A token for the browser, in its cookie.
async fn begin(
    conn: &mut Conn,
    user: &User,
    project: Option<Project>,
    expires_at: chrono::DateTime<Utc>,
    secure: bool,
) -> Result<Response> {
    let token = token::issue(conn, user.id, project.map(|project| project.id), expires_at).await?;
    let holder = holder(conn, &token).await?;
    let body = answer(conn, holder, &token).await?;
    Ok(([(header::SET_COOKIE, cookie::set(&token, secure)?)], Json(body)).into_response())
}

async fn holder(conn: &mut Conn, token: &Secret) -> Result<Holder> {
    let ended = || unauthorized("the session has ended: log in again");
    token::holder(conn, token).await?.ok_or_else(ended)
}

async fn answer(conn: &mut Conn, holder: Holder, token: &Secret) -> Result<SessionAnswer> {
    let view = |project: &Project, roles: Vec<String>| SessionProject {
        id: project.id.to_string(),
        name: project.name.clone(),
        domain: project.domain.clone(),
        key: project.key(),
        roles,
    };
    let projects = db::identity::projects_of_user(conn, holder.user.id).await?;
    Ok(SessionAnswer {
        session: Session {
            user: SessionUser {
                id: holder.user.id.to_string(),
                key: holder.user.key(),
                name: holder.user.name,
                domain: holder.user.domain,
            },
            project: holder.project.as_ref().map(|project| view(project, holder.roles.clone())),
            projects: projects.into_iter().map(|(project, roles)| view(&project, roles)).collect(),
            roles: holder.roles,
            expires_at: holder.expires_at,
            csrf: cookie::csrf(token),
        },
    })
}
