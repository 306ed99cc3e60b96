//! Gauges of the whole service, from the database: each replica shows the same. What there are none of any more is shown as 0.

use std::collections::HashMap;

use crate::app::App;
use crate::error::Result;

/// Owned by the one loop that counts: what was shown once, by kind, place and state.
#[derive(Default)]
pub struct Measure(HashMap<(String, String, String), i64>);

impl Measure {
    pub async fn scan(&mut self, app: &App) -> Result<()> {
        pools(app);
        let mut conn = app.pool.get().await?;
        let counted = db::census::counts(&mut conn, app.config.heartbeat.limit_s).await?;
        let stalled = db::census::stalled_seconds(&mut conn).await?;
        drop(conn);
        metrics::gauge!("region_task_stalled_seconds").set(stalled);
        self.0.values_mut().for_each(|many| *many = 0);
        self.0.extend(counted.into_iter().map(|count| ((count.kind, count.place, count.state), count.many)));
        for ((kind, place, state), many) in &self.0 {
            show(kind, place.clone(), state.clone(), *many as f64);
        }
        Ok(())
    }
}

fn show(kind: &str, place: String, state: String, many: f64) {
    match kind {
        "host" => metrics::gauge!("region_hosts", "zone" => place, "status" => state).set(many),
        "agent" => metrics::gauge!("region_agents", "zone" => place, "status" => state).set(many),
        "task" => metrics::gauge!("region_tasks", "state" => state).set(many),
        "session" => metrics::gauge!("region_rescue_sessions", "state" => state).set(many),
        "overdue" => metrics::gauge!("region_rescue_sessions_overdue").set(many),
        other => tracing::error!(kind = other, "counted, and no gauge shows it"),
    }
}

/// Connections of this process.
fn pools(app: &App) {
    for (pool, name) in [(&app.pool, "api"), (&app.task_pool, "tasks")] {
        let status = pool.status();
        let used = status.size.saturating_sub(status.available);
        for (state, many) in [("used", used), ("idle", status.available), ("waiting", status.waiting)] {
            metrics::gauge!("region_database_connections", "pool" => name, "state" => state).set(many as f64);
        }
    }
}
