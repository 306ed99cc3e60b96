//! `chaos`: see the crate's first lines. Exit codes: 0 every promise held, 1 one was broken or the campaign could not be run, 77 there are
//! no namespaces here.

use std::process::ExitCode;

use chaos::campaign::{enter, inside, run};
use chaos::options::Options;
use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let drawn = || uuid::Uuid::new_v4().as_u64_pair().0 % 1_000_000;
    let seed = options.seed.unwrap_or_else(drawn);
    if !inside() {
        println!("seed {seed}");
        return enter(seed);
    }
    service::telemetry::init(&service::telemetry::LogConfig { filter: "off".into(), ..Default::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let held = runtime.block_on(run(&options, seed));
    // What still runs is of no interest.
    runtime.shutdown_background();
    Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
