//! `host --config host.toml`

use std::path::PathBuf;

use clap::Parser;
use host::config::Config;

#[derive(Parser)]
#[command(version, about = "Lifeboat's agent on a hypervisor: runs guests with QEMU as region asks")]
struct Arguments {
    /// Configuration (TOML or YAML); HOST_<KEY> variables go over it
    #[arg(long)]
    config: Option<PathBuf>,
    /// Written when the agent serves: {"grpc": "https://127.0.0.1:8885"}
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::install_crypto();
    let arguments = Arguments::parse();
    let config = Config::load(arguments.config.as_deref())?;
    service::telemetry::init(&config.log);
    // It holds the paths of keys, no keys.
    tracing::info!(config = %serde_json::to_string(&config)?, "configuration");
    host::app::run(config, arguments.ready_file.as_deref(), service::shutdown::on_signals()?).await
}
