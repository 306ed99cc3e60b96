//! The measurements of region: `make bench-region`. Everything on one durable Postgres of its own; what is printed was measured in this run.
//!
//! * [`race`]: tasks with four saved stages, by our engine ([`engine`]) and by the drivers of others (`scripts/bench/region`), in turns;
//! * [`stack`]: region as processes, simulated hosts in this one; [`accept`], [`storm`] and [`list`] measure it;
//! * [`soak`]: the same for an hour, `make soak`;
//! * [`server`]: Postgres and what it counts; the crate `bench-report`: percentiles, the table and the JSON.

mod accept;
mod engine;
mod list;
mod race;
mod server;
mod soak;
mod stack;
mod storm;

use std::path::PathBuf;
use std::time::Duration;

use bench_report::{Aim, Report};
use clap::{Parser, Subcommand, ValueEnum};
use server::Server;

const AIMS: &[Aim] = &[
    Aim::at_least("ratio_tasks_vs_best_peer", 2.0),
    Aim::at_most("commits_per_task", 8.0),
    Aim::at_most("accept_p50_ms_1", 5.0),
    Aim::at_most("list_ratio_100k_vs_100", 2.0),
    Aim::at_most("rss_idle_mib", 40.0),
];

#[derive(Parser)]
#[command(about = "Measures region: tasks, accept latency, a storm, lists, memory")]
struct Arguments {
    /// The region program, a release build
    #[arg(long, default_value = "target/release/region")]
    region: PathBuf,
    /// Where the other engines are installed; made if missing
    #[arg(long, default_value = "target/bench-peers")]
    peers: PathBuf,
    /// The drivers of the other engines
    #[arg(long, default_value = "scripts/bench/region")]
    scripts: PathBuf,
    #[arg(long, default_value = "target/reports/region.json")]
    report: PathBuf,
    /// Small numbers: whether it works, not how fast
    #[arg(long)]
    quick: bool,
    /// These parts only; the others' figures are then missing from the report
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    #[command(subcommand)]
    driver: Option<Driver>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Tasks,
    Accept,
    Storm,
    List,
}

#[derive(Subcommand)]
enum Driver {
    /// Our own entry of the race, called as the others are
    #[command(hide = true)]
    Engine { phase: engine::Phase },
    /// Steady work for a long time, then too much of it, then all hosts at once
    Soak {
        #[arg(long, default_value_t = 60.0)]
        minutes: f64,
        #[arg(long, default_value_t = 1000)]
        hosts: usize,
        #[arg(long, default_value_t = 20_000)]
        guests: usize,
        /// Rescues that begin in a second
        #[arg(long, default_value_t = 8.0)]
        rescues: f64,
        #[arg(long, default_value_t = 50)]
        streams: usize,
        #[arg(long, default_value_t = 600)]
        overload: usize,
    },
}

/// Callers at once, and their requests in all.
pub struct Accepts {
    pub callers: usize,
    pub requests: usize,
    /// From one request of a caller to the next; none: as soon as the one before is answered.
    pub every: Option<Duration>,
}

impl Accepts {
    const fn at_once(callers: usize, requests: usize) -> Self {
        Self { callers, requests, every: None }
    }
    const fn paced(requests: usize) -> Self {
        Self { callers: 1, requests, every: Some(Duration::from_millis(50)) }
    }
}

/// How much is measured.
pub struct Sizes {
    pub tasks: usize,
    pub at_once: usize,
    pub rounds: usize,
    pub accepts: &'static [Accepts],
    pub storm_hosts: usize,
    pub storm_guests: usize,
    pub lists: &'static [usize],
    pub list_requests: usize,
}

const FULL: Sizes = Sizes {
    tasks: 2000,
    at_once: 200,
    rounds: 3,
    accepts: &[Accepts::paced(300), Accepts::at_once(1, 300), Accepts::at_once(50, 1500), Accepts::at_once(200, 2000)],
    storm_hosts: 1000,
    storm_guests: 10_000,
    lists: &[100, 10_000, 100_000],
    list_requests: 300,
};

const QUICK: Sizes = Sizes {
    tasks: 200,
    at_once: 200,
    rounds: 1,
    accepts: &[Accepts::paced(20), Accepts::at_once(1, 20), Accepts::at_once(50, 100), Accepts::at_once(200, 200)],
    storm_hosts: 20,
    storm_guests: 200,
    lists: &[100, 1000, 5000],
    list_requests: 30,
};

fn main() -> anyhow::Result<()> {
    service::install_crypto();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &arguments.driver {
        Some(Driver::Engine { phase }) => runtime.block_on(engine::run(*phase)),
        Some(Driver::Soak { minutes, hosts, guests, rescues, streams, overload }) => {
            stack::raise_file_limit()?;
            let (hosts, guests, streams, overload) = (*hosts, *guests, *streams, *overload);
            let time = Duration::from_secs_f64(minutes * 60.0);
            let sizes = soak::Sizes { hosts, guests, time, rescues_per_s: *rescues, streams, listers: 4, overload };
            let server = Server::start()?;
            let mut report = Report::new("soak", &[], *minutes < 60.0);
            // What was measured is of use also where something grew.
            let held = runtime.block_on(soak::run(&server, &arguments.region, sizes, &mut report));
            report.write(&arguments.report)?;
            held
        }
        None => {
            stack::raise_file_limit()?;
            // Postgres is started, and stopped, outside the runtime: it blocks.
            let server = Server::start()?;
            runtime.block_on(measure(&arguments, &server))
        }
    }
}

async fn measure(arguments: &Arguments, server: &Server) -> anyhow::Result<()> {
    let sizes = if arguments.quick { &QUICK } else { &FULL };
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut report = Report::new("region", AIMS, arguments.quick);
    if wanted(Part::Tasks) {
        race::run(server, &arguments.peers, &arguments.scripts, sizes, &mut report).await?;
    }
    if wanted(Part::Accept) {
        accept::run(server, &arguments.region, sizes, &mut report).await?;
    }
    if wanted(Part::List) {
        list::run(server, &arguments.region, sizes, &mut report).await?;
    }
    if wanted(Part::Storm) {
        storm::run(server, &arguments.region, sizes, &mut report).await?;
    }
    report.write(&arguments.report)
}
