//! One file from several endpoints into the store.
//!
//! Endpoints are tried in their order, round after round with growing pauses; one that can't help (404, a redirect, wrong
//! content) is left out. What has come stays, also over a restart, and the next attempt asks for the rest, from whichever endpoint.
//! Those who want the same file from the same endpoints at the same time share one download.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::Client;
use tokio::sync::watch;
use tracing::Instrument as _;

use crate::attempt::{Problem, Request, url};
use crate::digest::Digest;
use crate::partial::Partial;
use crate::store::{Store, StoreError};

#[derive(Debug, Clone)]
pub struct Config {
    pub connect_timeout: Duration,
    /// Silence of a server that ends an attempt.
    pub idle_timeout: Duration,
    /// For one file, all attempts together.
    pub total_timeout: Duration,
    /// How often the list of endpoints is gone through without getting further.
    pub rounds: u32,
    /// The pause after the first round; it doubles.
    pub pause: Duration,
    pub max_pause: Duration,
    /// Bytes. A larger file is not even asked for.
    pub max_size: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(600),
            rounds: 4,
            pause: Duration::from_millis(250),
            max_pause: Duration::from_secs(5),
            max_size: 4 << 30,
        }
    }
}

/// A verified file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Absolute.
    pub path: PathBuf,
    /// Bytes that came over the network; 0 if the file was there.
    pub downloaded: u64,
    /// The endpoint that finished it.
    pub from: Option<String>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    #[error("no baremetal agent was named to fetch {0} from")]
    NoEndpoints(Digest),
    #[error("{digest} has {size} bytes, more than the {max} that are allowed")]
    TooLarge { digest: Digest, size: u64, max: u64 },
    #[error("{digest} can't be had: {tries}")]
    Endpoints { digest: Digest, tries: Tries },
    #[error("{digest} did not arrive within {limit:?}: {tries}")]
    Deadline { digest: Digest, limit: Duration, tries: Tries },
    #[error("{digest} can't be stored: {source}")]
    Local { digest: Digest, source: Arc<io::Error> },
    #[error("the HTTP client can't be set up: {0}")]
    Client(String),
}

/// What was wrong with each endpoint, at the last try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tries(pub Vec<(String, Problem)>);

impl Tries {
    fn note(&mut self, endpoint: &str, problem: Problem) {
        match self.0.iter_mut().find(|(known, _)| known == endpoint) {
            Some((_, last)) => *last = problem,
            None => self.0.push((endpoint.to_owned(), problem)),
        }
    }
    fn last(&self, endpoint: &str) -> Option<&Problem> {
        self.0.iter().find(|(known, _)| known == endpoint).map(|(_, problem)| problem)
    }
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (endpoint, problem)) in self.0.iter().enumerate() {
            write!(f, "{}{endpoint}: {problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Fetches files. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    store: Store,
    client: Client,
    config: Config,
    running: Mutex<HashMap<Key, watch::Receiver<State>>>,
}

type Key = (Digest, u64, Vec<String>);
type Outcome = Result<Fetched, FetchError>;

#[derive(Debug, Clone, Default)]
struct State {
    bytes: u64,
    outcome: Option<Outcome>,
}

impl Fetcher {
    /// # Errors
    /// [`FetchError::Client`].
    pub fn new(store: Store, config: Config) -> Result<Self, FetchError> {
        let client = client(&config)?;
        Ok(Self(Arc::new(Inner { store, client, config, running: Mutex::default() })))
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn client(&self) -> (&Client, &Config) {
        (&self.0.client, &self.0.config)
    }

    /// Brings the file into the store, if it is not there already (then its content is read and checked), and gives its path.
    /// `progress` is told the bytes that are there and the size, now and then. When nobody awaits it any more, the download stops, and
    /// what has come stays for the next.
    ///
    /// # Errors
    /// [`FetchError`] names each endpoint and what was wrong with it.
    pub async fn fetch(
        &self,
        endpoints: &[String],
        digest: Digest,
        size: u64,
        progress: impl Fn(u64, u64),
    ) -> Result<Fetched, FetchError> {
        let mut state = self.share(endpoints, digest, size);
        loop {
            let now = state.borrow_and_update().clone();
            if let Some(outcome) = now.outcome {
                return outcome;
            }
            progress(now.bytes, size);
            if state.changed().await.is_err() {
                let source = Arc::new(io::Error::other("the download's task ended without a word"));
                return Err(FetchError::Local { digest, source });
            }
        }
    }

    /// As [`fetch`](Self::fetch), from one address that is no agent's. Its server is asked for the size first.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_at(
        &self,
        url: &str,
        digest: Digest,
        progress: impl Fn(u64, u64),
    ) -> Result<Fetched, FetchError> {
        let endpoint = format!("{url}#");
        if self.0.store.has(digest) {
            return self.fetch(&[endpoint], digest, 0, progress).await;
        }
        let size = self.size_at(&endpoint).await.map_err(|problem| {
            let tries = Tries(vec![(url.to_owned(), problem)]);
            FetchError::Endpoints { digest, tries }
        })?;
        self.fetch(&[endpoint], digest, size, progress).await
    }

    async fn size_at(&self, endpoint: &str) -> Result<u64, Problem> {
        let (client, config) = self.client();
        let asking = client.head(crate::attempt::url(endpoint, "")?).send();
        let limit = config.idle_timeout;
        let answer = tokio::time::timeout(limit, asking).await.map_err(|_| Problem::Silent(limit))?;
        let answer = answer.map_err(|error| Problem::Connection(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(Problem::Status(answer.status().as_u16()));
        }
        // Of the headers: the client's own idea of a body that does not come is 0.
        let length = answer.headers().get(reqwest::header::CONTENT_LENGTH);
        length.and_then(|value| value.to_str().ok()?.parse().ok()).ok_or(Problem::Size)
    }

    /// Joins the download that runs, or starts one.
    fn share(&self, endpoints: &[String], digest: Digest, size: u64) -> watch::Receiver<State> {
        let key: Key = (digest, size, endpoints.to_vec());
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose task is gone has ended, or was left by everybody.
        if let Some(state) = running.get(&key).filter(|state| state.has_changed().is_ok()) {
            return state.clone();
        }
        let (sender, receiver) = watch::channel(State::default());
        running.retain(|_, state| state.has_changed().is_ok());
        running.insert(key.clone(), receiver.clone());
        drop(running);
        let inner = self.0.clone();
        let work = async move {
            let outcome = tokio::select! {
                outcome = inner.run(&key, &sender) => Some(outcome),
                () = inner.abandoned(&key, &sender) => None,
            };
            // One that everybody left has removed itself, and a younger one may be in its place.
            if outcome.is_some() {
                inner.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
            sender.send_modify(|state| state.outcome = outcome);
        };
        // It belongs to the trace of whoever asked first.
        tokio::spawn(work.in_current_span());
        receiver
    }
}

impl Inner {
    /// Ends when nobody awaits the download any more but the list of downloads itself.
    async fn abandoned(&self, key: &Key, sender: &watch::Sender<State>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tick.tick().await;
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if sender.receiver_count() <= 1 {
                running.remove(key);
                return;
            }
        }
    }

    async fn run(&self, (digest, size, endpoints): &Key, state: &watch::Sender<State>) -> Outcome {
        let began = Instant::now();
        let outcome = self.bring(endpoints, *digest, *size, state).await;
        let result = match &outcome {
            Ok(Fetched { from: None, .. }) => "present",
            Ok(fetched) => {
                metrics::histogram!("artifact_download_seconds").record(began.elapsed());
                let (from, bytes) = (&fetched.from, fetched.downloaded);
                tracing::info!(%digest, bytes, from, seconds = began.elapsed().as_secs_f64(), "boot file fetched");
                "fetched"
            }
            Err(_) => "failed",
        };
        metrics::counter!("artifact_fetches_total", "result" => result).increment(1);
        outcome
    }

    async fn bring(&self, endpoints: &[String], digest: Digest, size: u64, state: &watch::Sender<State>) -> Outcome {
        if size > self.config.max_size {
            return Err(FetchError::TooLarge { digest, size, max: self.config.max_size });
        }
        let local = |source: io::Error| FetchError::Local { digest, source: Arc::new(source) };
        let store = self.store.clone();
        match blocking(move || present(&store, digest)).await.map_err(local)? {
            Some(path) => return Ok(Fetched { path, downloaded: 0, from: None }),
            None if endpoints.is_empty() => return Err(FetchError::NoEndpoints(digest)),
            None => {}
        }
        let limit = self.config.total_timeout;
        let mut tries = Tries::default();
        match tokio::time::timeout(limit, self.download(endpoints, digest, size, state, &mut tries)).await {
            Ok(outcome) => outcome.map_err(local)?.ok_or(FetchError::Endpoints { digest, tries }),
            Err(_) => Err(FetchError::Deadline { digest, limit, tries }),
        }
    }

    /// `None`: no endpoint helped; why is in `tries`.
    async fn download(
        &self,
        endpoints: &[String],
        digest: Digest,
        size: u64,
        state: &watch::Sender<State>,
        tries: &mut Tries,
    ) -> io::Result<Option<Fetched>> {
        let store = self.store.clone();
        let opened = blocking(move || {
            let partial = store.partial(digest)?;
            // Another process may have finished it while its part was waited for.
            Ok(match present(&store, digest)? {
                Some(path) => Err((path, partial)),
                None => Ok(partial),
            })
        });
        let mut partial = match opened.await? {
            Ok(partial) => partial,
            Err((path, partial)) => {
                partial.remove()?;
                return Ok(Some(Fetched { path, downloaded: 0, from: None }));
            }
        };
        let mut downloaded = 0;
        let (mut round, mut pause) = (0, self.config.pause);
        while round < self.config.rounds {
            let before = partial.length();
            for endpoint in endpoints {
                if tries.last(endpoint).is_some_and(|problem| !problem.is_transient()) {
                    continue;
                }
                let (back, result) = self.ask(endpoint, partial, digest, size, &mut downloaded, state).await?;
                partial = back;
                let Err(problem) = result else {
                    let path = self.store.path(digest);
                    return Ok(Some(Fetched { path, downloaded, from: Some(endpoint.clone()) }));
                };
                tracing::warn!(%digest, endpoint, error = %problem, have = partial.length(), size, "a boot file did not come");
                tries.note(endpoint, problem);
            }
            if !endpoints.iter().any(|e| tries.last(e).is_none_or(Problem::is_transient)) {
                break;
            }
            // Getting further counts as hope; in steps of a sixteenth, so that it can't be given for ever byte by byte.
            if partial.length() < before + (size / 16).max(1) {
                round += 1;
            }
            if round < self.config.rounds {
                tokio::time::sleep(jitter(pause)).await;
                pause = (pause * 2).min(self.config.max_pause);
            }
        }
        Ok(None)
    }

    /// One endpoint's chance. What is not right is thrown away at once, so that nothing is ever built upon it; where this endpoint only
    /// added to what others had sent, it may not be to blame, and is asked for the whole.
    async fn ask(
        &self,
        endpoint: &str,
        mut partial: Partial,
        digest: Digest,
        size: u64,
        downloaded: &mut u64,
        state: &watch::Sender<State>,
    ) -> io::Result<(Partial, Result<(), Problem>)> {
        let url = match url(endpoint, &format!("artifacts/sha256/{digest}")) {
            Ok(url) => url,
            Err(problem) => return Ok((partial, Err(problem))),
        };
        let told = |bytes| state.send_modify(|state| state.bytes = bytes);
        let request = Request { client: &self.client, url, digest, size, idle: self.config.idle_timeout };
        loop {
            let offset = partial.length();
            let mut result = Ok(());
            if offset < size {
                let answer = request.run(partial, &told).await?;
                partial = answer.partial;
                *downloaded += answer.received;
                result = answer.result;
            }
            let (back, result) = blocking(move || settle(partial, digest, size, result)).await?;
            partial = back;
            match result {
                Err(Problem::Content(_)) if offset > 0 => {}
                result => return Ok((partial, result)),
            }
        }
    }
}

/// Publishes the part if it is complete and right, and throws it away if it is wrong.
fn settle(
    mut partial: Partial,
    digest: Digest,
    size: u64,
    result: Result<(), Problem>,
) -> io::Result<(Partial, Result<(), Problem>)> {
    let result = result.and_then(|()| match partial.found() {
        found if found == digest && partial.length() == size => Ok(()),
        found => Err(Problem::Content(found)),
    });
    match &result {
        Ok(()) => partial.publish()?,
        Err(Problem::Content(_) | Problem::TooLong(_) | Problem::Range(_)) => partial.restart()?,
        Err(_) => {}
    }
    Ok((partial, result))
}

/// The path, if the file is there and is what its name says.
fn present(store: &Store, digest: Digest) -> io::Result<Option<PathBuf>> {
    match store.verified(digest) {
        Ok((path, _)) => Ok(Some(path)),
        Err(StoreError::Missing(_) | StoreError::Damaged { .. }) => Ok(None),
        Err(StoreError::Io { source, .. }) => Err(source),
    }
}

fn client(config: &Config) -> Result<Client, FetchError> {
    // The client's TLS takes the process's cryptography, which each `main` installs; tools and tests may not have.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .no_proxy()
        .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| FetchError::Client(e.to_string()))
}

pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(io::Error::other)?
}

/// Between three quarters and five quarters, so that hosts that failed together do not come back together.
pub(crate) fn jitter(pause: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    pause * 3 / 4 + pause * (nanos % 512) / 1024
}
