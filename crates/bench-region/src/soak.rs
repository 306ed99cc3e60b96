//! A long day: a thousand hosts, twenty thousand servers, rescues that begin and end all the time, people who list and follow, for as long
//! as is wanted. What grows is found; then more is asked than can be done, and then region dies and all hosts come back at once.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench_report::numbers::{percentile, rounded};
use bench_report::report::{self, Report};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures::StreamExt;
use host_sim::SimHandle;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use types::id::GuestId;

use crate::server::{Server, number};
use crate::stack::Stack;

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub hosts: usize,
    pub guests: usize,
    pub time: Duration,
    /// Rescues that begin in a second; as many end.
    pub rescues_per_s: f64,
    pub streams: usize,
    pub listers: usize,
    /// Requests at once, when too much is asked.
    pub overload: usize,
}

/// How long a server stays in rescue.
const STAY: Duration = Duration::from_secs(3);
/// What is looked at together.
const LOOKS: u32 = 24;
const HERD: Duration = Duration::from_secs(300);
const LISTS: &[&str] = &[
    "/servers?limit=20&offset=100",
    "/servers?limit=20&status.0=rescue",
    "/servers?filter=name.startswith('vm-1')&limit=20",
    "/tasks?limit=20",
    "/events?limit=20",
    "/hosts?limit=20",
];

/// What is counted while it runs.
#[derive(Default)]
struct Counts {
    lists: Mutex<Vec<f64>>,
    accepts: Mutex<Vec<f64>>,
    /// Bytes that all streams brought.
    streamed: AtomicU64,
    streams: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Counts {
    fn fail(&self, what: String) {
        self.failed.lock().expect("nobody panics with it").push(what);
    }
}

/// One look at region.
struct Look {
    rss_mib: f64,
    connections: i64,
    alive: i64,
    list_p99_ms: f64,
    accept_p99_ms: f64,
    /// Of the tasks that ended since the last look, from their beginning.
    task_p99_s: f64,
}

/// # Errors
/// As region reports them; what grows, breaks or does not come back.
pub async fn run(server: &Server, program: &Path, sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let mut stack = Stack::start(server, program, "soak", 1).await?;
    let (hosts, guests) = stack.hosts(sizes.hosts, sizes.guests).await?;
    println!("{} hosts, {} servers", hosts.len(), guests.len());
    let counts = Arc::new(Counts::default());
    let looks = steady(&stack, &guests, &counts, sizes).await?;
    tell(&looks, report);
    grows(&looks)?;
    let failed = std::mem::take(&mut *counts.failed.lock().expect("nobody panics with it"));
    ensure!(failed.is_empty(), "{} requests failed, the first: {}", failed.len(), failed[0]);
    ensure!(counts.streamed.load(Ordering::Relaxed) > 0, "streams said nothing");
    overload(&stack, &guests, sizes, report).await?;
    stack.settle().await?;
    herd(&mut stack, &hosts, program, report).await
}

async fn steady(stack: &Stack, guests: &[GuestId], counts: &Arc<Counts>, sizes: Sizes) -> anyhow::Result<Vec<Look>> {
    let mut at_work = JoinSet::new();
    for _ in 0..sizes.streams {
        at_work.spawn(follow(stack.request(0, Method::GET, "/stream"), Arc::clone(counts)));
    }
    for n in 0..sizes.listers {
        let requests: Vec<_> = LISTS.iter().map(|list| stack.request(0, Method::GET, list)).collect();
        at_work.spawn(list(requests, n, Arc::clone(counts)));
    }
    let pause = Duration::from_secs_f64(1.0 / sizes.rescues_per_s);
    let ask = |guest: GuestId, verb: &str| {
        stack.request(0, Method::POST, &format!("/servers/{guest}/{verb}")).json(&json!({ "reason": "soak" }))
    };
    let pairs: Vec<_> = guests
        .iter()
        .map(|guest| {
            (
                ask(*guest, "start-rescue"),
                stack.request(0, Method::POST, &format!("/servers/{guest}/stop-rescue")).json(&json!({})),
            )
        })
        .collect();
    at_work.spawn(rescue(pairs, pause, Arc::clone(counts)));
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(sizes.time / LOOKS).await;
        looks.push(look(stack, counts, sizes.time / LOOKS).await?);
    }
    ensure!(counts.streams.load(Ordering::Relaxed) == sizes.streams, "streams ended that should go on");
    Ok(looks)
}

/// Follows all changes, as a page of the console does.
async fn follow(request: reqwest::RequestBuilder, counts: Arc<Counts>) {
    match request.timeout(Duration::from_secs(24 * 3600)).send().await {
        Ok(answer) if answer.status().is_success() => {
            counts.streams.fetch_add(1, Ordering::Relaxed);
            let mut body = answer.bytes_stream();
            while let Some(Ok(piece)) = body.next().await {
                counts.streamed.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            counts.streams.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(answer) => counts.fail(format!("stream: {}", answer.status())),
        Err(error) => counts.fail(format!("stream: {error}")),
    }
}

async fn list(requests: Vec<reqwest::RequestBuilder>, first: usize, counts: Arc<Counts>) {
    for n in first.. {
        let request = requests[n % requests.len()].try_clone().expect("it has no body");
        let begun = Instant::now();
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                let read = answer.bytes().await;
                let ms = begun.elapsed().as_secs_f64() * 1000.0;
                match read {
                    Ok(_) => counts.lists.lock().expect("nobody panics with it").push(ms),
                    Err(error) => counts.fail(format!("list: {error}")),
                }
            }
            Ok(answer) => counts.fail(format!("list: {}", answer.status())),
            Err(error) => counts.fail(format!("list: {error}")),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Each server in its turn goes into rescue, and out of it a while later.
async fn rescue(pairs: Vec<(reqwest::RequestBuilder, reqwest::RequestBuilder)>, pause: Duration, counts: Arc<Counts>) {
    let mut pace = tokio::time::interval(pause);
    let mut under_way = JoinSet::new();
    for n in 0.. {
        pace.tick().await;
        while under_way.try_join_next().is_some() {}
        let (start, stop) = &pairs[n % pairs.len()];
        let (start, stop) = (start.try_clone().expect("a small body"), stop.try_clone().expect("a small body"));
        let counts = Arc::clone(&counts);
        under_way.spawn(async move {
            let begun = Instant::now();
            match start.send().await {
                Ok(answer) if answer.status().as_u16() == 202 => {
                    let ms = begun.elapsed().as_secs_f64() * 1000.0;
                    counts.accepts.lock().expect("nobody panics with it").push(ms);
                }
                Ok(answer) => return counts.fail(format!("start-rescue: {}", answer.status())),
                Err(error) => return counts.fail(format!("start-rescue: {error}")),
            }
            let end = Instant::now() + Duration::from_secs(120);
            loop {
                tokio::time::sleep(STAY).await;
                match stop.try_clone().expect("a small body").send().await {
                    Ok(answer) if answer.status().as_u16() == 202 => return,
                    // It is on its way into rescue still.
                    Ok(answer) if answer.status().as_u16() == 409 && Instant::now() < end => {}
                    Ok(answer) => return counts.fail(format!("stop-rescue: {}", answer.status())),
                    Err(error) => return counts.fail(format!("stop-rescue: {error}")),
                }
            }
        });
    }
}

async fn look(stack: &Stack, counts: &Counts, since: Duration) -> anyhow::Result<Look> {
    let mut conn = AsyncPgConnection::establish(&stack.url).await?;
    let connections = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()";
    let took = format!(
        "SELECT coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at)) * 1000, 0)::bigint AS n \
         FROM tasks WHERE ended_at > now() - interval '{} milliseconds'",
        since.as_millis()
    );
    let p99 = |of: &Mutex<Vec<f64>>| {
        let all = std::mem::take(&mut *of.lock().expect("nobody panics with it"));
        percentile(&all, 0.99)
    };
    let look = Look {
        rss_mib: stack.replicas[0].memory()?.now,
        connections: number(&mut conn, connections).await?,
        alive: number(&mut conn, "SELECT count(*) AS n FROM tasks WHERE ended_at IS NULL").await?,
        list_p99_ms: p99(&counts.lists),
        accept_p99_ms: p99(&counts.accepts),
        task_p99_s: number(&mut conn, &took).await? as f64 / 1000.0,
    };
    println!(
        "region {:.1} MiB, {} connections of the database, {} tasks alive; p99: list {:.0} ms, accept {:.0} ms, task {:.1} s",
        look.rss_mib, look.connections, look.alive, look.list_p99_ms, look.accept_p99_ms, look.task_p99_s
    );
    Ok(look)
}

/// The second quarter against the last: what grows for ever has grown by then, and what is only warming up has done so before.
fn grows(looks: &[Look]) -> anyhow::Result<()> {
    let quarter = looks.len() / 4;
    let mean = |of: &[Look], what: &dyn Fn(&Look) -> f64| of.iter().map(what).sum::<f64>() / of.len().max(1) as f64;
    let (early, late) = (&looks[quarter..2 * quarter], &looks[3 * quarter..]);
    for (name, what, part, plus) in [
        ("memory, MiB", &(|look: &Look| look.rss_mib) as &dyn Fn(&Look) -> f64, 0.15, 24.0),
        ("connections of the database", &|look: &Look| look.connections as f64, 0.1, 4.0),
        ("tasks alive", &|look: &Look| look.alive as f64, 0.5, 40.0),
        ("lag of tasks, s", &|look: &Look| look.task_p99_s, 1.0, 10.0),
    ] {
        let (before, after) = (mean(early, what), mean(late, what));
        ensure!(
            after <= before * (1.0 + part) + plus,
            "{name} grows: {before:.1} in the second quarter, {after:.1} in the last"
        );
    }
    Ok(())
}

fn tell(looks: &[Look], report: &mut Report) {
    let worst = |what: &dyn Fn(&Look) -> f64| looks.iter().map(what).fold(0.0, f64::max);
    report.metric("rss_mib", looks.last().map_or(0.0, |look| look.rss_mib));
    report.metric("list_p99_ms", worst(&|look| look.list_p99_ms));
    report.metric("accept_p99_ms", worst(&|look| look.accept_p99_ms));
    report.metric("task_p99_s", worst(&|look| look.task_p99_s));
    report.metric("connections", worst(&|look| look.connections as f64));
    for look in looks {
        report.row(json!({
            "part": "steady", "rss_mib": rounded(look.rss_mib), "connections": look.connections, "alive": look.alive,
            "list_p99_ms": rounded(look.list_p99_ms), "accept_p99_ms": rounded(look.accept_p99_ms), "task_p99_s": rounded(look.task_p99_s),
        }));
    }
}

/// More at once than can be done: each is answered, with what it asked for or with "later".
async fn overload(stack: &Stack, guests: &[GuestId], sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let mut asked = JoinSet::new();
    for n in 0..sizes.overload {
        let request = match n % 3 {
            0 => stack.request(0, Method::GET, "/servers?limit=1000&details=true"),
            1 => stack.request(0, Method::GET, "/events?limit=1000"),
            _ => stack
                .request(0, Method::POST, &format!("/servers/{}/syncstatus", guests[n % guests.len()]))
                .json(&json!({})),
        };
        asked.spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) });
    }
    let (mut done, mut later) = (0, 0);
    while let Some(answer) = asked.join_next().await {
        match answer?.context("region broke off a connection under load")? {
            200 | 202 | 409 => done += 1,
            429 | 503 => later += 1,
            other => anyhow::bail!("under load region answers {other}"),
        }
    }
    report.metric("overload_done", f64::from(done));
    report.metric("overload_later", f64::from(later));
    report::print(
        "asked at once",
        &["requests", "done", "told to come later"],
        vec![vec![sizes.overload.to_string(), done.to_string(), later.to_string()]],
    );
    Ok(())
}

/// Region dies; another begins, and all hosts come to it in the same moment.
async fn herd(stack: &mut Stack, hosts: &[SimHandle], program: &Path, report: &mut Report) -> anyhow::Result<()> {
    stack.replace(program).await?;
    let before: Vec<u32> = hosts.iter().map(SimHandle::registrations).collect();
    let begun = Instant::now();
    let region = stack.replicas[0].grpc.clone();
    hosts.iter().for_each(|host| host.set_region(region.clone()));
    let (mut first, mut pause) = (None, tokio::time::interval(Duration::from_millis(50)));
    loop {
        pause.tick().await;
        let back = hosts.iter().zip(&before).filter(|(host, before)| host.registrations() > **before).count();
        if back > 0 && first.is_none() {
            first = Some(begun.elapsed());
        }
        if back == hosts.len() {
            break;
        }
        ensure!(begun.elapsed() < HERD, "{back} of {} hosts are back after {HERD:?}", hosts.len());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (answered, asked) = (Instant::now(), stack.request(0, Method::GET, "/servers?limit=20").send().await?);
    ensure!(asked.status().is_success(), "behind the herd region answers {}", asked.status());
    let behind = answered.elapsed().as_secs_f64() * 1000.0;
    report.metric("herd_back_s", seconds);
    report::print(
        "all hosts at once",
        &["hosts", "all back s", "a list behind them ms"],
        vec![vec![hosts.len().to_string(), rounded(seconds).to_string(), rounded(behind).to_string()]],
    );
    stack.settle().await
}
