//! The parts together: bound first, then serving, ended in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::boot::BootFiles;
use crate::config::Config;
use crate::http::Listener;
use crate::root::Root;
use crate::tree::Tree;
use crate::upcall::Upcall;

/// How soon an image that failed is looked at again: most often it was being replaced.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// Bound, but not serving.
pub struct App {
    config: Config,
    tree: Arc<Tree>,
    http: Listener,
    tftp: tftp::Server,
    bound: Endpoints,
    upcall: Option<Upcall>,
}

/// Where files are had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// Base URL.
    pub http: String,
    /// `IP:PORT`.
    pub tftp: String,
}

impl App {
    /// Checks the configuration, opens the root, checks all images, and binds.
    ///
    /// # Errors
    /// What must be changed for the program to start. An image that fails its check is not among it.
    pub async fn bind(config: Config) -> Result<Self> {
        config.check()?;
        let root = Root::open(&config.root)
            .with_context(|| format!("root {} can't be opened: make it, or set 'root'", config.root.display()))?;
        let tree = Arc::new(Tree::new(root, config.trust()?, config.boot.clone()));
        check(&tree).await;
        let http = Listener::bind(&config.http, tree.clone()).await?;
        let source = Arc::new(BootFiles(tree.clone()));
        let tftp = tftp::Server::bind(config.tftp.listen, config.tftp_server(), source).await;
        let tftp = tftp.with_context(|| format!("tftp.listen {}", config.tftp.listen))?;
        let bound = Endpoints { http: http.url()?, tftp: tftp.local_addr().to_string() };
        let upcall = if config.region.endpoint.is_empty() {
            tracing::warn!("region.endpoint is not set: files are served, and nobody is told");
            None
        } else {
            let advertised = |set: &str, bound: &str| {
                if set.is_empty() { bound.to_owned() } else { set.trim_end_matches('/').to_owned() }
            };
            let (http, tftp) =
                (advertised(&config.advertise.http, &bound.http), advertised(&config.advertise.tftp, &bound.tftp));
            Some(Upcall::new(&config, http, tftp, &tree)?)
        };
        Ok(Self { config, tree, http, tftp, bound, upcall })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.bound
    }

    /// Serves until `shutdown`: region is told first, then transfers at work are given time. `ready_file` is written once
    /// serving, with [`Endpoints`] as JSON.
    ///
    /// # Errors
    /// A listener failed, or the ready file can't be written.
    pub async fn run(self, ready_file: Option<&Path>, shutdown: CancellationToken) -> Result<()> {
        let drain = self.config.drain();
        let serving = CancellationToken::new();
        let mut http = tokio::spawn(self.http.run(serving.clone(), drain));
        let mut tftp = tokio::spawn(self.tftp.run(serving.clone()));
        // Caught before anybody is told that this process is up: without a handler SIGHUP would end it.
        let hangup = signal(SignalKind::hangup()).context("SIGHUP can't be caught")?;
        let interval = Duration::from_secs(self.config.check_interval_s);
        let checks = tokio::spawn(keep_checking(self.tree.clone(), interval, hangup));
        let upcall = self.upcall.map(|upcall| tokio::spawn(upcall.run(shutdown.clone())));
        tracing::info!(http = self.bound.http, tftp = self.bound.tftp, root = %self.config.root.display(), "serving boot files");
        if let Some(path) = ready_file {
            let json = serde_json::to_vec(&self.bound)?;
            service::files::write_atomic(path, &json, 0o644)
                .with_context(|| format!("ready file {}", path.display()))?;
        }
        let failed = tokio::select! {
            () = shutdown.cancelled() => None,
            ended = &mut http => Some(flat(ended).context("the HTTP listener")),
            ended = &mut tftp => Some(flat(ended).context("the TFTP listener")),
        };
        shutdown.cancel();
        if let Some(upcall) = upcall {
            let _ = upcall.await;
        }
        serving.cancel();
        checks.abort();
        if let Some(result) = failed {
            http.abort();
            tftp.abort();
            return result;
        }
        // Both at once, each within its own limit.
        let (http, tftp) = tokio::join!(http, tftp);
        flat(http).context("the HTTP listener")?;
        flat(tftp).context("the TFTP listener")
    }
}

fn flat(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> Result<()> {
    Ok(ended??)
}

/// Checks all images off the async threads.
async fn check(tree: &Arc<Tree>) -> bool {
    let tree = tree.clone();
    match tokio::task::spawn_blocking(move || tree.check().rejected.is_empty()).await {
        Ok(all_good) => all_good,
        Err(error) => {
            tracing::error!(%error, "the check of the images failed");
            false
        }
    }
}

/// At intervals, on SIGHUP, and when a file is found changed.
async fn keep_checking(tree: Arc<Tree>, interval: Duration, mut hangup: Signal) {
    let mut wait = interval;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = hangup.recv() => tracing::info!("SIGHUP: checking all images"),
            () = tree.changed() => {}
        }
        wait = if check(&tree).await { interval } else { interval.min(SECOND_LOOK) };
    }
}
