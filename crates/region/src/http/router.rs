//! The whole REST service.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::app::App;
use crate::auth::{browser, keystone};
use crate::config::Web;
use crate::dispatch::{Registry, VerbRow};
use crate::http::via::Trust;
use crate::{account, baremetal, console, disk, event, guest, host, http, rescue, snapshot, stream, task};

/// The one list of what there is.
fn registry() -> Registry {
    let mut registry = Registry::default();
    guest::register(&mut registry);
    console::recordings::register(&mut registry);
    disk::register(&mut registry);
    snapshot::register(&mut registry);
    host::register(&mut registry);
    baremetal::register(&mut registry);
    rescue::register(&mut registry);
    task::register(&mut registry);
    event::register(&mut registry);
    account::register(&mut registry);
    stream::register(&mut registry);
    browser::register(&mut registry);
    registry.merge(keystone::routes());
    registry
}

/// The verb table, for the contract test.
#[must_use]
pub fn verbs() -> Vec<VerbRow> {
    registry().build().1
}

/// The OpenAPI document, for the contract test.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    registry().build().2
}

/// The console's files, if there is to be one.
///
/// # Errors
/// The folder that was configured is none of a console.
pub fn console(config: &Web) -> Result<Option<web_console::Files>, web_console::NoConsole> {
    if !config.enabled {
        return Ok(None);
    }
    if config.root.as_os_str().is_empty() {
        Ok(web_console::Files::embedded())
    } else {
        web_console::Files::folder(&config.root)
    }
    .map(Some)
}

pub fn build(app: App, console: Option<web_console::Files>, trust: Arc<Trust>) -> Router {
    let (routes, _, document) = registry().build();
    let ready = {
        let app = app.clone();
        move || async move {
            let mut conn = app.pool.get().await?;
            diesel_async::RunQueryDsl::execute(diesel::sql_query("select 1"), &mut conn).await?;
            Ok::<_, crate::error::Error>("ready\n")
        }
    };
    let router = routes
        .with_state(app.clone())
        .merge(utoipa_swagger_ui::SwaggerUi::new("/docs").url("/openapi.json", document))
        .route("/ping", get(|| async { "pong\n" }))
        .route("/version", get(|| async { Json(json!({ "version": env!("CARGO_PKG_VERSION") })) }))
        .route("/readyz", get(ready))
        .merge(service::metrics::routes("region"))
        .merge(console.map(web_console::routes).unwrap_or_default());
    http::layers::apply(router, &app, trust)
}
