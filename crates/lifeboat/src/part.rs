//! One part: a program that runs as a child, says when it serves, and is started again when it dies.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Condition};
use crate::process::Process;
use crate::state::{State, tail};

/// From start to serving; a database that recovers, or a loaded machine, needs some.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// From SIGTERM to SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Between two starts of a part that dies: the first wait, doubled each time up to the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A part that lived so long died of something new: its back-off begins again.
const SETTLED: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Part {
    /// Also the program's name, beside our own.
    pub name: &'static str,
    pub program: PathBuf,
    pub state: State,
    pub board: Board,
}

/// A part did not come up. `Display` says all that somebody needs to go on.
#[derive(Debug, thiserror::Error)]
#[error("{part} did not start: {problem}\n  log: {log}\n{lines}", log = log.display())]
pub struct PartFailed {
    pub part: String,
    pub problem: String,
    pub log: PathBuf,
    pub lines: String,
}

impl Part {
    /// Starts it and waits until it serves. The answer is what it wrote into its ready file.
    ///
    /// # Errors
    /// [`PartFailed`], with the last lines of its log.
    pub async fn start(&self) -> Result<(Child, Value)> {
        let mut child = self.spawn()?;
        match self.await_ready(&mut child).await {
            Ok(ready) => Ok((child, ready)),
            Err(problem) => {
                let _ = child.kill().await;
                self.board.down(self.name);
                Err(self.failed(&problem).into())
            }
        }
    }

    /// Keeps a started part alive until `stop`; ends it gently then.
    pub async fn keep(self, mut child: Child, stop: CancellationToken) {
        let mut wait = BACK_OFF.0;
        loop {
            let since = Instant::now();
            let status = tokio::select! {
                status = child.wait() => status,
                () = stop.cancelled() => return self.end(child).await,
            };
            let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
            if since.elapsed() > SETTLED {
                wait = BACK_OFF.0;
            }
            tracing::warn!(part = self.name, how, wait = ?wait, log = %self.state.log(self.name).display(), "a part died; it is started again");
            self.board.down(self.name);
            loop {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stop.cancelled() => return self.board.forget(self.name),
                }
                wait = (wait * 2).min(BACK_OFF.1);
                let started = tokio::select! {
                    started = self.start() => started,
                    () = stop.cancelled() => return self.board.forget(self.name),
                };
                match started {
                    Ok((again, _)) => {
                        tracing::info!(part = self.name, "started again");
                        child = again;
                        break;
                    }
                    Err(error) => tracing::error!(part = self.name, "{error:#}"),
                }
            }
        }
    }

    async fn end(&self, mut child: Child) {
        if let Some(process) = child.id().and_then(Process::of) {
            process.signal(Signal::TERM);
            if tokio::time::timeout(END_LIMIT, child.wait()).await.is_err() {
                tracing::warn!(part = self.name, "did not end in {} s and is killed", END_LIMIT.as_secs());
                let _ = child.kill().await;
            }
        }
        self.board.forget(self.name);
    }

    fn spawn(&self) -> Result<Child> {
        let ready = self.state.ready(self.name);
        let _ = std::fs::remove_file(&ready);
        let log = self.state.log(self.name);
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(&log)
                .with_context(|| format!("can't open {}", log.display()))
        };
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(self.state.config(self.name))
            .arg("--ready-file")
            .arg(&ready)
            .current_dir(self.state.root())
            // Its configuration names the stack's database, whatever else this variable is for.
            .env_remove("DATABASE_URL")
            // An error's chain of causes says it all; where it was made would bury that in the log. Panics keep theirs.
            .env("RUST_LIB_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            // Ctrl-C in a terminal is for the supervisor, which ends its parts in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| self.failed(&format!("{}: {e}; build it with: make build", self.program.display())))?;
        let process = child.id().and_then(Process::of);
        self.board.set(self.name, process, Condition::Starting, Value::Null);
        Ok(child)
    }

    async fn await_ready(&self, child: &mut Child) -> Result<Value, String> {
        let end = Instant::now() + READY_LIMIT;
        loop {
            if let Ok(text) = std::fs::read(self.state.ready(self.name)) {
                let ready: Value =
                    serde_json::from_slice(&text).map_err(|e| format!("its ready file is no JSON: {e}"))?;
                self.board.set(self.name, child.id().and_then(Process::of), Condition::Ready, ready.clone());
                return Ok(ready);
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if Instant::now() >= end {
                return Err(format!("it did not serve within {} s", READY_LIMIT.as_secs()));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn failed(&self, problem: &str) -> PartFailed {
        let log = self.state.log(self.name);
        let lines = tail(&log, 15).iter().map(|line| format!("  | {line}\n")).collect();
        PartFailed { part: self.name.to_owned(), problem: problem.to_owned(), log, lines }
    }
}
