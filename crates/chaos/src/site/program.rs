//! One process of ours, that can be killed, stopped and started again at any time.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lifeboat::process::Process;
use lifeboat::state::{State, tail};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

const READY: Duration = Duration::from_secs(90);

/// Ends with the value.
pub struct Program {
    /// Names its configuration, its log, its clock.
    pub name: String,
    state: State,
    /// The program, behind what it is entered by.
    command: Vec<String>,
    variables: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
}

impl Program {
    #[must_use]
    pub fn new(name: &str, state: &State, enter: &[String], program: PathBuf) -> Self {
        let mut command = enter.to_vec();
        command.push(program.display().to_string());
        Self { name: name.to_owned(), state: state.clone(), command, variables: Vec::new(), child: Mutex::new(None) }
    }

    #[must_use]
    pub fn with(mut self, variables: Vec<(String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// Starts it, if it does not run.
    ///
    /// # Errors
    /// It can't be started.
    pub fn launch(&self) -> Result<()> {
        let mut child = self.child.lock().expect("nobody panics with it");
        if let Some(running) = &mut *child
            && running.try_wait()?.is_none()
        {
            return Ok(());
        }
        let _ = std::fs::remove_file(self.state.ready(&self.name));
        let log = self.state.log(&self.name);
        let open = || File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string());
        let started = Command::new(&self.command[0])
            .args(&self.command[1..])
            .arg("--config")
            .arg(self.state.config(&self.name))
            .arg("--ready-file")
            .arg(self.state.ready(&self.name))
            .env_remove("DATABASE_URL")
            .env_remove("RUST_LOG")
            .env("RUST_LIB_BACKTRACE", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.state.root())
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .with_context(|| self.command.join(" "))?;
        *child = Some(started);
        Ok(())
    }

    /// Until it serves, starting it anew as often as it ends: what it needs may still be away.
    ///
    /// # Errors
    /// It does not serve in time, with the end of its log.
    pub async fn ready(&self) -> Result<()> {
        let end = Instant::now() + READY;
        loop {
            self.launch()?;
            if self.state.ready(&self.name).exists() {
                return Ok(());
            }
            if Instant::now() >= end {
                let lines = tail(&self.state.log(&self.name), 15).join("\n");
                bail!("{} does not serve after {} s\n{lines}", self.name, READY.as_secs());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The running process.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        let mut child = self.child.lock().expect("nobody panics with it");
        let running = child.as_mut()?;
        matches!(running.try_wait(), Ok(None)).then(|| Process::of(running.id()))?
    }

    /// Sends a signal, if it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = self.process() {
            process.signal(signal);
        }
    }

    /// Until it has ended, all its threads included; it was sent a signal.
    pub async fn gone(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let ended = || {
            let mut child = self.child.lock().expect("nobody panics with it");
            child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
        };
        while !ended() {
            if Instant::now() >= end {
                return false;
            }
            sleep(Duration::from_millis(10)).await;
        }
        true
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = self.child.get_mut().ok().and_then(Option::as_mut) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
