//! The measurements of the host agent: `make bench-host`. The agent is the real one, as a process, with mutual TLS and its ledger on
//! disk; what is printed was measured in this run.
//!
//! * [`overhead`]: the agent's own time between "start the rescue system" and "it has proven itself", over the bare QEMU;
//! * [`memory`]: resident memory, and processor time at rest, with no, few and many guests;
//! * [`download`]: a rescue image from a baremetal agent, beside curl; and what a second rescue downloads;
//! * [`agent`]: the host agent and how it is asked; [`region`]: who it reports to; [`images`]: the baremetal agent and what it serves;
//!   [`process`]: what the kernel says of a process; `qemu-sim` (`src/bin`): a program that is taken for QEMU and boots nothing.

mod agent;
mod bare;
mod download;
mod images;
mod memory;
mod overhead;
mod process;
mod region;

use std::path::PathBuf;

use bench_report::{Aim, Report};
use clap::{Parser, ValueEnum};

const AIMS: &[Aim] = &[Aim::at_most("overhead_ms", 50.0), Aim::at_most("second_rescue_bytes", 0.0)];

#[derive(Parser)]
#[command(about = "Measures the host agent: its own time in a rescue, memory, downloads")]
pub struct Arguments {
    /// Where host, baremetal-agent and qemu-sim are, a release build
    #[arg(long, default_value = "target/release")]
    bin: PathBuf,
    /// The rescue system that real QEMU boots, signed: kernel, initramfs, manifest.json; and the key to it
    #[arg(long, default_value = "target/rescue-images/images/small")]
    image: PathBuf,
    #[arg(long, default_value = "target/rescue-images/keys/development.pub")]
    image_key: PathBuf,
    /// The program that boots it
    #[arg(long, default_value = "qemu-system-x86_64")]
    qemu: PathBuf,
    #[arg(long, default_value = "target/reports/host.json")]
    report: PathBuf,
    /// Small numbers: whether it works, not how fast
    #[arg(long)]
    quick: bool,
    /// These parts only; the others' figures are then missing from the report
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Overhead,
    Memory,
    Download,
}

/// How much is measured.
pub struct Sizes {
    /// Pairs of rescues, by the agent and bare, with the simulated and with the real QEMU.
    pub simulated_pairs: usize,
    pub real_pairs: usize,
    pub guests: &'static [usize],
    /// For which the agent is left alone.
    pub idle_s: u64,
    /// Of the image that is downloaded, beside a kernel of 16 MiB.
    pub initramfs_mib: usize,
    pub downloads: usize,
}

const FULL: Sizes =
    Sizes { simulated_pairs: 41, real_pairs: 9, guests: &[8, 500], idle_s: 10, initramfs_mib: 304, downloads: 5 };
const QUICK: Sizes =
    Sizes { simulated_pairs: 5, real_pairs: 1, guests: &[8, 30], idle_s: 2, initramfs_mib: 16, downloads: 1 };

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::install_crypto();
    let arguments = Arguments::parse();
    process::usual_file_limit()?;
    let sizes = if arguments.quick { &QUICK } else { &FULL };
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut report = Report::new("host", AIMS, arguments.quick);
    if wanted(Part::Memory) {
        memory::run(&arguments, sizes, &mut report).await?;
    }
    if wanted(Part::Download) {
        download::run(&arguments, sizes, &mut report).await?;
    }
    if wanted(Part::Overhead) {
        overhead::run(&arguments, sizes, &mut report).await?;
    }
    report.write(&arguments.report)
}
