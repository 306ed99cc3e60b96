//! A morning on which everything is broken: all servers are put into rescue at once, on many hosts, by two replicas.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::Sizes;
use crate::server::{Server, number};
use crate::stack::Stack;
use bench_report::numbers::rounded;
use bench_report::report::{self, Report};

const REPLICAS: usize = 2;
const CALLERS: usize = 64;
const LIMIT: Duration = Duration::from_secs(1800);

/// # Errors
/// As region reports them, or a server that does not reach rescue.
pub async fn run(server: &Server, program: &Path, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let stack = Arc::new(Stack::start(server, program, "storm", REPLICAS).await?);
    let (hosts, guests) = stack.hosts(sizes.storm_hosts, sizes.storm_guests).await?;
    let guests = Arc::new(guests);
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (stack, guests, next) = (stack.clone(), guests.clone(), next.clone());
        callers.spawn(async move {
            while let Some(guest) = guests.get(next.fetch_add(1, Ordering::Relaxed)) {
                stack.start_rescue(caller, *guest).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    let accepted = begun.elapsed().as_secs_f64();
    let mut conn = AsyncPgConnection::establish(&stack.url).await?;
    while number(&mut conn, "SELECT count(*) AS n FROM tasks WHERE ended_at IS NULL").await? > 0 {
        ensure!(begun.elapsed() < LIMIT, "tasks are alive after {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let there = number(&mut conn, "SELECT count(*) AS n FROM guests WHERE status = 'rescue'").await?;
    ensure!(there == i64::try_from(guests.len())?, "{there} of {} servers are in rescue", guests.len());
    let executed: usize = hosts.iter().map(|host| host.executions().len()).sum();
    let stages = "SELECT coalesce(sum(jsonb_array_length(history)), 0)::bigint AS n FROM tasks";
    let stages = number(&mut conn, stages).await?;
    ensure!(i64::try_from(executed)? == stages, "{executed} operations were executed for {stages} stages");
    let memory = stack.replicas.iter().map(super::stack::Replica::memory).collect::<anyhow::Result<Vec<_>>>()?;
    let largest = memory.iter().map(|m| m.now).fold(0.0, f64::max);
    let per_s = guests.len() as f64 / seconds;
    report.metric("storm_guests", guests.len() as f64);
    report.metric("storm_tasks_per_s", per_s);
    report.metric("rss_storm_mib", largest);
    for (replica, memory) in memory.iter().enumerate() {
        report.row(json!({
            "part": "memory", "when": "after the storm", "replica": replica, "rss_mib": rounded(memory.now),
            "peak_mib": rounded(memory.peak),
        }));
    }
    report.row(json!({
        "part": "storm", "guests": guests.len(), "hosts": hosts.len(), "replicas": REPLICAS, "accepted_s": rounded(accepted),
        "all_in_rescue_s": rounded(seconds), "tasks_per_s": rounded(per_s), "operations": executed, "put_off": stack.put_off.load(Ordering::Relaxed),
    }));
    let title = format!("{} servers on {} hosts put into rescue, {REPLICAS} replicas", guests.len(), hosts.len());
    let row = [accepted, seconds, per_s, executed as f64, largest].map(|n| rounded(n).to_string()).to_vec();
    let header = ["accepted s", "all in rescue s", "tasks/s", "operations, each once", "memory of a replica MiB"];
    report::print(&title, &header, vec![row]);
    Ok(())
}
