//! Rows that nobody needs any more: expired tokens, old idempotency keys, old recordings of consoles, how far downloads were, and tasks that ended long ago, which move to the archive.

use std::time::Duration;

use chrono::Utc;

use crate::app::App;
use crate::error::Result;

/// No operation of a host takes this long.
const PROGRESS_KEPT: Duration = Duration::from_secs(3600);
const KEYS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Tasks in one statement, children not counted.
const BATCH: u32 = 200;
/// Changes in one statement.
const CHANGES: i64 = 10_000;
/// Recordings in one statement.
const RECORDINGS: i64 = 20;
/// Batches in one scan: what is left waits for the next.
const BATCHES: usize = 50;

pub async fn scan(app: &App) -> Result<()> {
    let mut conn = app.pool.get().await?;
    db::identity::delete_expired_tokens(&mut conn).await?;
    db::idempotency::delete_before(&mut conn, Utc::now() - KEYS_KEPT).await?;
    db::progress::delete_before(&mut conn, Utc::now() - PROGRESS_KEPT).await?;
    recordings(app, &mut conn).await
}

/// Recordings of regions that are gone are ended; old ones are forgotten.
async fn recordings(app: &App, conn: &mut db::Conn) -> Result<()> {
    db::recording::end_silent(conn, crate::console::RECORDER_SILENT).await?;
    let kept = Duration::from_secs(app.config.console.record_kept_s);
    if kept.is_zero() {
        return Ok(());
    }
    for _ in 0..BATCHES {
        let gone = db::recording::delete_before(conn, Utc::now() - kept, RECORDINGS).await?;
        if gone < RECORDINGS as usize {
            break;
        }
    }
    Ok(())
}

/// Ended tasks of an age move to the archive. In small batches: nobody waits behind one.
pub async fn archive(app: &App) -> Result<()> {
    let age = Duration::from_secs(app.config.tasks.archive_after_s);
    if age.is_zero() {
        return Ok(());
    }
    let mut conn = app.pool.get().await?;
    for _ in 0..BATCHES {
        let moved = task_engine::archive(&mut conn, age, BATCH).await?;
        if moved > 0 {
            tracing::info!(moved, "ended tasks were archived");
        }
        if moved < BATCH as usize {
            break;
        }
    }
    Ok(())
}

/// Changes that no stream will ask for any more.
pub async fn changes(app: &App) -> Result<()> {
    let keep = Duration::from_secs(app.config.stream.kept_s.into());
    let mut conn = app.pool.get().await?;
    for _ in 0..BATCHES {
        if db::change::prune(&mut conn, keep, CHANGES).await? < CHANGES as usize / 2 {
            break;
        }
    }
    Ok(())
}
