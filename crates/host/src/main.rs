//! `host --config host.toml`

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use host::config::Config;

#[derive(Parser)]
#[command(version, about = "Lifeboat's agent on a hypervisor: runs guests with QEMU as region asks")]
struct Arguments {
    /// Configuration (TOML or YAML); HOST_<KEY> variables go over it
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Written when the agent serves: {"grpc": "https://127.0.0.1:8885"}
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Check the configuration, print what is in effect as JSON, and end
    #[arg(long, conflicts_with = "health")]
    check_config: bool,
    /// Ask the agent of this configuration that runs here whether it serves, and end: 0 it does, 1 it does not
    #[arg(long)]
    health: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Look whether this machine can be a host, part by part, and say how to mend what is wrong; exits 1 if something is
    Check,
    /// Start a guest from its folder, without region and without the agent, which takes charge of it when it runs
    StartFromDesc {
        /// <workspace>/servers/<id>
        folder: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::install_crypto();
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    match arguments.command {
        None if arguments.check_config => {
            println!("{}", serde_json::to_string(&Config::load(file)?)?);
            Ok(())
        }
        None if arguments.health => {
            let config = Config::load(file)?;
            let name = service::tls::host_name(&config.name);
            Ok(service::health::grpc(config.listen, &name, config.tls.as_ref()).await?)
        }
        None => {
            let config = Config::load(file)?;
            let telemetry = service::telemetry::start("host", env!("CARGO_PKG_VERSION"), &config.log, &config.trace)?;
            service::metrics::install();
            // It holds the paths of keys, no keys.
            tracing::info!(config = %serde_json::to_string(&config)?, "configuration");
            let followed = arguments.config.clone();
            telemetry.follow(file, &config, |config| &config.log, move || Config::load(followed.as_deref()));
            let ran = host::app::run(config, arguments.ready_file.as_deref(), service::shutdown::on_signals()?).await;
            telemetry.end().await;
            ran
        }
        Some(Command::Check) => {
            let findings = host::check::all(&Config::load(file)?).await;
            findings.iter().for_each(|finding| println!("{finding}"));
            let broken = findings.iter().filter(|finding| finding.level == host::check::Level::Broken).count();
            anyhow::ensure!(broken == 0, "{broken} of {} are broken", findings.len());
            Ok(())
        }
        Some(Command::StartFromDesc { folder }) => {
            let config = Config::load_as_written(file)?;
            service::telemetry::init(&config.log);
            let pid = host::app::start_from_desc(config, &folder).await?;
            println!("{pid}");
            Ok(())
        }
    }
}
