//! `lifeboat demo`: the story of a server that no longer boots, told with the real parts in a private stack that is gone afterwards.
//!
//! [`fault`] is what goes wrong, [`story`] the plot, [`teller`] how it is told.

pub mod fault;
pub mod story;
mod teller;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use self::fault::Story;
use self::story::{Cast, SERVER};
use self::teller::Teller;
use crate::database::Database;
use crate::process::machines_under;
use crate::rc::Rc;
use crate::ssh::Key;
use crate::stack::{self, Options, Stack};
use crate::state::{State, tail};

/// Interrupted by a signal, as a shell counts it (128 + SIGINT).
const INTERRUPTED: u8 = 130;

#[derive(Args, Clone)]
pub struct Demo {
    /// What the server runs
    #[arg(long, value_enum, default_value_t = Guest::Debian)]
    guest: Guest,
    /// What happens to it
    #[arg(long, value_enum, default_value_t = Story::All)]
    story: Story,
    /// The folder of the private stack. Default: demo, beside the folder of the programs
    #[arg(long = "state")]
    folder: Option<PathBuf>,
    /// The script that breaks a server's disk
    #[arg(long, default_value = "tests/guests/break.sh")]
    break_script: PathBuf,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Guest {
    /// Debian with systemd
    Debian,
    /// Busybox on Debian's kernel: boots in seconds
    Tiny,
}

impl Guest {
    fn image(self) -> &'static str {
        match self {
            Self::Debian => "debian.qcow2",
            Self::Tiny => "tiny.qcow2",
        }
    }

    /// MiB.
    fn memory(self) -> u32 {
        match self {
            Self::Debian => 512,
            Self::Tiny => 256,
        }
    }
}

impl Demo {
    /// # Errors
    /// Which part failed, where its log is, what to do. Nothing is left running even so.
    pub async fn run(mut self) -> Result<ExitCode> {
        self.options.database_url = None;
        if self.options.listen.is_none() {
            self.options.listen = Some(([127, 0, 0, 1], 0).into());
        }
        let teller = Teller::new();
        let stop = service::shutdown::on_signals()?;
        let state = self.fresh_state().await?;
        log_to(&state)?;
        let told = tokio::select! {
            told = self.tell(&teller, &state) => told.map(|()| ExitCode::SUCCESS),
            () = stop.cancelled() => {
                teller.say("interrupted: ending what runs");
                Ok(ExitCode::from(INTERRUPTED))
            }
        };
        for machine in machines_under(state.root()) {
            machine.end(Duration::from_secs(10)).await;
        }
        stack::sweep(&state).await?;
        match told {
            Ok(code) => {
                if code == ExitCode::SUCCESS {
                    teller.chapter(&format!(
                        "done in {:.0} s; nothing is left running. Start a stack of your own: make up",
                        teller.seconds()
                    ));
                }
                Database::forget(&state);
                Ok(code)
            }
            Err(error) => Err(error.context(evidence(&state))),
        }
    }

    async fn tell(&self, teller: &Teller, state: &State) -> Result<()> {
        teller.chapter("the parts of Lifeboat start, on this machine alone");
        let stack = Stack::start(state, &self.options, &|what| teller.say(what)).await?;
        let told = self.play(teller, state).await;
        if told.is_ok() {
            teller.say("ending all parts");
        }
        stack.stop().await;
        told?;
        match machines_under(state.root()).len() {
            0 => Ok(()),
            left => bail!("{left} QEMU processes were left over"),
        }
    }

    async fn play(&self, teller: &Teller, state: &State) -> Result<()> {
        let break_sh = std::path::absolute(&self.break_script)?;
        if !break_sh.exists() {
            bail!("{} is not there; run this in Lifeboat's folder, or name it with --break-script", break_sh.display());
        }
        let rc = Rc::read(state)?;
        let cast = Cast {
            teller,
            state,
            client: crate::registered::client(&rc)?,
            climc: stack::programs()?.join("climc"),
            break_sh,
            image: self.guest.image().to_owned(),
            memory: self.guest.memory(),
            key: Key::generate(&state.path("keys")).await?,
            ssh_port: stack::free_port()?,
        };
        let mut screen = cast.create().await?;
        for fault in self.story.faults() {
            cast.tell(*fault, &mut screen).await?;
        }
        teller.chapter("clearing up");
        cast.climc_answer(&["server-event", SERVER, "--limit", "6"]).await?;
        cast.climc(&["server-stop", SERVER, "--wait"]).await?;
        cast.climc(&["server-delete", SERVER, "--wait"]).await?;
        Ok(())
    }

    /// The folder of the demo's stack, without what an earlier demo left in it.
    async fn fresh_state(&self) -> Result<State> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => stack::programs()?.parent().unwrap_or(Path::new("/")).join("demo"),
        };
        let state = State::at(&folder)?;
        if state.root().exists() {
            if !state.is_ours() {
                bail!(
                    "{} holds something else than a stack; choose another folder with --state",
                    state.root().display()
                );
            }
            if state.lock()?.is_none() {
                bail!("another demo runs in {}", state.root().display());
            }
            stack::sweep(&state).await?;
            for machine in machines_under(state.root()) {
                machine.end(Duration::from_secs(10)).await;
            }
            Database::forget(&state);
            std::fs::remove_dir_all(state.root()).with_context(|| format!("can't empty {}", state.root().display()))?;
        }
        state.prepare()?;
        Ok(state)
    }
}

/// Logs of this process itself go where those of the parts are.
fn log_to(state: &State) -> Result<()> {
    let file = std::fs::File::create(state.log(crate::board::SUPERVISOR))?;
    let _ = tracing_subscriber::fmt().with_ansi(false).with_writer(file).try_init();
    Ok(())
}

/// Where to look: each part's log, and what it complained of last.
fn evidence(state: &State) -> String {
    let mut text = format!("the demo failed. Logs are in {}:\n", state.path("log").display());
    for part in [stack::REGION, stack::HOST, stack::AGENT, crate::database::NAME, crate::board::SUPERVISOR] {
        let lines = tail(&state.log(part), 200);
        let bad =
            lines.iter().rev().find(|line| line.contains("ERROR") || line.contains("WARN") || line.contains("FATAL"));
        if let Some(line) = bad {
            text.push_str(&format!("  {part}: {line}\n"));
        }
    }
    text + "Nothing is left running; try again with: make demo. What went wrong"
}
