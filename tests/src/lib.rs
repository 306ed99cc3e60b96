//! A whole Lifeboat for a story: real programs, a private Postgres, real QEMU, in a folder of its own that is gone afterwards.
//!
//! [`Stack`] is what `lifeboat up` starts and `lifeboat down` ends. [`guest`] makes, breaks and watches servers in it, [`Replica`] is another
//! region beside the stack's.
//!
//! The programs, the rescue image and the guests' disks must be there: `make e2e` and `make test` see to it.

pub mod guest;
mod replica;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::Client;
use lifeboat::board::{Board, Condition, Row};
use lifeboat::process::Process;
use lifeboat::rc::Rc;
use lifeboat::state::{State, tail};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

pub use replica::Replica;

/// A stack that runs. Dropping it ends it, guests included.
pub struct Stack {
    pub state: State,
    pub client: Client,
    programs: PathBuf,
    rc: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stack {
    /// # Errors
    /// `lifeboat up` failed; with what it said.
    pub async fn up() -> Result<Self> {
        Self::up_with(&[]).await
    }

    /// With variables in the environment of all programs.
    ///
    /// # Errors
    /// As [`Stack::up`].
    pub async fn up_with(variables: &[(&str, &str)]) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        // Short, for unix sockets beneath it; and Postgres, which runs as another user when root starts it, must get through.
        let folder = tempfile::Builder::new()
            .prefix("lb-")
            .permissions(std::fs::Permissions::from_mode(0o711))
            .tempdir()
            .context("no temporary folder")?;
        let state = State::at(folder.path())?;
        let programs = programs()?;
        let rc = state.path("rc");
        // From here on dropping it ends whatever came up.
        let guard = Unfinished(&programs, &state);
        start(&programs, &state, variables)?;
        let client = lifeboat::registered::client(&Rc::read(&state)?)?;
        std::mem::forget(guard);
        Ok(Self { state, client, programs, rc, _folder: folder })
    }

    /// `lifeboat up` once more.
    ///
    /// # Errors
    /// It failed; with what it said.
    pub fn up_again(&self) -> Result<()> {
        start(&self.programs, &self.state, &[])
    }

    /// Runs a command of `lifeboat` on this stack; its exit code and what it printed.
    ///
    /// # Errors
    /// It does not run.
    pub fn lifeboat(&self, command: &str) -> Result<Output> {
        let mut lifeboat = Command::new(self.programs.join("lifeboat"));
        lifeboat.arg(command).arg("--state").arg(self.state.root()).output().context("lifeboat does not run")
    }

    /// Runs climc as the administrator.
    ///
    /// # Errors
    /// It does not run, or ends with another code than 0.
    pub async fn climc(&self, args: &[&str]) -> Result<String> {
        let done = self.climc_output(args).await?;
        if !done.status.success() {
            bail!("climc {}: {} {}", args.join(" "), done.status, String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// As [`Stack::climc`], whatever the exit code.
    ///
    /// # Errors
    /// It does not run.
    pub async fn climc_output(&self, args: &[&str]) -> Result<Output> {
        self.climc_with(&[], args).await
    }

    /// The same, with variables in its environment, which go over those of the credentials file.
    ///
    /// # Errors
    /// It does not run.
    pub async fn climc_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Result<Output> {
        let home = self.state.path("home");
        tokio::process::Command::new(self.programs.join("climc"))
            .args(args)
            .env("LIFEBOAT_RC", &self.rc)
            .env("XDG_CONFIG_HOME", &home)
            .env("XDG_CACHE_HOME", &home)
            .envs(variables.iter().copied())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("climc does not run")
    }

    /// `kill -9` of a part; returns when the supervisor has another one serving.
    ///
    /// # Errors
    /// The part was not there, or did not come back.
    pub async fn kill(&self, part: &str) -> Result<()> {
        let before = self.part(part)?.process.with_context(|| format!("{part} does not run"))?;
        before.signal(Signal::KILL);
        let again = |row: &Row| row.condition == Condition::Ready && row.process.is_some_and(|now| now != before);
        until(Duration::from_secs(60), &format!("{part} to come back"), async || {
            Ok(again(&self.part(part)?).then_some(()))
        })
        .await
    }

    /// What the board says of a part.
    ///
    /// # Errors
    /// Nothing.
    pub fn part(&self, part: &str) -> Result<Row> {
        Board::last(&self.state)?.remove(part).with_context(|| format!("{part} is not on the board"))
    }

    /// The QEMU processes of this stack.
    #[must_use]
    pub fn machines(&self) -> Vec<Process> {
        lifeboat::process::machines_under(self.state.root())
    }

    /// The last lines of every log, for a test that failed.
    #[must_use]
    pub fn logs(&self) -> String {
        let logs = ["region", "host", "baremetal-agent", "lifeboat"];
        let lines = logs.iter().flat_map(|part| {
            let lines = tail(&self.state.log(part), 20);
            lines.into_iter().map(move |line| format!("{part} | {line}\n"))
        });
        lines.collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        down(&self.programs, &self.state);
    }
}

fn start(programs: &Path, state: &State, variables: &[(&str, &str)]) -> Result<()> {
    let target = programs.parent().unwrap_or(Path::new("/"));
    let up = Command::new(programs.join("lifeboat"))
        .args(["up", "--listen", "127.0.0.1:0", "--accel", "tcg", "--state"])
        .arg(state.root())
        .env_remove("DATABASE_URL")
        .env("LIFEBOAT_GUESTS", target.join("guests"))
        .env("LIFEBOAT_RESCUE_IMAGES", target.join("rescue-images"))
        .envs(variables.iter().copied())
        .output()
        .with_context(|| format!("{}: build it with make build", programs.join("lifeboat").display()))?;
    if !up.status.success() {
        bail!("lifeboat up: {}{}", String::from_utf8_lossy(&up.stderr), String::from_utf8_lossy(&up.stdout));
    }
    Ok(())
}

/// Ends what came up, unless it is forgotten.
struct Unfinished<'a>(&'a Path, &'a State);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        down(self.0, self.1);
    }
}

fn down(programs: &Path, state: &State) {
    // QEMU at once: what a test leaves behind needs no gentle end.
    for machine in lifeboat::process::machines_under(state.root()) {
        machine.signal(Signal::KILL);
    }
    let down = Command::new(programs.join("lifeboat")).args(["down", "--state"]).arg(state.root()).output();
    if let Ok(down) = down
        && !down.status.success()
    {
        eprintln!("lifeboat down: {}", String::from_utf8_lossy(&down.stderr));
    }
}

/// The folder of the programs: two above a test's own executable, `target/debug/deps/NAME`.
fn programs() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("a test lies in target/debug/deps")?.to_owned())
}

/// Looks again and again, until there is something or the limit has passed.
///
/// # Errors
/// The look's own, or that the limit has passed.
pub async fn until<T>(limit: Duration, what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("waited {} s for {what}", limit.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
}
