//! What is looked at again and again, without being told: each scan stands behind a notification that may get lost, and is right to run
//! in any number of replicas at once.
//!
//! * [`hosts`]: hosts that fell silent, and hosts that are heard again;
//! * [`power`]: guests that went off or on by themselves;
//! * [`expiry`]: rescue sessions whose time is up;
//! * [`measure`]: how many there are of what, for `/metrics`;
//! * [`sweep`]: rows that nobody needs any more.
//!
//! Overdue stages of tasks are the engine's own business.

mod expiry;
mod hosts;
mod measure;
mod power;
mod sweep;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::error::Error;

/// Runs until it is cancelled.
pub async fn run(app: App, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(u64::from(app.config.heartbeat.interval_s).max(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rounds = 0u64;
    let mut measure = measure::Measure::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        told("hosts", hosts::scan(&app).await);
        told("power", power::scan(&app).await);
        told("expiry", expiry::scan(&app).await);
        told("measure", measure.scan(&app).await);
        told("changes", sweep::changes(&app).await);
        if rounds.is_multiple_of(12) {
            told("archive", sweep::archive(&app).await);
        }
        if rounds.is_multiple_of(120) {
            told("sweep", sweep::scan(&app).await);
        }
        rounds += 1;
    }
}

fn told(scan: &'static str, result: Result<(), Error>) {
    metrics::counter!("region_reconcile_scans_total", "scan" => scan, "ok" => result.is_ok().to_string()).increment(1);
    if let Err(error) = result {
        tracing::warn!(scan, error = %error, source = ?error.source, "a scan failed; it runs again");
    }
}
