//! `GET /servers?limit=20` with few and with many servers in the database.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use crate::Sizes;
use crate::server::Server;
use crate::stack::{Stack, fill};
use bench_report::numbers::{millis, percentile, rounded};
use bench_report::report::{self, Report};

/// # Errors
/// As region reports them, or a list that is not right.
pub async fn run(server: &Server, program: &Path, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    let stack = Stack::start(server, program, "list", 1).await?;
    let mut conn = AsyncPgConnection::establish(&stack.url).await?;
    let (mut have, mut p50s, mut rows) = (0, Vec::new(), Vec::new());
    for &servers in sizes.lists {
        fill(&mut conn, have, servers).await?;
        have = servers;
        until_listed(&stack, servers).await?;
        let mut took = Vec::new();
        for round in 0..sizes.list_requests + 20 {
            let request = stack.request(0, reqwest::Method::GET, "/servers?limit=20");
            let begun = Instant::now();
            request.send().await?.error_for_status()?.bytes().await?;
            // The first ones prepare statements, and fill caches.
            if round >= 20 {
                took.push(millis(begun.elapsed()));
            }
        }
        let (p50, p99) = (percentile(&took, 0.5), percentile(&took, 0.99));
        rows.push(vec![servers.to_string(), rounded(p50).to_string(), rounded(p99).to_string()]);
        report.row(json!({ "part": "list", "servers": servers, "p50_ms": rounded(p50), "p99_ms": rounded(p99) }));
        p50s.push((servers, p50));
    }
    let of = |wanted| p50s.iter().find(|(servers, _)| *servers == wanted).map(|(_, p50)| *p50);
    if let (Some(few), Some(many)) = (of(100), of(100_000)) {
        report.metric("list_ratio_100k_vs_100", many / few);
    }
    report::print("GET /servers?limit=20", &["servers", "p50 ms", "p99 ms"], rows);
    Ok(())
}

/// Asks until the list has them all: a large total may be as old as region remembers it.
async fn until_listed(stack: &Stack, servers: usize) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = stack.request(0, reqwest::Method::GET, "/servers?limit=20").send().await?.error_for_status()?;
        let list: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let (page, total) = (list["servers"].as_array().map_or(0, Vec::len), list["total"].as_u64());
        if page == 20 && total == Some(servers as u64) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{page} of {total:?} servers are listed, not 20 of {servers}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
