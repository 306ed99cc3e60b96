//! Simulated hosts for trying region by hand: `host-sim --region http://127.0.0.1:7000 --count 3`.

use anyhow::Context;
use clap::Parser;
use host_sim::{SimHost, SimOptions};
use service::tls::TlsConfig;

#[derive(Parser)]
#[command(version, about = "Hosts without QEMU, for trying and testing region")]
struct Arguments {
    /// Region's gRPC endpoint
    #[arg(long)]
    region: String,
    /// How many hosts; with TLS there is one certificate and so one host
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// The first part of their names; with one host, its name
    #[arg(long, default_value = "sim")]
    name: String,
    #[arg(long, default_value = "default")]
    zone: String,
    /// The authority's certificate (PEM)
    #[arg(long, requires_all = ["tls_cert", "tls_key"])]
    tls_ca: Option<std::path::PathBuf>,
    #[arg(long)]
    tls_cert: Option<std::path::PathBuf>,
    #[arg(long)]
    tls_key: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::install_crypto();
    service::telemetry::init(&service::telemetry::LogConfig::default());
    let arguments = Arguments::parse();
    let tls = match (arguments.tls_ca, arguments.tls_cert, arguments.tls_key) {
        (Some(ca), Some(cert), Some(key)) => Some(TlsConfig { ca, cert, key }),
        _ => None,
    };
    anyhow::ensure!(tls.is_none() || arguments.count == 1, "one certificate is for one host: leave out --count");
    let stop = service::shutdown::on_signals().context("signal handlers")?;
    let mut hosts = Vec::new();
    for number in 1..=arguments.count {
        let name = if arguments.count == 1 { arguments.name.clone() } else { format!("{}-{number}", arguments.name) };
        let mut options = SimOptions::new(name).region(&arguments.region).zone(&arguments.zone);
        options.tls = tls.clone();
        let host = SimHost::start(options).await?;
        println!("{} {}", host.name(), host.endpoint());
        hosts.push(host);
    }
    stop.cancelled().await;
    Ok(())
}
