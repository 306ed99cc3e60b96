//! A recording of one open console: output only. The console never waits for it: pieces go through a short queue to a writer, which puts
//! them into the database every second. What does not fit is missing, and the recording says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use db::guest::Guest;
use db::recording::{Progress, Recording};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use types::RecordingId;
use types::status::ConsoleKind;

use super::cast::{self, Lines};
use crate::app::App;
use crate::auth::Caller;
use crate::config::Record;
use crate::error::Result;

/// What a caller sees when it begins, and when it ends before the console does.
pub const BEGINS: &str = "\r\n[this console is recorded for auditors: what it shows is kept, what you type is not]\r\n";
pub const ENDS: &str = "\r\n[the recording of this console has ended]\r\n";

/// Pieces on their way to the writer.
const QUEUE: usize = 1024;
/// So often lines are saved, and so many bytes at once.
const SAVE: Duration = Duration::from_secs(1);
const CHUNK: usize = 64 * 1024;
/// Bytes that wait while the database is away; what comes then is missing.
const WAITING: usize = 4 * 1024 * 1024;
/// So often a silent one says that it is alive; for the scan that ends those of regions that are gone.
const ALIVE: Duration = Duration::from_secs(60);
pub const SILENT: Duration = Duration::from_secs(300);
/// So often the end is tried to be written.
const LAST_TRIES: u32 = 5;

/// Whether this console is to be recorded now.
#[must_use]
pub fn is_wanted(app: &App, kind: ConsoleKind, guest: &Guest) -> bool {
    match app.config.console.record {
        Record::Never => false,
        Record::Rescue => kind == ConsoleKind::Console && guest.rescue_session_id.is_some(),
    }
}

/// Ends, and saves what it has, when it is dropped.
#[derive(Debug)]
pub struct Recorder {
    pieces: mpsc::Sender<(Duration, Bytes)>,
    /// Bytes that did not fit into the queue.
    lost: Arc<AtomicU64>,
    begun: Instant,
}

impl Recorder {
    /// # Errors
    /// As the database reports them: what is to be recorded and can't be is not shown.
    pub async fn begin(app: &App, caller: &Caller, guest: &Guest) -> Result<Self> {
        let now = Utc::now();
        let row = Recording {
            id: RecordingId::generate(),
            guest_id: guest.id,
            guest_name: guest.name.clone(),
            project: guest.project.clone(),
            session_id: guest.rescue_session_id,
            user_name: caller.user.clone(),
            source: caller.source.clone(),
            started_at: now,
            ended_at: None,
            duration_ms: 0,
            bytes: 0,
            is_whole: true,
            written_at: now,
        };
        let elsewhere = {
            let mut conn = app.pool.get().await?;
            db::recording::insert(&mut conn, &row).await?;
            match row.session_id {
                Some(session) => db::recording::bytes_of(&mut conn, session).await?,
                None => 0,
            }
        };
        let (pieces, queue) = mpsc::channel(QUEUE);
        let (lost, begun) = (Arc::<AtomicU64>::default(), Instant::now());
        let writer = Writer {
            app: app.clone(),
            id: row.id,
            lost: lost.clone(),
            begun,
            lines: Lines::default(),
            waiting: String::new(),
            saving: String::new(),
            seq: 0,
            kept: 0,
            elsewhere,
            last: Duration::ZERO,
            is_whole: true,
            is_full: false,
            saved: Instant::now(),
        };
        app.consoles.open.spawn(writer.run(queue));
        Ok(Self { pieces, lost, begun })
    }

    /// Takes a piece of output, without waiting.
    pub fn note(&self, piece: &Bytes) {
        if self.pieces.try_send((self.begun.elapsed(), piece.clone())).is_err() {
            self.lost.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
    }
}

struct Writer {
    app: App,
    id: RecordingId,
    lost: Arc<AtomicU64>,
    begun: Instant,
    lines: Lines,
    /// Lines to be saved.
    waiting: String,
    /// The chunk of this number. It stays as it is until it is known to be saved: the first try may have done it.
    saving: String,
    seq: i32,
    /// Bytes of lines that were made.
    kept: u64,
    /// Bytes of other recordings of the same rescue, when it last was asked: all together have one limit, or a system that prints without end,
    /// on many consoles or on one that is opened again and again, fills the database.
    elsewhere: u64,
    /// Of the last line.
    last: Duration,
    is_whole: bool,
    /// The limit of size was reached.
    is_full: bool,
    saved: Instant,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<(Duration, Bytes)>) {
        let mut tick = interval(SAVE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                piece = queue.recv() => match piece {
                    Some((at, piece)) => self.add(at, &piece),
                    None => break,
                },
                _ = tick.tick() => {
                    self.save(false).await;
                }
            }
            // One that could not be saved waits for the next second.
            if self.waiting.len() >= CHUNK && self.saving.is_empty() {
                self.save(false).await;
            }
        }
        let rest = self.lines.rest(self.begun.elapsed());
        self.keep(self.begun.elapsed(), &rest);
        for _ in 0..LAST_TRIES {
            // A chunk that could not be saved before, and then the rest.
            if self.save(false).await && self.save(true).await {
                return;
            }
            tokio::time::sleep(SAVE).await;
        }
        tracing::error!(recording = %self.id, "the end of a recording could not be saved");
    }

    fn add(&mut self, at: Duration, piece: &[u8]) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.gap(at, lost);
        }
        if self.waiting.len() > WAITING {
            self.lost.fetch_add(piece.len() as u64, Ordering::Relaxed);
            self.is_whole = false;
            return;
        }
        let line = self.lines.line(at, piece);
        self.keep(at, &line);
    }

    fn gap(&mut self, at: Duration, lost: u64) {
        self.is_whole = false;
        let told = cast::said(at, &format!("\r\n[{lost} bytes were not recorded here]\r\n"));
        self.keep(at, &told);
    }

    fn keep(&mut self, at: Duration, line: &str) {
        if self.is_full || line.is_empty() {
            return;
        }
        self.last = at;
        self.kept += line.len() as u64;
        if self.kept + self.elsewhere > self.app.config.console.record_max_bytes {
            (self.is_full, self.is_whole) = (true, false);
            self.waiting += &cast::said(
                at,
                "\r\n[the recording ends here: those of this rescue have reached their limit of size]\r\n",
            );
        } else {
            self.waiting += line;
        }
    }

    /// What can't be saved now waits. False: so it is.
    async fn save(&mut self, is_over: bool) -> bool {
        if self.saving.is_empty() {
            std::mem::swap(&mut self.saving, &mut self.waiting);
        }
        if self.saving.is_empty() && !is_over && self.saved.elapsed() < ALIVE {
            return true;
        }
        let duration = if is_over { self.begun.elapsed() } else { self.last };
        let now = Progress { duration, is_whole: self.is_whole, is_over };
        let written = async {
            let mut conn = self.app.pool.get().await?;
            Ok::<_, crate::error::Error>(db::recording::write(&mut conn, self.id, self.seq, &self.saving, now).await?)
        };
        match written.await {
            Ok(written) => {
                self.elsewhere = u64::try_from(written.elsewhere).unwrap_or(0);
                self.saving.clear();
                self.seq += 1;
                self.saved = Instant::now();
                true
            }
            Err(error) => {
                tracing::warn!(recording = %self.id, %error, "a recording can't be saved now; it is tried again");
                false
            }
        }
    }
}
