//! Another region on the database of a stack, with addresses of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lifeboat::process::Process;
use lifeboat::state::tail;
use rustix::process::Signal;
use serde_json::Value;

use crate::{Stack, until};

const LIMIT: Duration = Duration::from_secs(90);

/// Ends, by SIGKILL, with this value.
pub struct Replica {
    child: Child,
    /// Its REST service: `http://IP:PORT`.
    pub base: String,
    log: PathBuf,
}

impl Replica {
    /// Until it serves. It has the configuration of the stack's region, and the variables over it.
    ///
    /// # Errors
    /// It does not serve, with the last lines of its log.
    pub async fn start(stack: &Stack, variables: &[(&str, &str)]) -> Result<Self> {
        let (ready, log) = (stack.state.path("replica.ready"), stack.state.path("log/replica.log"));
        let child = Command::new(stack.programs.join("region"))
            .arg("--config")
            .arg(stack.state.config("region"))
            .arg("--ready-file")
            .arg(&ready)
            .env_remove("DATABASE_URL")
            .env("REGION_HTTP__LISTEN", "127.0.0.1:0")
            .env("REGION_GRPC__LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("region does not run")?;
        let mut replica = Self { child, base: String::new(), log };
        let told = async || Ok(std::fs::read(&ready).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok()));
        let told = until(LIMIT, "another region", told).await.with_context(|| replica.lines())?;
        replica.base = told["http"].as_str().context("its address")?.to_owned();
        Ok(replica)
    }

    /// SIGTERM, as an update sends it, until it has ended by itself.
    ///
    /// # Errors
    /// It does not end, or as a failure.
    pub async fn end(mut self) -> Result<()> {
        Process::of(self.child.id()).context("it has ended already")?.signal(Signal::TERM);
        let end = tokio::time::Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(tokio::time::Instant::now() < end, "the other region does not end\n{}", self.lines());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        ensure!(status.success(), "{status}\n{}", self.lines());
        Ok(())
    }

    fn lines(&self) -> String {
        tail(&self.log, 20).join("\n")
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
