//! One reader of the changes per process. It has a connection of its own, looks ten times a second while somebody listens, and gives each
//! listener what it reads; nobody waits for a slow one, who is cut off instead.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db::Conn;
use db::change::Position;
use diesel_async::AsyncConnection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::item::{self, Item};

/// How often the reader looks.
const LOOK: Duration = Duration::from_millis(100);
/// Changes in one look.
const BATCH: i64 = 1000;
/// What a listener may be behind before it is cut off.
const BEHIND: usize = 4096;

/// Why the reader let go of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// Region stops.
    Stopped = 0,
    /// It was too far behind.
    Slow = 1,
    /// Changes were lost, as after a crash of the database: what it knows must be looked at again.
    Reset = 2,
}

/// What the reader keeps of a listener.
struct Listener {
    items: mpsc::Sender<Arc<Item>>,
    cut: Arc<AtomicU8>,
}

/// What a listener has of the reader.
pub struct Subscription {
    /// All after this comes by `items`.
    pub from: Position,
    pub items: mpsc::Receiver<Arc<Item>>,
    cut: Arc<AtomicU8>,
}

impl Subscription {
    /// Once `items` has ended: why.
    #[must_use]
    pub fn cut(&self) -> Cut {
        match self.cut.load(Ordering::Acquire) {
            1 => Cut::Slow,
            2 => Cut::Reset,
            _ => Cut::Stopped,
        }
    }
}

/// How many may listen at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub per_token: usize,
    pub in_all: usize,
}

/// A handle to the reader.
pub struct Feed {
    subscribe: mpsc::Sender<oneshot::Sender<Subscription>>,
    open: Arc<Mutex<HashMap<Vec<u8>, usize>>>,
}

/// The reader before it runs.
pub struct Reader {
    subscribers: mpsc::Receiver<oneshot::Sender<Subscription>>,
}

/// A place among those who may listen; given back when it is dropped.
pub struct Place {
    open: Arc<Mutex<HashMap<Vec<u8>, usize>>>,
    token: Vec<u8>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.token);
            }
        }
        metrics::gauge!("region_streams").set(open.values().sum::<usize>() as f64);
    }
}

impl Feed {
    #[must_use]
    pub fn new() -> (Self, Reader) {
        let (subscribe, subscribers) = mpsc::channel(64);
        (Self { subscribe, open: Arc::default() }, Reader { subscribers })
    }

    /// A place for a token, by its digest; `None`: there are too many.
    #[must_use]
    pub fn admit(&self, token: Vec<u8>, limits: Limits) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let mine = open.get(&token).copied().unwrap_or(0);
        if all >= limits.in_all || mine >= limits.per_token {
            return None;
        }
        open.insert(token.clone(), mine + 1);
        metrics::gauge!("region_streams").set((all + 1) as f64);
        Some(Place { open: self.open.clone(), token })
    }

    /// Begins to listen. `None`: the database does not answer, or region stops.
    pub async fn subscribe(&self) -> Option<Subscription> {
        let (reply, subscription) = oneshot::channel();
        self.subscribe.send(reply).await.ok()?;
        subscription.await.ok()
    }
}

impl Reader {
    /// Runs until it is cancelled.
    pub async fn run(mut self, url: String, stop: CancellationToken) {
        let mut state = State { url, conn: None, at: None, listeners: Vec::new() };
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return state.cut_all(Cut::Stopped),
                reply = self.subscribers.recv() => match reply {
                    Some(reply) => state.subscribe(reply).await,
                    None => return,
                },
                _ = look.tick(), if !state.listeners.is_empty() => {
                    if let Err(error) = state.look().await {
                        tracing::warn!(%error, "the changes could not be read; trying again");
                        state.conn = None;
                    }
                }
            }
        }
    }
}

struct State {
    url: String,
    conn: Option<Conn>,
    /// All before this was given to the listeners; `None` while there are none.
    at: Option<Position>,
    listeners: Vec<Listener>,
}

impl State {
    async fn subscribe(&mut self, reply: oneshot::Sender<Subscription>) {
        let from = match self.at {
            Some(at) if !self.listeners.is_empty() => at,
            _ => match self.present().await {
                Ok(at) => at,
                Err(error) => {
                    tracing::warn!(%error, "nobody can listen to changes now");
                    self.conn = None;
                    return;
                }
            },
        };
        let (items, receiver) = mpsc::channel(BEHIND);
        let cut = Arc::new(AtomicU8::new(Cut::Stopped as u8));
        if reply.send(Subscription { from, items: receiver, cut: cut.clone() }).is_ok() {
            self.at = Some(from);
            self.listeners.push(Listener { items, cut });
        }
    }

    async fn present(&mut self) -> Result<Position, crate::error::Error> {
        let bounds = db::change::bounds(self.conn().await?).await?;
        Ok(Position { xid: bounds.horizon, seq: 0 })
    }

    /// The connection; a new one also looks whether the changes are still there.
    async fn conn(&mut self) -> Result<&mut Conn, crate::error::Error> {
        if self.conn.is_none() {
            let mut conn = Conn::establish(&self.url).await.map_err(crate::error::Error::internal)?;
            let bounds = db::change::bounds(&mut conn).await?;
            if let Some(at) = self.at
                && !bounds.reach(at)
            {
                self.cut_all(Cut::Reset);
                self.at = None;
            }
            self.conn = Some(conn);
        }
        self.conn.as_mut().ok_or_else(|| crate::error::Error::status("no connection"))
    }

    async fn look(&mut self) -> Result<(), crate::error::Error> {
        self.listeners.retain(|listener| !listener.items.is_closed());
        loop {
            self.conn().await?;
            let (Some(at), Some(conn)) = (self.at, self.conn.as_mut()) else { return Ok(()) };
            let (changes, next) = db::change::after(conn, at, None, BATCH).await?;
            let items = item::items(&changes, conn).await?;
            metrics::counter!("region_stream_changes_total").increment(changes.len() as u64);
            self.at = Some(next);
            for item in items {
                let item = Arc::new(item);
                self.listeners.retain(|listener| match listener.items.try_send(item.clone()) {
                    Ok(()) => true,
                    Err(mpsc::error::TrySendError::Closed(_)) => false,
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        listener.cut.store(Cut::Slow as u8, Ordering::Release);
                        metrics::counter!("region_stream_cuts_total", "why" => "slow").increment(1);
                        false
                    }
                });
            }
            if (changes.len() as i64) < BATCH {
                return Ok(());
            }
        }
    }

    fn cut_all(&mut self, why: Cut) {
        for listener in self.listeners.drain(..) {
            listener.cut.store(why as u8, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_token_and_in_all_and_given_back() {
        let (feed, _reader) = Feed::new();
        let limits = Limits { per_token: 2, in_all: 3 };
        let first = feed.admit(vec![1], limits).unwrap();
        let _second = feed.admit(vec![1], limits).unwrap();
        assert!(feed.admit(vec![1], limits).is_none(), "two of one token");
        let _third = feed.admit(vec![2], limits).unwrap();
        assert!(feed.admit(vec![3], limits).is_none(), "three in all");
        drop(first);
        assert!(feed.admit(vec![1], limits).is_some());
    }
}
