//! One connection to one QEMU. A task reads the socket and hands replies to those who wait for them, so a handle can be cloned
//! and used from anywhere; commands are answered in any order.
//!
//! QEMU serves one client per socket: a second one connects, but sees no greeting. That is why the greeting has a time limit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::command::{Capabilities, Command};
use crate::lines::Lines;
use crate::message::{Event, Message, read, write};

/// What a connection puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the connection, greeting and capabilities together.
    pub connect: Duration,
    /// For one command, from sending to its reply.
    pub command: Duration,
    /// Bytes in one line. Replies of `query-block` grow with the number of disks, a few KiB each.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), command: Duration::from_secs(10), line: 4 * 1024 * 1024 }
    }
}

/// Why a connection or a command failed.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    #[error("cannot connect to QEMU's control socket {path}")]
    Connect { path: PathBuf, source: std::io::Error },
    /// QEMU went away, or sent what can't be read. A command in flight may or may not have been carried out.
    #[error("the connection to QEMU is closed")]
    Closed,
    #[error("QEMU did not answer {what} within {limit:?}")]
    TimedOut { what: &'static str, limit: Duration },
    #[error("QEMU refused {command}: {desc}")]
    Refused { command: &'static str, class: String, desc: String },
    #[error("QEMU answered {command} with something else than expected")]
    Reply { command: &'static str, source: serde_json::Error },
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, (String, String)>>>>>;

/// A handle to a connected QEMU. The connection ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Qmp {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    version: String,
    limits: Limits,
    next: AtomicU64,
    waiting: Waiting,
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    closed: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl Qmp {
    /// Connects, waits for the greeting and leaves negotiation mode. Events come in the second part of the answer, in order,
    /// until the connection ends; then it yields `None`.
    ///
    /// # Errors
    /// [`QmpError::Connect`], [`QmpError::TimedOut`] (also when another client holds the socket), [`QmpError::Closed`].
    pub async fn connect(path: &Path, limits: Limits) -> Result<(Self, mpsc::UnboundedReceiver<Event>), QmpError> {
        let connecting = async {
            let stream = UnixStream::connect(path)
                .await
                .map_err(|source| QmpError::Connect { path: path.to_owned(), source })?;
            Self::begin(stream, limits).await
        };
        let timed_out = |_| QmpError::TimedOut { what: "the greeting", limit: limits.connect };
        tokio::time::timeout(limits.connect, connecting).await.map_err(timed_out)?
    }

    async fn begin(stream: UnixStream, limits: Limits) -> Result<(Self, mpsc::UnboundedReceiver<Event>), QmpError> {
        let (reader, writer) = stream.into_split();
        let waiting = Waiting::default();
        let closed = CancellationToken::new();
        // Unbounded: QEMU itself limits the rate of events that a guest can cause, and its reader does nothing else.
        let (events, receiver) = mpsc::unbounded_channel();
        let (greeted, greeting) = oneshot::channel();
        let pump =
            Pump { waiting: Arc::clone(&waiting), events, greeted: Some(greeted), lines: Lines::new(limits.line) };
        tokio::spawn(pump.run(reader, closed.clone()));
        let version = greeting.await.map_err(|_| {
            closed.cancel();
            QmpError::Closed
        })?;
        let inner = Inner {
            version,
            limits,
            next: AtomicU64::new(1),
            waiting,
            writer: tokio::sync::Mutex::new(writer),
            closed,
        };
        let qmp = Self { inner: Arc::new(inner) };
        qmp.execute(Capabilities {}).await?;
        Ok((qmp, receiver))
    }

    /// QEMU's version from the greeting: `10.0.2`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.closed.is_cancelled()
    }

    /// Until the connection has ended, from either side.
    pub async fn closed(&self) {
        self.inner.closed.cancelled().await;
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// [`QmpError::Refused`] with QEMU's words; [`QmpError::TimedOut`] and [`QmpError::Closed`] when it is not known whether the
    /// command was carried out.
    pub async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, QmpError> {
        let arguments =
            serde_json::to_value(&command).map_err(|source| QmpError::Reply { command: C::NAME, source })?;
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.inner.waiting).insert(id, sender);
        let _forget = Forget { waiting: &self.inner.waiting, id };
        // After the insertion: the pump clears the map when it ends, so either it sees this entry or we see it closed.
        if self.is_closed() {
            return Err(QmpError::Closed);
        }
        let line = write(id, C::NAME, arguments);
        let exchange = async {
            self.inner.writer.lock().await.write_all(&line).await.map_err(|_| QmpError::Closed)?;
            receiver.await.map_err(|_| QmpError::Closed)
        };
        let limit = self.inner.limits.command;
        let answer =
            tokio::time::timeout(limit, exchange).await.map_err(|_| QmpError::TimedOut { what: C::NAME, limit })??;
        let value = answer.map_err(|(class, desc)| QmpError::Refused { command: C::NAME, class, desc })?;
        serde_json::from_value(value).map_err(|source| QmpError::Reply { command: C::NAME, source })
    }
}

/// Takes the entry out again when the caller goes away or gives up.
struct Forget<'a> {
    waiting: &'a Waiting,
    id: u64,
}
impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while it is held; a poisoned map is still a whole map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Pump {
    waiting: Waiting,
    events: mpsc::UnboundedSender<Event>,
    greeted: Option<oneshot::Sender<String>>,
    lines: Lines,
}

impl Pump {
    async fn run(mut self, mut reader: OwnedReadHalf, closed: CancellationToken) {
        let mut piece = vec![0; 4096];
        loop {
            let count = tokio::select! {
                () = closed.cancelled() => break,
                read = reader.read(&mut piece) => read.unwrap_or(0),
            };
            if count == 0 {
                break;
            }
            self.lines.push(&piece[..count]);
            if let Err(error) = self.deliver() {
                tracing::warn!(%error, "QEMU's control socket can't be read any more");
                break;
            }
        }
        closed.cancel();
        lock(&self.waiting).clear();
    }

    fn deliver(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        while let Some(line) = self.lines.next_line()? {
            if line.is_empty() {
                continue;
            }
            match read(&line)? {
                Message::Greeting { version } => {
                    if let Some(greeted) = self.greeted.take() {
                        let _ = greeted.send(version);
                    }
                }
                Message::Return { id, value } => self.answer(id, Ok(value)),
                Message::Error { id, class, desc } => self.answer(id, Err((class, desc))),
                Message::Event(event) => {
                    let _ = self.events.send(event);
                }
                Message::Unknown => tracing::debug!("QEMU sent a message of an unknown shape"),
            }
        }
        Ok(())
    }

    fn answer(&self, id: Option<u64>, answer: Result<Value, (String, String)>) {
        if let Some(sender) = id.and_then(|id| lock(&self.waiting).remove(&id)) {
            let _ = sender.send(answer);
        }
    }
}
