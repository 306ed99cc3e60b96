//! Hears NOTIFY on a connection of its own. What it says is only "look now"; a lost notification costs a poll interval.

use std::sync::Arc;

use diesel_async::SimpleAsyncConnection;
use futures::StreamExt;

use super::{Connect, Shared};
use crate::store::{CANCEL, WAKE};

/// Runs until dropped; reconnects for ever.
pub(crate) async fn run<E: Send + Sync + 'static>(shared: Arc<Shared<E>>, connect: Connect) {
    let mut trouble = 0;
    loop {
        match listen(&shared, &connect, &mut trouble).await {
            Ok(()) => tracing::debug!("the connection for LISTEN ended; opening another"),
            Err(error) if trouble == 0 => tracing::warn!(error, "not listening for now, polling instead; trying again"),
            Err(_) => {}
        }
        trouble += 1;
        tokio::time::sleep(shared.tuning.back_off(trouble, 0.5)).await;
    }
}

async fn listen<E>(shared: &Shared<E>, connect: &Connect, trouble: &mut u32) -> Result<(), String> {
    let mut conn = connect().await.map_err(|error| error.to_string())?;
    conn.batch_execute(&format!("LISTEN {WAKE}; LISTEN {CANCEL}")).await.map_err(|error| error.to_string())?;
    *trouble = 0;
    // What was said while nobody listened.
    shared.waker.here();
    shared.running.look.notify_one();
    let mut heard = std::pin::pin!(conn.notifications_stream());
    while let Some(notification) = heard.next().await {
        match notification.map_err(|error| error.to_string())?.channel.as_str() {
            CANCEL => shared.running.look.notify_one(),
            _ => shared.waker.here(),
        }
    }
    Ok(())
}
