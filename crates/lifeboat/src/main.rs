//! The command line of the all-in-one; what it does is in the library.
//!
//! Data goes to stdout, the rest to stderr. Exit codes: 0 it is done, 1 it failed, 2 wrong usage, 3 (`status`) not everything runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use lifeboat::state::{self, State};
use lifeboat::{background, cluster, demo, pki, stack, status};

#[derive(Parser)]
#[command(version, about = "Lifeboat on one machine: a private stack, and the story of a rescue")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a private stack: database, region, host agent, baremetal agent
    Up(Up),
    /// End it, and the guests that it runs
    Down {
        #[command(flatten)]
        place: Place,
        /// Leave the guests running; the next `up` finds them again
        #[arg(long)]
        keep_guests: bool,
    },
    /// What runs, and where it serves
    Status {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The log of a part: region, host, baremetal-agent, postgres or lifeboat
    Logs {
        #[command(flatten)]
        place: Place,
        part: String,
        /// Only the last lines
        #[arg(short = 'n', long)]
        lines: Option<usize>,
    },
    /// Make a development authority and certificates for parts that run elsewhere; what is there and good is kept
    Certificates {
        /// The folder: ca.pem, then region, operator and each host and agent as NAME.pem and NAME.key
        folder: PathBuf,
        /// A host's name; may be repeated
        #[arg(long = "host", value_name = "NAME")]
        hosts: Vec<String>,
        /// A baremetal agent's name; may be repeated
        #[arg(long = "agent", value_name = "NAME")]
        agents: Vec<String>,
    },
    /// Make the Secrets that the parts want in a Kubernetes cluster; what is there and good is kept
    Secrets(cluster::Options),
    /// A real server breaks and is rescued, in a private stack that is gone afterwards
    Demo(demo::Demo),
}

#[derive(Args, Clone)]
pub struct Place {
    /// The folder in which everything of the stack lives
    #[arg(long = "state", env = "LIFEBOAT_STATE", default_value = state::DEFAULT)]
    folder: PathBuf,
}

impl Place {
    fn open(&self) -> Result<State> {
        State::at(&self.folder)
    }
}

#[derive(Args, Clone)]
pub struct Up {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    options: stack::Options,
    /// Stay in the foreground; Ctrl-C ends the stack
    #[arg(long)]
    foreground: bool,
    /// Begin a session of our own: given by `up` to the supervisor that it leaves behind
    #[arg(long, hide = true, requires = "foreground")]
    detached: bool,
}

fn main() -> ExitCode {
    service::install_crypto();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("lifeboat: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(cli.command));
    done.unwrap_or_else(|error| {
        eprintln!("lifeboat: {}", format!("{error:#}").trim_end());
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(up) if up.foreground => {
            background::supervise(&up.place.open()?, &up.options, up.detached).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Up(up) => background::up(&up.place.open()?, &up.options).await.map(|()| ExitCode::SUCCESS),
        Command::Down { place, keep_guests } => {
            background::down(&place.open()?, keep_guests).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Status { place, json } => status::show(&place.open()?, json),
        Command::Logs { place, part, lines } => status::logs(&place.open()?, &part, lines).map(|()| ExitCode::SUCCESS),
        Command::Certificates { folder, hosts, agents } => {
            let holders = pki::holders(&hosts, &agents)?;
            pki::ensure(&folder, &holders, pki::today()).map(|()| ExitCode::SUCCESS)
        }
        Command::Secrets(options) => cluster::run(&options, pki::today()).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(demo) => demo.run().await,
    }
}
