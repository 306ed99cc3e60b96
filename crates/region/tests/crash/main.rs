//! What tasks go through when processes, hosts and the database end, stand still or answer strangely, at any moment.
//!
//! `story` is the table of what tasks do and how they end; `scene` plays a story on two regions; `sweep` kills, repeats and fails every
//! step of every story. `process` does it to real processes, `database` to Postgres, `host` to the host; `busy` asks twenty times at once;
//! `rolling` replaces all replicas while rescues run.

mod busy;
mod database;
mod host;
mod process;
mod rolling;
mod scene;
mod story;
mod sweep;

use testing::{Setup, Stack};

/// A stack without a log: what these tests make happen is logged as it should be, thousands of times.
async fn stack(setup: Setup) -> Stack {
    service::telemetry::init(&service::telemetry::LogConfig { filter: "off".into(), ..Default::default() });
    Stack::start_with(setup).await
}
