//! `GET /permissions`: what the caller may do, by the names that the console knows, with the scope.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::router::verbs;
use crate::policy::decide;

pub fn routes() -> Router<App> {
    Router::new().route("/permissions", get(permissions))
}

async fn permissions(State(app): State<App>, caller: Caller) -> Result<Json<Value>> {
    let mut conn = app.pool.get().await?;
    let policies = app.policies.policies(&mut conn).await?;
    let allowed: BTreeMap<String, &str> = verbs()
        .into_iter()
        .filter_map(|row| Some((row.rule.to_string(), decide(&policies, &caller.roles, &row.rule)?.as_str())))
        .collect();
    Ok(Json(json!({
        "user": caller.user,
        "project": caller.project,
        "roles": caller.roles,
        "permissions": allowed,
    })))
}
