//! Hosts that fell silent, and hosts that are heard again. What the guests of a silent one do is unknown until it reports; their status is theirs
//! to keep.

use db::host::Turned;
use diesel_async::AsyncConnection;
use uuid::Uuid;

use crate::app::App;
use crate::dispatch::perform::Note;
use crate::error::{Error, Result};
use crate::host::OBJECT;

pub async fn scan(app: &App) -> Result<()> {
    let since = app.heard_since();
    let limit = app.config.heartbeat.limit_s;
    let mut conn = app.pool.get().await?;
    conn.transaction(async |conn| {
        for host in db::host::mark_offline(conn, since).await? {
            tracing::warn!(host = host.name, %host.id, "host is offline");
            note(conn, &host, "offline", false, format!("not heard for {limit} s: what its servers do is unknown"))
                .await?;
        }
        for host in db::host::mark_online(conn, since).await? {
            tracing::info!(host = host.name, %host.id, "host is online again");
            note(conn, &host, "online", true, "heard again".into()).await?;
        }
        Ok::<_, Error>(())
    })
    .await
}

async fn note(conn: &mut db::Conn, host: &Turned, action: &str, success: bool, notes: String) -> Result<()> {
    let note = Note {
        obj_type: OBJECT,
        obj_id: host.id.uuid(),
        obj_name: &host.name,
        action,
        success,
        notes,
        status: None,
        task: None,
    };
    let event = note.of("lifeboat", "", None, Some(Uuid::now_v7().to_string()));
    Ok(db::event::insert(conn, &event).await?)
}
