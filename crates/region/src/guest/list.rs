//! `GET /servers`.

use std::collections::HashMap;

use api::server::Server;
use api::task::TaskBrief;
use db::Conn;
use db::guest::{Filter, Guest, OrderBy};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task_engine::schema::tasks::dsl as t;
use types::TaskId;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::{List, Query};
use crate::error::Result;

impl List for Guest {
    async fn list(query: &Query, _app: &App, conn: &mut Conn) -> Result<api::List<Server>> {
        let (limit, offset) = query.page()?;
        let columns = [("created_at", OrderBy::CreatedAt), ("name", OrderBy::Name), ("status", OrderBy::Status)];
        let (order_by, descending) = query.order(&columns)?.unwrap_or((OrderBy::CreatedAt, true));
        let filter = Filter {
            name: query.one("name").map(str::to_owned),
            search: query.one("search").map(str::to_owned),
            status: query.words("status")?,
            order_by,
            descending,
        };
        let (rows, total) = db::guest::list(conn, &filter, limit, offset).await?;
        let mut tasks = live_tasks(conn, rows.iter().map(|(g, _)| g.id.uuid()).collect()).await?;
        let data = rows
            .into_iter()
            .map(|(guest, host)| {
                let task = tasks.remove(&guest.id.uuid());
                guest.view(host, task)
            })
            .collect::<Result<_, _>>()?;
        Ok(api::List { data, total, limit, offset })
    }
}

/// What is at work on each of these guests, in one query.
async fn live_tasks(conn: &mut Conn, guests: Vec<Uuid>) -> Result<HashMap<Uuid, TaskBrief>> {
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
