//! Resident memory of the agent without guests, with few, and with many, all of them running the simulated QEMU; and what the many cost
//! while nothing happens: processor time, wake-ups, the size of a heartbeat. Then the agent is killed and started again: how long until
//! it has found them all, and its memory then.

use std::time::{Duration, Instant};

use bench_report::numbers::rounded;
use bench_report::report::{self, Report};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use crate::agent::{Agent, desc};
use crate::{Arguments, Sizes};

/// What was caused by starting guests has ended, also the agent's threads for what blocks, which stay for ten seconds.
const SETTLE: Duration = Duration::from_secs(11);
/// MiB; a simulated guest needs none of it.
const MEMORY: u32 = 64;
/// Guests that are made and started at the same time.
const AT_ONCE: usize = 8;

/// # Errors
/// As the agent reports them.
pub async fn run(arguments: &Arguments, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let key = arguments.image_key.canonicalize()?;
    let program = std::path::absolute(arguments.bin.join("qemu-sim"))?;
    let mut agent = Agent::start(arguments, &program, &key.to_string_lossy()).await?;
    let mut rows = Vec::new();
    let (mut guests, mut starts) = (0, None);
    for wanted in std::iter::once(0).chain(sizes.guests.iter().copied()) {
        let begun = Instant::now();
        add(&agent, wanted - guests).await?;
        if wanted > guests {
            starts = Some(begun.elapsed().as_secs_f64() * 1000.0 / (wanted - guests) as f64);
        }
        guests = wanted;
        let found = rest(&agent, guests, sizes, "started").await?;
        report.metric(&format!("rss_mib_{guests}_guests"), found.resident_mib);
        rows.push(found.cells(starts));
        report.row(found.row(starts));
        if guests == *sizes.guests.last().unwrap_or(&0) {
            report.metric(&format!("idle_cpu_ms_per_s_{guests}_guests"), found.cpu_ms_per_s);
            report.metric(&format!("heartbeat_bytes_{guests}_guests"), found.heartbeat_bytes as f64);
        }
    }
    let took = agent.restart().await?;
    report.metric(&format!("restart_s_{guests}_guests"), took);
    let found = rest(&agent, guests, sizes, "found after a restart").await?;
    report.metric(&format!("rss_mib_{guests}_guests_found"), found.resident_mib);
    rows.push(found.cells(None));
    report.row(found.row(None));
    let header = [
        "guests",
        "",
        "resident MiB",
        "CPU ms/s",
        "wake-ups/s",
        "heartbeat bytes",
        "heartbeats",
        "ms to make and start one",
    ];
    report::print(&format!("the agent at rest, for {} s", sizes.idle_s), &header, rows);
    println!("found again {guests} running guests {} s after a kill", rounded(took));
    Ok(())
}

/// Makes and starts guests.
async fn add(agent: &Agent, count: usize) -> anyhow::Result<()> {
    let one = |_| async {
        let desc = desc(MEMORY);
        agent.create(&desc).await?;
        agent.power_on(desc.id).await
    };
    futures::stream::iter(0..count).map(one).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// The agent while nothing happens.
struct Rest {
    guests: usize,
    how: &'static str,
    resident_mib: f64,
    cpu_ms_per_s: f64,
    wakeups_per_s: f64,
    heartbeat_bytes: usize,
    heartbeats: u64,
}

async fn rest(agent: &Agent, guests: usize, sizes: &Sizes, how: &'static str) -> anyhow::Result<Rest> {
    let heartbeat_bytes = agent.region().heartbeat_bytes(guests).await?;
    tokio::time::sleep(SETTLE).await;
    let process = agent.process()?;
    let (before, beats, begun) = (process.used()?, agent.region().heartbeats(), Instant::now());
    tokio::time::sleep(Duration::from_secs(sizes.idle_s)).await;
    let (seconds, now) = (begun.elapsed().as_secs_f64(), process.used()?);
    Ok(Rest {
        guests,
        how,
        cpu_ms_per_s: now.cpu_s_since(&before) * 1000.0 / seconds,
        wakeups_per_s: now.sleeps_since(&before) as f64 / seconds,
        heartbeats: agent.region().heartbeats() - beats,
        resident_mib: process.resident_mib()?,
        heartbeat_bytes,
    })
}

impl Rest {
    fn cells(&self, start_ms: Option<f64>) -> Vec<String> {
        let number = |value: f64| rounded(value).to_string();
        vec![
            self.guests.to_string(),
            self.how.to_owned(),
            number(self.resident_mib),
            number(self.cpu_ms_per_s),
            number(self.wakeups_per_s),
            self.heartbeat_bytes.to_string(),
            self.heartbeats.to_string(),
            start_ms.map(number).unwrap_or_default(),
        ]
    }

    fn row(&self, start_ms: Option<f64>) -> serde_json::Value {
        json!({
            "part": "memory", "guests": self.guests, "how": self.how, "resident_mib": rounded(self.resident_mib),
            "idle_cpu_ms_per_s": rounded(self.cpu_ms_per_s), "wakeups_per_s": rounded(self.wakeups_per_s),
            "heartbeat_bytes": self.heartbeat_bytes, "heartbeats": self.heartbeats, "make_and_start_ms": start_ms.map(rounded),
        })
    }
}
