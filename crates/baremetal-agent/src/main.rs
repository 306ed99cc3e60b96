//! `baremetal-agent --config FILE` serves boot files; `baremetal-agent image ...` makes and checks what is served.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use baremetal_agent::app::App;
use baremetal_agent::config::{Config, ENVIRONMENT};
use baremetal_agent::{image, publish};
use clap::{Parser, Subcommand};

/// Serves signed rescue images and other boot files over HTTP and TFTP
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration, TOML or YAML; variables BAREMETAL_AGENT_* go over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Written once serving: {"http":"http://IP:PORT","tftp":"IP:PORT"}
    #[arg(long, global = true, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// Check the configuration, print what is in effect as JSON, and end
    #[arg(long, conflicts_with = "health")]
    check_config: bool,
    /// Ask the agent of this configuration that runs here whether it is ready, and end: 0 it is, 1 it is not
    #[arg(long)]
    health: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (what happens without a command, too)
    Serve,
    /// Make and check rescue images
    #[command(subcommand)]
    Image(Image),
}

#[derive(Subcommand)]
enum Image {
    /// Make a signing key: PATH.key (mode 0600, not encrypted: keep it safe) and PATH.pub; images.key and images.pub in a folder that exists
    Keygen { path: PathBuf },
    /// Sign what a build has left: reads DIR/image.json and the files it names, writes DIR/manifest.json and its .minisig
    Sign {
        dir: PathBuf,
        /// Minisign secret key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The password of an encrypted key
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Check an image's signature, expiry and digests
    Verify {
        dir: PathBuf,
        /// Minisign public key: a file, or the line that begins with RW; may be repeated
        #[arg(long, value_name = "KEY", required = true)]
        pubkey: Vec<String>,
    },
    /// Publish an image in the configured root: checks DIR, copies it beneath images/ and makes it visible at once
    Add {
        dir: PathBuf,
        /// Keep what is there of this name: publish as <name>.<serial>
        #[arg(long)]
        beside: bool,
    },
    /// List the images of the configured root; exit code 1 if one fails its check
    List {
        #[arg(long, value_enum, default_value = "table")]
        output_format: ListFormat,
    },
    /// Remove what is no longer needed from the configured root: versions but the newest ones, what failed its check long ago, and what
    /// an interrupted `add` has left
    Gc {
        /// Versions of each image to keep
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
        keep: u32,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ListFormat {
    Table,
    Json,
}

fn main() -> ExitCode {
    service::install_crypto();
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("baremetal-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let load = || -> Result<Config> { Ok(service::config::load(ENVIRONMENT, arguments.config.as_deref())?) };
    match arguments.command {
        None if arguments.check_config => {
            println!("{}", serde_json::to_string(&load()?)?);
            Ok(ExitCode::SUCCESS)
        }
        None if arguments.health => {
            healthy(&load()?)?;
            Ok(ExitCode::SUCCESS)
        }
        None | Some(Command::Serve) => serve(arguments.config.clone(), arguments.ready_file.as_deref()),
        Some(Command::Image(Image::Keygen { path })) => {
            let (secret, public) = image::keygen(&path)?;
            println!("secret key (not encrypted, mode 0600): {}\npublic key: {}", secret.display(), public.display());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Image(Image::Sign { dir, key, password_file })) => {
            let manifest = image::sign(&dir, &key, password_file.as_deref())?;
            println!("{} {} serial {}: signed", manifest.name, manifest.version, manifest.serial);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Image(Image::Verify { dir, pubkey })) => {
            let manifest = image::verify(&dir, &pubkey)?;
            println!("{} {} serial {}: good", manifest.name, manifest.version, manifest.serial);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Image(Image::Add { dir, beside })) => {
            let added = publish::add(&load()?, &dir, beside)?;
            println!("{} {} serial {}: {}", added.name, added.version, added.serial, added.said);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Image(Image::List { output_format })) => {
            let json = matches!(output_format, ListFormat::Json);
            let all_good = image::list(&load()?, json, &mut std::io::stdout().lock())?;
            Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Some(Command::Image(Image::Gc { keep, dry_run })) => {
            let removed = publish::gc(&load()?, usize::try_from(keep)?, dry_run)?;
            for folder in removed {
                println!("{folder}: {}", if dry_run { "would be removed" } else { "removed" });
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Over HTTPS its certificate is for whoever fetches files, under a name that is not known here; that it takes connections is what counts.
fn healthy(config: &Config) -> Result<()> {
    match &config.http.tls {
        None => service::health::http(&config.http.listen.to_string(), "/readyz")?,
        Some(_) => service::health::accepts(&config.http.listen.to_string())?,
    }
    Ok(())
}

#[tokio::main]
async fn serve(file: Option<PathBuf>, ready_file: Option<&Path>) -> Result<ExitCode> {
    let load = |file: Option<&Path>| service::config::load::<Config>(ENVIRONMENT, file);
    let config = load(file.as_deref())?;
    let (name, version) = ("baremetal-agent", env!("CARGO_PKG_VERSION"));
    let telemetry = service::telemetry::start(name, version, &config.log, &config.trace)?;
    service::metrics::install();
    tracing::info!(config = serde_json::to_string(&config)?, "configuration in effect");
    telemetry.follow(file.as_deref(), &config, |config| &config.log, {
        let file = file.clone();
        move || load(file.as_deref())
    });
    let shutdown = service::shutdown::on_signals().context("signal handlers")?;
    let app = App::bind(config).await?;
    app.run(ready_file, shutdown).await?;
    tracing::info!("ended");
    telemetry.end().await;
    Ok(ExitCode::SUCCESS)
}
