//! How long a caller waits until its `start-rescue` is accepted, while the tasks of those before are at work; and region's memory before that.
//!
//! One caller twice: at a pace that leaves the machine, on which hosts, database and callers are as well, room to work the tasks off, which
//! shows how long accepting takes; and back to back, which like the many callers shows how all of it shares a machine that has no room left.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::Server;
use crate::stack::Stack;
use crate::{Accepts, Sizes};
use bench_report::numbers::{millis, percentile, rounded};
use bench_report::report::{self, Report};

const HOSTS: usize = 20;
/// Before memory is looked at: time to let go of what the start needed.
const IDLE: Duration = Duration::from_secs(10);

/// # Errors
/// As region reports them.
pub async fn run(server: &Server, program: &Path, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let stack = Arc::new(Stack::start(server, program, "accept", 1).await?);
    let requests: usize = sizes.accepts.iter().map(|it| it.requests).sum();
    let (_hosts, guests) = stack.hosts(HOSTS, requests).await?;
    tokio::time::sleep(IDLE).await;
    let idle = stack.replicas[0].memory()?;
    report.metric("rss_idle_mib", idle.now);
    report
        .row(json!({ "part": "memory", "when": "idle", "rss_mib": rounded(idle.now), "peak_mib": rounded(idle.peak) }));

    let guests = Arc::new(guests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut rows = Vec::new();
    let mut end = 0;
    for &Accepts { callers, requests, every } in sizes.accepts {
        end += requests;
        let begun = Instant::now();
        let mut at_work = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let (stack, guests, next) = (stack.clone(), guests.clone(), next.clone());
            at_work.spawn(async move {
                // Its connection is there before it begins.
                stack.request(0, reqwest::Method::GET, "/ping").send().await?;
                let mut took = Vec::new();
                let mut due = Instant::now();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= end {
                        return anyhow::Ok(took);
                    }
                    // Whoever is late because the one before took long has waited since it was due.
                    let mut late = Duration::ZERO;
                    if let Some(every) = every {
                        late = due.elapsed();
                        tokio::time::sleep_until(due.into()).await;
                        due += every;
                    }
                    took.push(millis(late + stack.start_rescue(0, guests[at]).await?));
                }
            });
        }
        let mut took = Vec::new();
        while let Some(one) = at_work.join_next().await {
            took.extend(one??);
        }
        next.store(end, Ordering::Relaxed);
        let accepted = begun.elapsed().as_secs_f64();
        stack.settle().await?;
        let ended = begun.elapsed().as_secs_f64();
        let (p50, p99) = (rounded(percentile(&took, 0.5)), rounded(percentile(&took, 0.99)));
        let per_s = rounded(took.len() as f64 / accepted);
        let ended_per_s = rounded(took.len() as f64 / ended);
        rows.push(vec![
            match every {
                Some(every) => format!("{callers}, every {} ms", every.as_millis()),
                None => callers.to_string(),
            },
            took.len().to_string(),
            p50.to_string(),
            p99.to_string(),
            per_s.to_string(),
            ended_per_s.to_string(),
        ]);
        report.row(json!({
            "part": "accept", "callers": callers, "every_ms": every.map(|it| it.as_millis() as u64), "requests": took.len(), "p50_ms": p50, "p99_ms": p99, "accepted_per_s": per_s,
            "tasks_per_s": ended_per_s, "put_off": stack.put_off.swap(0, Ordering::Relaxed),
        }));
        match (callers, every) {
            (1, Some(_)) => report.metric("accept_p50_ms_1", p50),
            (1, None) => report.metric("accept_p50_ms_1_back_to_back", p50),
            (200, _) => report.metric("accept_p99_ms_200", p99),
            _ => {}
        }
    }
    let header = ["callers", "requests", "p50 ms", "p99 ms", "accepted/s", "in rescue/s"];
    report::print("start-rescue: time until the task is accepted", &header, rows);
    Ok(())
}
