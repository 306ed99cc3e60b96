//! Tells the story: lines with the time beside them, and commands that are shown as they run.

use std::ffi::OsStr;
use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::clock::Clock;

/// What of a command is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    All,
    /// What it says of its progress, on stderr; not its answer.
    Progress,
}

pub struct Teller {
    clock: Clock,
}

impl Teller {
    pub fn new() -> Self {
        Self { clock: Clock::start() }
    }

    pub fn seconds(&self) -> f64 {
        self.clock.seconds()
    }

    pub fn chapter(&self, title: &str) {
        println!("\n── {title}");
    }

    pub fn say(&self, what: &str) {
        self.line(&format!("{:6.1} s  {what}", self.clock.seconds()));
    }

    /// Something that a machine showed, beneath a line of ours.
    pub fn quote(&self, who: &str, lines: &[String]) {
        for line in lines {
            self.line(&format!("          {who} | {line}"));
        }
    }

    fn line(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // A story whose listener went away goes on to its end: machines must still be put in order.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// Shows a command as a user would type it, runs it and shows what it prints as it comes. The answer is its stdout.
    ///
    /// # Errors
    /// It does not run, or ends with another code than 0.
    pub async fn run(
        &self,
        shown: &str,
        program: impl AsRef<OsStr>,
        args: &[&str],
        env: &[(&str, &str)],
        print: Print,
    ) -> Result<String> {
        self.say(&format!("$ {shown}"));
        let mut child = Command::new(program.as_ref())
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not run; build it with: make build", program.as_ref().display()))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (out, err) = tokio::join!(self.relay(out, print == Print::All), self.relay(err, true));
        let status = child.wait().await?;
        if !status.success() {
            let said = if err.trim().is_empty() { &out } else { &err };
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            bail!("`{shown}` failed ({status}): {}", lines[lines.len().saturating_sub(2)..].join("; "));
        }
        Ok(out)
    }

    async fn relay(&self, from: Option<impl AsyncRead + Unpin>, print: bool) -> String {
        let mut all = String::new();
        let Some(from) = from else { return all };
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line = crate::screen::plain(&line);
            if print && !line.trim().is_empty() {
                self.line(&format!("            {}", line.trim_end()));
            }
            all.push_str(&line);
            all.push('\n');
        }
        all
    }
}
