//! After a start of the machine: guests that were interrupted wait for region's word, or are started by this host, as the configuration says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::env::Env;
use crate::guest::actor::Own;
use crate::guest::interrupted::{Autostart, Decided, decide};
use crate::guest::manager::Manager;

/// The kernel's id of this start of the machine; random(4). Empty if it can't be read.
#[must_use]
pub fn machine_boot(file: &std::path::Path) -> String {
    match std::fs::read_to_string(file) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => {
            tracing::warn!(path = %file.display(), %error, "starts of the machine can't be told apart");
            String::new()
        }
    }
}

/// Ends when every guest has been decided upon, or region is there to decide.
pub async fn run(env: Arc<Env>, manager: Arc<Manager>) {
    let count = manager.reports().iter().filter(|report| report.interrupted).count();
    if count == 0 {
        return;
    }
    let mode = env.config.autostart;
    tracing::warn!(count, autostart = ?mode, "the machine has started anew: guests ran when it went down");
    let given_up = mode == Autostart::Region && !heard(&env).await;
    if given_up {
        tracing::warn!(seconds = env.config.autostart_after_s, "region was not reached; guests are started without it");
    }
    let busy: HashSet<_> = env.ledger.open_operations().iter().map(|header| header.guest).collect();
    for report in manager.reports().into_iter().filter(|report| report.interrupted) {
        let Some(handle) = manager.existing(report.guest) else { continue };
        match decide(mode, given_up, busy.contains(&report.guest)) {
            Decided::Wait => {}
            Decided::Start => handle.tell(Own::Revive),
            Decided::StayOff => handle.tell(Own::StayOff),
        }
    }
}

/// Until region has been told of the guests; false if that took longer than the configuration allows.
async fn heard(env: &Env) -> bool {
    let mut heard = env.heard.subscribe();
    let told = async { heard.wait_for(|heard| *heard).await.is_ok() };
    match env.config.autostart_after_s {
        0 => told.await,
        seconds => tokio::time::timeout(Duration::from_secs(seconds), told).await.unwrap_or(false),
    }
}
