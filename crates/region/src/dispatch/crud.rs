//! Reading: `GET /<resources>` and `GET /<resources>/{id}`.

use api::Resource;
use axum::Json;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::model::{List, Model};
use crate::dispatch::query::Query;
use crate::error::Result;

pub async fn list<M: List>(app: App, caller: Caller, raw: Option<String>, rule: &str) -> Result<Json<Value>> {
    caller.require(rule)?;
    let query = Query::parse(raw.as_deref().unwrap_or_default())?;
    let mut conn = app.pool.get().await?;
    let page = M::list(&query, &app, &mut conn).await?;
    Ok(Json(json!({
        <M::Api as Resource>::PLURAL: page.data,
        "total": page.total,
        "limit": page.limit,
        "offset": page.offset,
    })))
}

pub async fn get<M: Model>(app: App, caller: Caller, ident: &str, rule: &str) -> Result<Json<Value>> {
    let mut conn = app.pool.get().await?;
    let model = M::find(&mut conn, ident).await?;
    caller.require(rule)?;
    let view = model.view(&app, &mut conn).await?;
    Ok(Json(json!({ <M::Api as Resource>::WORD: view })))
}
