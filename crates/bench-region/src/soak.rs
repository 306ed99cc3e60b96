//! A long day: a thousand hosts, twenty thousand servers, rescues that begin and end all the time, people who list and follow, for as long
//! as is wanted. What grows is found; then more is asked than can be done, and then region dies and all hosts come back at once.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench_report::numbers::{percentile, rounded};
use bench_report::report::{self, Report};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
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
    /// From an event to its arrival with one who follows all, ms.
    lags: Mutex<Vec<f64>>,
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
    /// Files and sockets.
    files: usize,
    connections: i64,
    alive: i64,
    list_p99_ms: f64,
    accept_p99_ms: f64,
    stream_p99_ms: f64,
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
    for n in 0..sizes.streams {
        at_work.spawn(follow(stack.request(0, Method::GET, "/stream"), n == 0, Arc::clone(counts)));
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

/// Follows all changes, as a page of the console does; one of them looks how late they are.
async fn follow(request: reqwest::RequestBuilder, looks: bool, counts: Arc<Counts>) {
    match request.timeout(Duration::from_secs(24 * 3600)).send().await {
        Ok(answer) if answer.status().is_success() => {
            counts.streams.fetch_add(1, Ordering::Relaxed);
            let (mut body, mut rest) = (answer.bytes_stream(), Vec::new());
            while let Some(Ok(piece)) = body.next().await {
                counts.streamed.fetch_add(piece.len() as u64, Ordering::Relaxed);
                if looks {
                    rest.extend_from_slice(&piece);
                    let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                    let late = rest.drain(..whole).collect::<Vec<u8>>();
                    let late = late.split(|byte| *byte == b'\n').filter_map(late_by);
                    counts.lags.lock().expect("nobody panics with it").extend(late);
                }
            }
            counts.streams.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(answer) => counts.fail(format!("stream: {}", answer.status())),
        Err(error) => counts.fail(format!("stream: {error}")),
    }
}

/// How long ago the event was that a line of a stream tells of, ms.
fn late_by(line: &[u8]) -> Option<f64> {
    let told: serde_json::Value = serde_json::from_slice(line.strip_prefix(b"data:")?).ok()?;
    let at: DateTime<Utc> = told["event"]["ops_time"].as_str()?.parse().ok()?;
    Some((Utc::now() - at).as_seconds_f64() * 1000.0)
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
        files: stack.replicas[0].files()?,
        connections: number(&mut conn, connections).await?,
        alive: number(&mut conn, "SELECT count(*) AS n FROM tasks WHERE ended_at IS NULL").await?,
        list_p99_ms: p99(&counts.lists),
        accept_p99_ms: p99(&counts.accepts),
        stream_p99_ms: p99(&counts.lags),
        task_p99_s: number(&mut conn, &took).await? as f64 / 1000.0,
    };
    println!(
        "region {:.1} MiB, {} files open, {} connections of the database, {} tasks alive; p99: list {:.0} ms, accept {:.0} ms, \
         stream {:.0} ms, task {:.1} s",
        look.rss_mib,
        look.files,
        look.connections,
        look.alive,
        look.list_p99_ms,
        look.accept_p99_ms,
        look.stream_p99_ms,
        look.task_p99_s
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
        ("files and sockets", &|look: &Look| look.files as f64, 0.1, 64.0),
        ("connections of the database", &|look: &Look| look.connections as f64, 0.1, 4.0),
        ("tasks alive", &|look: &Look| look.alive as f64, 0.5, 40.0),
        ("lag of tasks, s", &|look: &Look| look.task_p99_s, 0.5, 10.0),
        ("lag of streams, ms", &|look: &Look| look.stream_p99_ms, 0.5, 2000.0),
        ("lists, ms", &|look: &Look| look.list_p99_ms, 0.5, 2000.0),
        ("accepting, ms", &|look: &Look| look.accept_p99_ms, 0.5, 2000.0),
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
    report.metric("stream_p99_ms", worst(&|look| look.stream_p99_ms));
    report.metric("task_p99_s", worst(&|look| look.task_p99_s));
    report.metric("files", worst(&|look| look.files as f64));
    report.metric("connections", worst(&|look| look.connections as f64));
    for look in looks {
        report.row(json!({
            "part": "steady", "rss_mib": rounded(look.rss_mib), "files": look.files, "connections": look.connections,
            "alive": look.alive, "list_p99_ms": rounded(look.list_p99_ms), "accept_p99_ms": rounded(look.accept_p99_ms),
            "stream_p99_ms": rounded(look.stream_p99_ms), "task_p99_s": rounded(look.task_p99_s),
        }));
    }
}

/// More at once than can be done, for the database stands still until the first is told to come later: each is answered, with what it
/// asked for or with when to come again, and afterwards all is as before.
async fn overload(stack: &Stack, guests: &[GuestId], sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let mut asked = JoinSet::new();
    let mut blocker = AsyncPgConnection::establish(&stack.url).await?;
    blocker.batch_execute("BEGIN; LOCK TABLE guests, events IN ACCESS EXCLUSIVE MODE").await?;
    for n in 0..sizes.overload {
        let request = match n % 3 {
            0 => stack.request(0, Method::GET, "/servers?limit=1000&details=true"),
            1 => stack.request(0, Method::GET, "/events?limit=1000"),
            _ => stack
                .request(0, Method::POST, &format!("/servers/{}/syncstatus", guests[n % guests.len()]))
                .json(&json!({})),
        };
        asked.spawn(async move {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.headers().contains_key("retry-after")))
        });
    }
    let (mut done, mut later) = (0, 0);
    let mut blocker = Some(blocker);
    while let Some(answer) = asked.join_next().await {
        let answer: Result<_, reqwest::Error> = answer?;
        match answer.context("region broke off a connection under load")? {
            (200 | 202 | 409, _) => done += 1,
            (429 | 503, true) => later += 1,
            (other, _) => anyhow::bail!("under load region answers {other}, and does not say when to come again"),
        }
        if later > 0 {
            drop(blocker.take());
        }
    }
    ensure!(later > 0, "nobody was told to come later");
    let after = stack.request(0, Method::GET, "/servers?limit=20").send().await?.status();
    ensure!(after.is_success(), "after the load region answers {after}");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(of: impl Fn(f64) -> Look) -> Vec<Look> {
        (0..LOOKS).map(|n| of(f64::from(n) / f64::from(LOOKS))).collect()
    }

    fn quiet() -> Look {
        Look {
            rss_mib: 60.0,
            files: 200,
            connections: 40,
            alive: 30,
            list_p99_ms: 50.0,
            accept_p99_ms: 10.0,
            stream_p99_ms: 80.0,
            task_p99_s: 2.0,
        }
    }

    #[test]
    fn what_grows_is_named_and_what_warms_up_is_not() {
        assert!(grows(&looks(|_| quiet())).is_ok());
        let warm = |at: f64| if at < 0.25 { 20.0 } else { 60.0 };
        assert!(grows(&looks(|at| Look { rss_mib: warm(at), ..quiet() })).is_ok());
        for (name, all) in [
            ("memory", looks(|at| Look { rss_mib: 60.0 + 120.0 * at, ..quiet() })),
            ("files and sockets", looks(|at| Look { files: 200 + (400.0 * at) as usize, ..quiet() })),
            ("connections", looks(|at| Look { connections: 40 + (40.0 * at) as i64, ..quiet() })),
            ("tasks alive", looks(|at| Look { alive: 30 + (400.0 * at) as i64, ..quiet() })),
            ("lag of tasks", looks(|at| Look { task_p99_s: 2.0 + 60.0 * at, ..quiet() })),
            ("lag of streams", looks(|at| Look { stream_p99_ms: 80.0 + 9000.0 * at, ..quiet() })),
            ("lists", looks(|at| Look { list_p99_ms: 50.0 + 9000.0 * at, ..quiet() })),
            ("accepting", looks(|at| Look { accept_p99_ms: 10.0 + 9000.0 * at, ..quiet() })),
        ] {
            let told = grows(&all).expect_err(name).to_string();
            assert!(told.starts_with(name), "{told}");
        }
    }

    #[test]
    fn how_late_an_event_is_can_be_read_from_its_line() {
        let line = format!(
            "data: {{\"event\": {{\"ops_time\": \"{}\"}}}}",
            (Utc::now() - chrono::Duration::seconds(2)).to_rfc3339()
        );
        assert!(late_by(line.as_bytes()).is_some_and(|ms| (2000.0..60_000.0).contains(&ms)));
        assert_eq!(late_by(b"data: {\"task\": {}}"), None);
        assert_eq!(late_by(b": alive"), None);
    }
}
