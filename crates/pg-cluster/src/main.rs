//! `pg-cluster`: a private Postgres from the shell. `exec` gives a command one for tests; `start`, `stop` and `url` are
//! for one that stays.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use pg_cluster::{Cluster, TEST_PG, TestServer};

#[derive(Parser)]
#[command(name = "pg-cluster", about = "A private Postgres from the distribution's binaries, on a unix socket")]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Runs a command with LIFEBOAT_TEST_PG naming a temporary server, which is gone afterwards
    Exec {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Starts the cluster in a folder, making it first if need be, and leaves it running; prints its URL
    Start { dir: PathBuf },
    /// Stops the cluster in a folder; fine if it does not run
    Stop { dir: PathBuf },
    /// Prints the URL of the cluster that runs in a folder
    Url {
        dir: PathBuf,
        #[arg(long, default_value = "postgres")]
        database: String,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        What::Exec { command } => exec(&command),
        What::Start { dir } => {
            println!("{}", Cluster::builder(dir).survives(true).start()?.url("postgres"));
            Ok(ExitCode::SUCCESS)
        }
        What::Stop { dir } => {
            if let Some(cluster) = Cluster::running(dir)? {
                cluster.stop()?;
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Url { dir, database } => {
            let cluster = Cluster::running(&dir)?
                .with_context(|| format!("no cluster runs in {}; start it first", dir.display()))?;
            println!("{}", cluster.url(&database));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The command's exit code; 128 and the signal's number if it was killed, as shells have it.
fn exec(command: &[String]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command given")?;
    let cluster = TestServer::start()?;
    let status = Command::new(program)
        .args(arguments)
        .env(TEST_PG, cluster.url("postgres"))
        .status()
        .with_context(|| format!("can't run {program}"));
    cluster.stop()?;
    let status = status?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
