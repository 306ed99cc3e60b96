//! The stack's database: a private Postgres under the state folder, or the one that `DATABASE_URL` names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use pg_cluster::{Cluster, Error};
use serde_json::json;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Condition};
use crate::process::Process;
use crate::state::State;

/// Its row on the board, and its log's name.
pub const NAME: &str = "postgres";
const DATABASE: &str = "lifeboat";
/// How soon a server that died is noticed.
const LOOK: Duration = Duration::from_millis(500);
/// Where a cluster lives when the user that Postgres runs as can't enter the state folder (a clone in root's home, say).
const ELSEWHERE: &str = "/var/lib/lifeboat";

pub struct Database {
    url: String,
    /// In words, for people.
    place: String,
    keeper: Option<(CancellationToken, JoinHandle<Option<Cluster>>)>,
}

impl Database {
    /// `given`: the URL of a database to use instead of a private one.
    ///
    /// # Errors
    /// There is no Postgres on this machine, or it does not come up: the message says which and what to do.
    pub async fn start(state: &State, board: &Board, given: Option<&str>) -> Result<Self> {
        if let Some(url) = given.filter(|url| !url.is_empty()) {
            return Ok(Self { url: url.to_owned(), place: "as DATABASE_URL says".to_owned(), keeper: None });
        }
        let own = state.clone();
        let cluster = spawn_blocking(move || start_private(&own)).await?.context("postgres did not start")?;
        let log = state.log(NAME);
        if !log.exists() {
            // One place for all logs.
            let _ = std::os::unix::fs::symlink(cluster.log(), &log);
        }
        let (cluster, url) = spawn_blocking(move || {
            let url = cluster.ensure_database(DATABASE);
            (cluster, url)
        })
        .await?;
        let url = url.context("postgres runs, but a database can't be made")?;
        let place = format!("private Postgres, socket in {}", cluster.socket_folder().display());
        post(board, &cluster);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(cluster, state.clone(), board.clone(), stop.clone()));
        Ok(Self { url, place, keeper: Some((stop, task)) })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it is, for people; no password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Ends a private server.
    pub async fn stop(self, board: &Board) {
        let Some((stop, task)) = self.keeper else { return };
        stop.cancel();
        if let Ok(Some(cluster)) = task.await
            && let Ok(Err(error)) = spawn_blocking(move || cluster.stop()).await
        {
            tracing::error!("{error}");
        }
        board.forget(NAME);
    }

    /// Ends a private server that was left over from before.
    ///
    /// # Errors
    /// It does not end.
    pub async fn sweep(state: &State) -> Result<()> {
        for folder in places(state) {
            spawn_blocking(move || match Cluster::running(folder) {
                Ok(Some(cluster)) => cluster.stop(),
                _ => Ok(()),
            })
            .await??;
        }
        Ok(())
    }

    /// Removes a private server's files that do not lie under the state folder.
    pub fn forget(state: &State) {
        let _ = std::fs::remove_dir_all(elsewhere(state));
    }
}

/// Under the state folder if the user that Postgres runs as gets there, else under [`ELSEWHERE`].
fn start_private(state: &State) -> Result<Cluster, Error> {
    let [here, elsewhere] = places(state);
    if elsewhere.exists() {
        return Cluster::builder(elsewhere).start();
    }
    match Cluster::builder(&here).start() {
        Err(Error::Unreachable { .. }) => {
            let _ = std::fs::remove_dir(&here);
            Cluster::builder(elsewhere).start()
        }
        other => other,
    }
}

fn places(state: &State) -> [PathBuf; 2] {
    [state.path("postgres"), elsewhere(state)]
}

/// One folder for each state folder: its path, with what separates it replaced.
fn elsewhere(state: &State) -> PathBuf {
    let name: String = state.root().to_string_lossy().chars().map(|c| if c == '/' { '-' } else { c }).collect();
    Path::new(ELSEWHERE).join(name.trim_matches('-'))
}

/// Starts the server again when it dies; gives it back when told to stop.
async fn keep(mut cluster: Cluster, state: State, board: Board, stop: CancellationToken) -> Option<Cluster> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return Some(cluster),
        }
        if cluster.pid().is_some() {
            continue;
        }
        tracing::warn!(part = NAME, "died; it is started again");
        board.down(NAME);
        drop(cluster);
        cluster = loop {
            let own = state.clone();
            match spawn_blocking(move || start_private(&own)).await {
                Ok(Ok(cluster)) => break cluster,
                Ok(Err(error)) => tracing::error!(part = NAME, "{error}"),
                Err(_) => return None,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK * 4) => {}
                () = stop.cancelled() => return None,
            }
        };
        post(&board, &cluster);
        tracing::info!(part = NAME, "started again");
    }
}

fn post(board: &Board, cluster: &Cluster) {
    let ready = json!({ "socket": cluster.socket_folder() });
    board.set(NAME, cluster.pid().and_then(Process::of), Condition::Ready, ready);
}
