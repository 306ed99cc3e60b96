//! `GET /permissions`: what the caller may do, by the names that the console knows, with the scope; and what not, with what it would take.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::router::verbs;
use crate::policy::{able, decide};

pub fn routes() -> Router<App> {
    Router::new().route("/permissions", get(permissions))
}

/// Each rule of the verb table is in one of the two.
async fn permissions(State(app): State<App>, caller: Caller) -> Result<Json<Value>> {
    let mut conn = app.pool.get().await?;
    let policies = app.policies.policies(&mut conn).await?;
    drop(conn);
    let (mut allowed, mut denied) = (BTreeMap::new(), BTreeMap::new());
    for row in verbs() {
        match decide(&policies, &caller.roles, &row.rule) {
            Some(scope) => drop(allowed.insert(row.rule.to_string(), scope.as_str())),
            None => {
                let explained = json!({ "require": row.rule.path().join("/"), "allow": able(&policies, &row.rule) });
                denied.insert(row.rule.to_string(), explained);
            }
        }
    }
    Ok(Json(json!({
        "user": caller.user,
        "domain": caller.domain,
        "project": caller.project,
        "roles": caller.roles,
        "permissions": allowed,
        "denied": denied,
    })))
}
