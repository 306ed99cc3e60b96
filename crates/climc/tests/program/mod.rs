//! Runs the program as a user does: a process with a home of its own and nothing else in its environment.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::region::{PASSWORD, Region};

pub struct Program {
    pub home: tempfile::TempDir,
    pub environment: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Program {
    /// Logged in as the fake region's admin, by variables.
    pub fn new(region: &Region) -> Self {
        let program = Self::without_credentials();
        let url = region.auth_url();
        program.with(&[
            ("OS_AUTH_URL", &url),
            ("OS_USERNAME", "admin"),
            ("OS_PASSWORD", PASSWORD),
            ("OS_PROJECT_NAME", "system"),
        ])
    }

    pub fn without_credentials() -> Self {
        Self { home: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    pub fn with(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment.retain(|(key, _)| variables.iter().all(|(k, _)| k != key));
        self.environment.extend(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_climc"));
        command.args(args).env_clear().env("HOME", self.home.path()).kill_on_drop(true);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "").await
    }

    /// With something on stdin.
    pub async fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may not read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
        let output = ended.unwrap_or_else(|_| panic!("climc {args:?} does not end")).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran = Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD), "it prints the password: {ran:?}");
        ran
    }
}
