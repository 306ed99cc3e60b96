//! The private Postgres, on a disk of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use lifeboat::process::Process;
use lifeboat::state::State;
use pg_cluster::{Cluster, Options};
use rustix::process::Signal;
use tokio::task::spawn_blocking;

use super::disk::Disk;
use crate::watch::parent;

/// Room for the write-ahead log of a campaign.
const MIB: usize = 1536;

pub struct Postgres {
    folder: PathBuf,
    pub disk: Disk,
    cluster: Arc<Mutex<Option<Cluster>>>,
    /// Of region's database.
    pub url: String,
}

impl Postgres {
    /// # Errors
    /// It does not start.
    pub async fn start(state: &State) -> Result<Self> {
        let at = state.path("pg");
        let disk = Disk::mount(&at, MIB)?;
        let mut postgres = Self { folder: at.join("cluster"), disk, cluster: Arc::default(), url: String::new() };
        postgres.ensure().await?;
        let cluster = Arc::clone(&postgres.cluster);
        let made = move || {
            let cluster = cluster.lock().expect("nobody panics with it");
            cluster.as_ref().context("it runs")?.ensure_database("lifeboat").map_err(anyhow::Error::from)
        };
        postgres.url = spawn_blocking(made).await??;
        Ok(postgres)
    }

    /// Starts it, if it does not run.
    ///
    /// # Errors
    /// It does not start, with the end of its log.
    pub async fn ensure(&self) -> Result<()> {
        let (folder, cluster) = (self.folder.clone(), Arc::clone(&self.cluster));
        let started = move || {
            let mut cluster = cluster.lock().expect("nobody panics with it");
            if cluster.as_ref().is_some_and(|it| it.pid().is_some()) {
                return Ok(());
            }
            // The old one's shell first: it would end the new one with it.
            drop(cluster.take());
            let options = Options { max_connections: 300, ..Options::default() };
            *cluster = Some(Cluster::builder(folder).options(options).start()?);
            anyhow::Ok(())
        };
        spawn_blocking(started).await?
    }

    /// The postmaster.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        let cluster = self.cluster.lock().expect("nobody panics with it");
        cluster.as_ref()?.pid().and_then(Process::of)
    }

    /// Ends it: INT in order, QUIT lets its children go at once, KILL leaves them to notice.
    pub fn end(&self, signal: Signal) {
        if let Some(process) = self.process() {
            process.signal(signal);
        }
    }

    /// The postmaster and its children. Each has a process group of its own.
    #[must_use]
    pub fn everyone(&self) -> Vec<Process> {
        let Some(first) = self.process() else { return Vec::new() };
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let children = all.filter_map(Process::of).filter(|it| parent(it.pid) == Some(first.pid));
        std::iter::once(first).chain(children).collect()
    }
}
