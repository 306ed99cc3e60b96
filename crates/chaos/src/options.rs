//! What a campaign is.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

#[derive(Parser, Debug, Clone)]
#[command(
    version,
    about = "Breaks a whole Lifeboat at random and checks that its promises hold (root: it needs namespaces of its own)"
)]
pub struct Options {
    /// What all chance comes from; one is drawn, and printed, if none is given
    #[arg(long)]
    pub seed: Option<u64>,
    /// So many faults, if the time is enough
    #[arg(long, default_value_t = 500)]
    pub faults: usize,
    /// No new round of faults begins after so many minutes
    #[arg(long, default_value_t = 36.0)]
    pub minutes: f64,
    /// Faults in one round, before everything is healed and looked at
    #[arg(long, default_value_t = 14)]
    pub round: usize,
    /// Servers on the host with real QEMU
    #[arg(long, default_value_t = 3)]
    pub real: usize,
    /// Servers on the host whose QEMU is simulated
    #[arg(long, default_value_t = 12)]
    pub programs: usize,
    /// Simulated hosts
    #[arg(long, default_value_t = 4)]
    pub hosts: usize,
    /// Servers on all of them together
    #[arg(long, default_value_t = 200)]
    pub simulated: usize,
    /// Where the JSON report is written
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// The folder of the programs; default: this program's own
    #[arg(long)]
    pub bin: Option<PathBuf>,
    /// Beside it are `guests` and `rescue-images`; default: one above the programs
    #[arg(long)]
    pub target: Option<PathBuf>,
    /// Keep logs and files of the campaign in this folder when a promise was broken
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// Draw only faults whose name begins so; may be repeated
    #[arg(long)]
    pub only: Vec<String>,
}

impl Options {
    /// The folder of the programs.
    ///
    /// # Errors
    /// This program's own folder can't be told.
    pub fn bin(&self) -> Result<PathBuf> {
        match &self.bin {
            Some(bin) => Ok(std::path::absolute(bin)?),
            None => Ok(std::env::current_exe()?.parent().context("a folder")?.to_owned()),
        }
    }

    /// Where `guests` and `rescue-images` are.
    ///
    /// # Errors
    /// As [`Options::bin`].
    pub fn target(&self) -> Result<PathBuf> {
        match &self.target {
            Some(target) => Ok(std::path::absolute(target)?),
            None => Ok(self.bin()?.parent().context("a folder above the programs")?.to_owned()),
        }
    }

    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}
