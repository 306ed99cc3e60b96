//! `GET /servers`.

use std::collections::HashMap;

use api::server::Server;
use api::task::TaskBrief;
use db::Conn;
use db::filter::{Column, Kind, Page};
use db::guest::Guest;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task_engine::schema::tasks::dsl as t;
use types::TaskId;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::List;
use crate::error::Result;

impl List for Guest {
    const COLUMNS: &'static [Column] = db::guest::COLUMNS;
    const SEARCH: &'static [&'static str] = &["name", "id"];
    const PROJECT: Option<Column> = Some(Column::new("project", "guests.project", Kind::Text));
    const ORDER: (&'static str, bool) = ("created_at", true);

    async fn page(page: &Page, _app: &App, conn: &mut Conn) -> Result<(Vec<Server>, i64)> {
        let (rows, total) = db::guest::list(conn, page).await?;
        let mut tasks = live_tasks(conn, rows.iter().map(|(g, _)| g.id.uuid()).collect()).await?;
        let views = rows
            .into_iter()
            .map(|(guest, host)| {
                let task = tasks.remove(&guest.id.uuid());
                guest.view(host, task)
            })
            .collect::<Result<_, _>>()?;
        Ok((views, total))
    }
}

/// What is at work on each of these guests, in one query.
pub async fn live_tasks(conn: &mut Conn, guests: Vec<Uuid>) -> Result<HashMap<Uuid, TaskBrief>> {
    let rows: Vec<(Option<Uuid>, Uuid, String, String)> = t::tasks
        .filter(t::obj_type.eq(super::OBJECT))
        .filter(t::obj_id.eq_any(guests))
        .filter(t::holds)
        .filter(t::ended_at.is_null())
        .select((t::obj_id, t::id, t::name, t::stage_name))
        .load(conn)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(guest, id, task_name, stage)| {
            Some((guest?, TaskBrief { id: TaskId::from_uuid(id), task_name, stage }))
        })
        .collect())
}
