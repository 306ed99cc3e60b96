//! A guest in `ready`, `running` or `suspend` whose host sees something else: the status follows, with an event. Only where no task is at work, and only
//! when the host has said so for a while, for a report may have been on its way while a task ended.

use std::time::Duration;

use chrono::Utc;
use diesel_async::AsyncConnection;
use task_engine::{Object, holder};
use types::{GuestId, GuestStatus};
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::guest::OBJECT;
use crate::guest::look::resting;

pub async fn scan(app: &App) -> Result<()> {
    let patience = Duration::from_secs(2 * u64::from(app.config.heartbeat.interval_s));
    let mut conn = app.pool.get().await?;
    for guest in db::guest::drifted(&mut conn, Utc::now() - patience).await? {
        conn.transaction(async |conn| follow(conn, guest).await).await?;
    }
    Ok(())
}

async fn follow(conn: &mut db::Conn, id: GuestId) -> Result<()> {
    let Some(guest) = db::guest::lock(conn, id).await? else { return Ok(()) };
    let to = match resting(guest.power_state) {
        Some(to) if to != guest.status && GuestStatus::FOLLOWS_POWER.contains(&guest.status) => to,
        Some(_) | None => return Ok(()),
    };
    let object = Object { kind: OBJECT.into(), id: id.uuid() };
    if holder(conn, &object).await?.is_some() {
        return Ok(());
    }
    db::guest::set_status(conn, id, to, None).await?;
    let note = Note {
        obj_type: OBJECT,
        obj_id: id.uuid(),
        obj_name: &guest.name,
        action: "power_state",
        success: true,
        notes: format!("its host sees it {}", guest.power_state),
        status: Some((guest.status, to)),
        task: None,
    };
    let event = note.of("lifeboat", &guest.project, None, Some(Uuid::now_v7().to_string()));
    db::event::insert(conn, &event).await.map_err(Error::from)
}
