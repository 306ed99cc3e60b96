//! Rescue sessions whose time is up leave rescue, as if their owner had said so. Those inside are told some minutes before.

use api::Action;
use api::server::StopRescue;
use db::guest::Guest;
use db::session::RescueSession;
use diesel_async::AsyncConnection;
use types::status::OverlayEnd;
use types::{GuestId, GuestStatus};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::dispatch::{Cx, Perform};
use crate::error::{Error, Result};
use crate::guest::rescue_notice;

pub async fn scan(app: &App) -> Result<()> {
    let mut conn = app.pool.get().await?;
    for session in db::session::expired(&mut conn).await? {
        let left = conn.transaction(async |conn| leave(app, conn, session.guest_id, session.on_expiry).await).await;
        match left {
            Ok(()) => app.waker.wake(),
            // Somebody else's task may hold it just now; the next scan looks again.
            Err(error) => tracing::info!(session = %session.id, %error, "an expired session can't end yet"),
        }
    }
    for session in db::session::ending(&mut conn, rescue_notice::AHEAD).await? {
        match conn.transaction(async |conn| tell(app, conn, &session).await).await {
            Ok(()) => app.waker.wake(),
            Err(error) => tracing::info!(session = %session.id, %error, "nobody could be told yet that it ends"),
        }
    }
    Ok(())
}

async fn tell(app: &App, conn: &mut db::Conn, session: &RescueSession) -> Result<()> {
    let Some(guest) = db::guest::lock(conn, session.guest_id).await? else { return Ok(()) };
    if guest.status != GuestStatus::Rescue {
        return Ok(());
    }
    let caller = Caller::service(format!("notice-{}", Uuid::now_v7()));
    let mut cx = Cx { app, conn, caller: &caller, parent: None };
    rescue_notice::begin(&guest, session, &mut cx).await
}

async fn leave(app: &App, conn: &mut db::Conn, id: GuestId, overlay: Option<OverlayEnd>) -> Result<()> {
    let Some(guest) = db::guest::lock(conn, id).await? else { return Ok(()) };
    if guest.status != GuestStatus::Rescue {
        return Err(Error::status(format!("{} waits for status rescue, not {}", StopRescue::NAME, guest.status)));
    }
    let caller = Caller::service(format!("expiry-{}", Uuid::now_v7()));
    let mut cx = Cx { app, conn, caller: &caller, parent: None };
    <Guest as Perform<StopRescue>>::perform(guest, StopRescue { overlay, ..StopRescue::default() }, &mut cx)
        .await
        .map(drop)
}
