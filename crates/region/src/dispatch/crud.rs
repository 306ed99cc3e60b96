//! Reading: `GET /<resources>` and `GET /<resources>/{id}`.

use api::Resource;
use axum::Json;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::model::{List, Model};
use crate::dispatch::query::Query;
use crate::dispatch::{filter, scope};
use crate::error::{Error, Result};
use crate::http::span;
use crate::policy::Rule;

/// From the pool.
type Connection = diesel_async::pooled_connection::deadpool::Object<db::Conn>;

pub async fn list<M: List>(app: App, caller: Caller, raw: Option<String>, rule: &Rule) -> Result<Json<Value>> {
    let mut conn = app.pool.get().await?;
    let access = app.policies.require(&mut conn, &caller, rule).await?;
    let query = Query::parse(raw.as_deref().unwrap_or_default())?;
    let (access, own) = scope::narrow::<M>(&query, &caller, access, &mut conn).await?;
    let query = M::resolve(query, &access, &mut conn).await?;
    let mut page = filter::page_of::<M>(&query)?;
    page.base.clauses.extend(access.condition(M::PROJECT, rule)?);
    page.base.clauses.extend(own);
    let plural = <M::Api as Resource>::PLURAL;
    page.known_total = app.totals.recall(plural, &page);
    let (rows, total) = M::page(&page, &app, &mut conn).await?;
    // A remembered total may be a moment behind the rows.
    let total = match i64::try_from(rows.len()) {
        Ok(n) if n > 0 => total.max(page.offset.saturating_add(n)),
        _ => total,
    };
    app.totals.remember(plural, &page, total);
    let rows = rows.into_iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let marker = M::MARKED.and_then(|marked| filter::next_marker(marked, &page, &rows));
    let fields = query.many("field");
    let rows: Vec<Value> = rows.into_iter().map(|row| project(row, &fields)).collect();
    let mut answer = json!({ plural: rows, "total": total, "limit": page.limit, "offset": page.offset });
    if let Some((marker, field, order)) = marker {
        answer["next_marker"] = marker.into();
        answer["marker_field"] = field.into();
        answer["marker_order"] = order.into();
    }
    Ok(Json(answer))
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
    let missing = || Error::not_found(<M::Api as Resource>::WORD, ident);
    let access = app.policies.access(&mut conn, caller, rule).await?.ok_or_else(missing)?;
    let model = M::find_within(&mut conn, ident, &access).await?;
    let project = model.project(&mut conn).await?;
    if !access.reaches(project.as_deref()) {
        return Err(missing());
    }
    span::about(<M::Api as Resource>::WORD, model.id());
    Ok((model, conn))
}
