//! Reading: `GET /<resources>` and `GET /<resources>/{id}`.

use api::Resource;
use axum::Json;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::filter;
use crate::dispatch::model::{List, Model};
use crate::dispatch::query::Query;
use crate::error::{Error, Result};
use crate::policy::Rule;

/// From the pool.
type Connection = diesel_async::pooled_connection::deadpool::Object<db::Conn>;

pub async fn list<M: List>(app: App, caller: Caller, raw: Option<String>, rule: &Rule) -> Result<Json<Value>> {
    let mut conn = app.pool.get().await?;
    let access = app.policies.require(&mut conn, &caller, rule).await?;
    let query = Query::parse(raw.as_deref().unwrap_or_default())?;
    let query = M::resolve(query, &mut conn).await?;
    let mut page = filter::page(&query, M::COLUMNS, M::SEARCH, M::ORDER)?;
    page.base.clauses.extend(access.condition(M::PROJECT, rule)?);
    let (rows, total) = M::page(&page, &app, &mut conn).await?;
    let fields = query.many("field");
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|row| serde_json::to_value(row).map(|row| project(row, &fields)))
        .collect::<Result<_, _>>()?;
    Ok(Json(json!({
        <M::Api as Resource>::PLURAL: rows,
        "total": total,
        "limit": page.limit,
        "offset": page.offset,
    })))
}

/// Keeps the fields that were asked for; all of them if none were.
fn project(mut row: Value, fields: &[&str]) -> Value {
    if let (false, Value::Object(map)) = (fields.is_empty(), &mut row) {
        map.retain(|key, _| fields.contains(&key.as_str()));
    }
    row
}

pub async fn get<M: Model>(app: App, caller: Caller, ident: &str, rule: &Rule) -> Result<Json<Value>> {
    let (model, mut conn) = find::<M>(&app, &caller, ident, rule).await?;
    let view = model.view(&app, &mut conn).await?;
    Ok(Json(json!({ <M::Api as Resource>::WORD: view })))
}

/// What the caller may see of a resource, by id or name.
pub async fn find<M: Model>(app: &App, caller: &Caller, ident: &str, rule: &Rule) -> Result<(M, Connection)> {
    let mut conn = app.pool.get().await?;
    let model = M::find(&mut conn, ident).await?;
    let project = model.project(&mut conn).await?;
    let access = app.policies.access(&mut conn, caller, rule).await?;
    if !access.is_some_and(|access| access.reaches(project.as_deref())) {
        return Err(Error::not_found(<M::Api as Resource>::WORD, ident));
    }
    Ok((model, conn))
}
