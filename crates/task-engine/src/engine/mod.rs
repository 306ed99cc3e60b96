//! The engine: claims due tasks, runs their steps, saves what comes of them.
//!
//! `dispatch` claims and hands out; `worker` runs one claimed task from stage to stage; `saver` gathers saves into few
//! commits; `keeper` extends leases, and drops what lost its own; `listen` hears NOTIFY. `kind` forgets the types. `span` is
//! what logs and traces say of a step.

mod dispatch;
mod keeper;
mod kind;
mod listen;
mod saver;
mod span;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::testing::Intercept;
use crate::{Pool, Task, Tuning, Waker};
use keeper::Running;
use kind::{Kind, KindOf};
pub use span::{SpanOf, Step};

/// Opens the connection on which the engine listens.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, diesel::ConnectionResult<AsyncPgConnection>> + Send + Sync>;

/// Why an engine could not be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegisterError {
    #[error("two task types are called {0}; rename one of them")]
    Duplicate(&'static str),
    #[error("the stages of {0} must be an enum in serde's default form (no tag, no untagged), so that each has a name")]
    Stages(&'static str),
}

/// What all parts of a running engine share.
pub(crate) struct Shared<E> {
    pub env: Arc<E>,
    pub pool: Pool,
    pub kinds: BTreeMap<&'static str, Box<dyn Kind<E>>>,
    pub tuning: Tuning,
    /// Steps that may run at once.
    pub workers: usize,
    /// Stands in the rows that this engine works on.
    pub name: String,
    pub running: Running,
    pub saver: saver::Saver,
    pub waker: Waker,
    /// Steps may end, but nothing new begins.
    pub draining: CancellationToken,
    pub intercept: Option<Arc<dyn Intercept>>,
    pub span_of: SpanOf,
}

/// Assembles an [`Engine`].
pub struct Builder<E> {
    env: Arc<E>,
    pool: Pool,
    connect: Connect,
    kinds: BTreeMap<&'static str, Box<dyn Kind<E>>>,
    tuning: Tuning,
    workers: usize,
    name: Option<String>,
    intercept: Option<Arc<dyn Intercept>>,
    waker: Waker,
    span_of: SpanOf,
}

/// Durable tasks are run by one of these; any number of them, in any number of processes, share the work.
pub struct Engine;

impl Engine {
    /// `pool` is for claims and saves (use [`crate::connect`] and `RecyclingMethod::Fast`; a connection per eight workers is plenty).
    /// `listen_url` opens one more connection, which must lead to the server itself and not through a pooler;
    /// see [`Builder::connect`] for TLS.
    pub fn builder<E: Send + Sync + 'static>(pool: Pool, listen_url: impl Into<String>, env: Arc<E>) -> Builder<E> {
        let url = listen_url.into();
        let connect: Connect = Arc::new(move || {
            let url = url.clone();
            Box::pin(async move { <AsyncPgConnection as diesel_async::AsyncConnection>::establish(&url).await })
        });
        Builder {
            env,
            pool,
            connect,
            kinds: BTreeMap::new(),
            tuning: Tuning::default(),
            workers: 64,
            name: None,
            intercept: None,
            waker: Waker::default(),
            span_of: span::plain,
        }
    }
}

impl<E: Send + Sync + 'static> Builder<E> {
    /// Adds a task type. Only tasks with registered names are claimed; the others stay for engines that know them.
    pub fn register<T: Task<Env = E>>(mut self) -> Result<Self, RegisterError> {
        let kind = KindOf::<T>::new().ok_or(RegisterError::Stages(T::NAME))?;
        match self.kinds.insert(T::NAME, Box::new(kind)) {
            None => Ok(self),
            Some(_) => Err(RegisterError::Duplicate(T::NAME)),
        }
    }

    /// How many steps may run at once. They wait for hosts most of the time, so this is not about processors.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// A name for this process in the rows it works on; otherwise a new one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What those who start tasks in this process wake it with.
    pub fn waker(mut self, waker: Waker) -> Self {
        self.waker = waker;
        self
    }

    /// Another span around each run of a step, with fields of the caller's. It becomes part of the trace in which the task was started.
    pub fn span(mut self, span_of: SpanOf) -> Self {
        self.span_of = span_of;
        self
    }

    /// Another way to open the connection for LISTEN, with TLS for instance.
    pub fn connect(mut self, connect: Connect) -> Self {
        self.connect = connect;
        self
    }

    /// For tests: see [`crate::testing`].
    pub fn intercept(mut self, intercept: Arc<dyn Intercept>) -> Self {
        self.intercept = Some(intercept);
        self
    }

    /// The names of all tasks and their stages. They are stored data: compare them with a checked-in file in a test.
    pub fn names(&self) -> BTreeMap<&'static str, &'static [&'static str]> {
        self.kinds.iter().map(|(name, kind)| (*name, kind.stages())).collect()
    }

    /// Starts working. To be called in a tokio runtime.
    pub fn start(self) -> Handle {
        let mut parts = JoinSet::new();
        let (saver, saves) = saver::channel();
        let shared = Arc::new(Shared {
            env: self.env,
            pool: self.pool,
            kinds: self.kinds,
            tuning: self.tuning,
            workers: self.workers,
            name: self.name.unwrap_or_else(|| format!("{}-{}", std::process::id(), Uuid::new_v4().simple())),
            running: Running::default(),
            saver,
            waker: self.waker,
            draining: CancellationToken::new(),
            intercept: self.intercept,
            span_of: self.span_of,
        });
        let stopped = CancellationToken::new();
        parts.spawn(saver::run(saves, shared.pool.clone()));
        parts.spawn(keeper::run(shared.clone()));
        parts.spawn(shared.waker.clone().announce(shared.pool.clone()));
        parts.spawn(listen::run(shared.clone(), self.connect));
        let dispatch = tokio::spawn(dispatch::run(shared.clone(), stopped.clone()));
        tracing::info!(worker = shared.name, tasks = ?shared.kinds.keys().collect::<Vec<_>>(), "task engine started");
        Handle {
            draining: shared.draining.clone(),
            stopped,
            dispatch: Some(dispatch),
            parts,
            name: shared.name.clone(),
        }
    }
}

/// A running engine. Dropping it is like [`Handle::kill`]; end it with [`Handle::shutdown`].
pub struct Handle {
    draining: CancellationToken,
    stopped: CancellationToken,
    dispatch: Option<tokio::task::JoinHandle<()>>,
    parts: JoinSet<()>,
    name: String,
}

impl Handle {
    /// What stands in `tasks.worker` while this engine works on a task.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on nothing new begins. To be followed by [`Handle::shutdown`]; several processes can be told first.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Claims nothing more, lets the steps that run end within `grace` and saves them; what has not ended then is
    /// dropped and given back, to be begun again by another engine.
    pub async fn shutdown(mut self, grace: Duration) {
        self.drain();
        if let Some(mut dispatch) = self.dispatch.take()
            && tokio::time::timeout(grace, &mut dispatch).await.is_err()
        {
            self.stopped.cancel();
            // Giving back takes one statement; if even that hangs, the leases run out by themselves.
            if tokio::time::timeout(Duration::from_secs(5), &mut dispatch).await.is_err() {
                dispatch.abort();
            }
        }
        self.parts.shutdown().await;
        tracing::info!(worker = self.name, "task engine stopped");
    }

    /// Drops everything where it stands, as the end of the process would: nothing is saved, nothing given back.
    /// For tests. Returns when no step runs any more.
    pub async fn kill(mut self) {
        if let Some(dispatch) = self.dispatch.take() {
            dispatch.abort();
            let _ = dispatch.await;
        }
        self.parts.shutdown().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(dispatch) = self.dispatch.take() {
            dispatch.abort();
        }
    }
}
