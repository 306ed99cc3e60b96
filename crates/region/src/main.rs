//! The region program.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use region::config::Migrate;
use region::{Config, Region};
use service::config::ConfigError;

/// Lifeboat's compute service: REST Perform API, durable tasks, upcalls of hosts and baremetal agents.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The configuration file (TOML or YAML); deploy/config/region.toml shows every key
    #[arg(long, env = "REGION_CONFIG")]
    config: Option<PathBuf>,
    /// Write the addresses to this file, as JSON {"http", "grpc"}, once they are served
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Serve the web console from this folder, not the one that was compiled in
    #[arg(long, value_name = "DIR", conflicts_with = "no_web")]
    web_root: Option<PathBuf>,
    /// Serve no web console
    #[arg(long)]
    no_web: bool,
    /// Who brings the database's schema up to date [default: database.migrate, which is auto]
    #[arg(long, value_name = "MODE", env = "REGION_MIGRATE")]
    migrate: Option<Migrate>,
    /// Check the configuration, print what is in effect as JSON, and end
    #[arg(long, conflicts_with = "health")]
    check_config: bool,
    /// Ask the region of this configuration that runs here whether it is ready, and end: 0 it is, 1 it is not
    #[arg(long)]
    health: bool,
}

fn main() -> anyhow::Result<()> {
    service::install_crypto();
    let args = Args::parse();
    if args.check_config {
        println!("{}", args.load()?.shown());
        return Ok(());
    }
    if args.health {
        return Ok(service::health::http(&args.load()?.http.listen, "/readyz")?);
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(args))
}

impl Args {
    /// The file, and what goes over it.
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config: Config = service::config::load("REGION", self.config.as_deref())?;
        if let Ok(url) = std::env::var("DATABASE_URL") {
            config.database.url = url;
        }
        if let Some(root) = &self.web_root {
            config.web.root.clone_from(root);
            config.web.enabled = true;
        }
        config.web.enabled &= !self.no_web;
        config.database.migrate = self.migrate.unwrap_or(config.database.migrate);
        Ok(config)
    }
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let config = args.load()?;
    let telemetry = service::telemetry::start("region", env!("CARGO_PKG_VERSION"), &config.log, &config.trace)?;
    service::metrics::install();
    let stop = service::shutdown::on_signals()?;
    if config.database.migrate == Migrate::Only {
        return Region::migrate(Migrate::Only, &config.database.url).await;
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %config.shown(), "region starts");
    let (file, ready_file) = (args.config.clone(), args.ready_file.clone());
    telemetry.follow(file.as_deref(), &config, |config| &config.log, move || args.load());
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let region = Region::start(config).await?;
    if let Some(file) = ready_file {
        let ready = serde_json::json!({
            "http": format!("http://{}", region.http),
            "grpc": format!("{scheme}://{}", region.grpc),
        });
        service::files::write_atomic(&file, ready.to_string().as_bytes(), 0o644).context("--ready-file")?;
    }
    stop.cancelled().await;
    region.shutdown().await;
    telemetry.end().await;
    Ok(())
}
