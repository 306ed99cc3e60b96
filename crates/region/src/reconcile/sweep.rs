//! Rows that nobody needs any more: expired tokens, old idempotency keys, and tasks that ended long ago, which move to the archive.

use std::time::Duration;

use chrono::Utc;

use crate::app::App;
use crate::error::Result;

const KEYS_KEPT: Duration = Duration::from_secs(24 * 3600);
const TASKS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

pub async fn scan(app: &App) -> Result<()> {
    let mut conn = app.pool.get().await?;
    db::identity::delete_expired_tokens(&mut conn).await?;
    db::idempotency::delete_before(&mut conn, Utc::now() - KEYS_KEPT).await?;
    task_engine::archive(&mut conn, TASKS_KEPT, 1000).await?;
    Ok(())
}
