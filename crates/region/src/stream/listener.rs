//! One stream. Its rights are those of the token, looked at again before something is sent and while nothing is.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::sse::Event;
use db::change::Position;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::feed::{Cut, Place, Subscription};
use super::item::{self, Item, Kind};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::policy::{Access, Rule};

/// Rights older than this are looked at again before anything is sent.
const FRESH: Duration = Duration::from_secs(1);
/// So often they are looked at while nothing is.
const CHECK: Duration = Duration::from_secs(3);
/// A client that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rows in one look at what was missed.
const PAGE: i64 = 500;

/// What may be seen of each kind that was asked for.
pub type Rights = HashMap<Kind, Access>;

/// The rule of one kind: whoever may look at one of them may hear of it.
#[must_use]
pub fn rule(kind: Kind) -> Rule {
    let service = if kind == Kind::Events { "log" } else { "compute" };
    Rule { service, resource: kind.plural(), word: kind.word(), action: "get", extra: None }
}

/// What a caller may see; with `all`, each kind must be allowed.
///
/// # Errors
/// 403, explained, where nothing (or not all) is.
pub async fn rights(app: &App, caller: &Caller, kinds: &[Kind], all: bool) -> Result<Rights> {
    let mut conn = app.pool.get().await?;
    let mut rights = Rights::new();
    let mut refused = None;
    for kind in kinds {
        match app.policies.require(&mut conn, caller, &rule(*kind)).await {
            Ok(access) => drop(rights.insert(*kind, access)),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) if all || rights.is_empty() => Err(error),
        _ => Ok(rights),
    }
}

pub struct Listener {
    pub app: App,
    /// The request, to authenticate again as it was.
    pub parts: Parts,
    pub rights: Rights,
    pub checked: Instant,
    /// Only what concerns these; empty: everything.
    pub ids: Vec<Uuid>,
    pub out: mpsc::Sender<Event>,
    pub place: Place,
}

/// Why a stream ends.
enum End {
    /// The client is gone: there is nobody to tell.
    Gone,
    Told(Error),
    /// It must list again.
    Reset(&'static str),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

const LOST: &str = "changes since that id are no longer kept: list again, then go on from here";

impl Listener {
    /// Runs until the client goes, its rights end, or region stops.
    pub async fn run(mut self, mut subscription: Subscription, since: Option<Position>) {
        let ended = self.listen(&mut subscription, since).await;
        let event = match ended {
            Ok(()) | Err(End::Gone) => return,
            Err(End::Told(error)) => {
                let details = json!({ "class": error.class, "code": error.class.status(), "details": error.details });
                Event::default().event("error").data(details.to_string())
            }
            Err(End::Reset(details)) => Event::default()
                .event("reset")
                .id(subscription.from.to_string())
                .data(json!({ "details": details }).to_string()),
        };
        let _ = tokio::time::timeout(PATIENCE, self.out.send(event)).await;
        drop(self.place);
    }

    async fn listen(&mut self, subscription: &mut Subscription, since: Option<Position>) -> Result<(), End> {
        let mut last = match since {
            Some(since) => {
                self.catch_up(since, subscription.from).await?;
                since.max(subscription.from)
            }
            None => subscription.from,
        };
        // From here on nothing is missed: whoever lists now and listens on has everything.
        let keep_alive = json!({ "keep_alive_s": self.app.config.stream.keep_alive_s.max(1) });
        let ready = Event::default().event("ready").id(last.to_string()).data(keep_alive.to_string());
        self.put(ready).await?;
        let mut check = tokio::time::interval(CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // At once: a client that comes back has its place again.
                () = self.out.closed() => return Err(End::Gone),
                _ = check.tick() => self.check(CHECK).await?,
                item = subscription.items.recv() => match item {
                    Some(item) if item.at <= last => {}
                    Some(item) => {
                        last = item.at;
                        self.send(&item).await?;
                    }
                    None => return match subscription.cut() {
                        Cut::Stopped => Ok(()),
                        Cut::Slow => Err(End::Told(Error::new(
                            api::ErrorClass::TooManyRequests,
                            "you read slower than things change: connect again with Last-Event-ID, and ask for less",
                        ))),
                        Cut::Reset => Err(End::Reset("changes were lost: list again, then connect without Last-Event-ID")),
                    },
                },
            }
        }
    }

    /// What was missed: all after `since`, up to where the reader takes over.
    async fn catch_up(&mut self, since: Position, to: Position) -> Result<(), End> {
        let mut at = since;
        while at < to {
            let (items, next) = {
                let mut conn = self.app.pool.get().await.map_err(Error::from)?;
                let (changes, next) = db::change::after(&mut conn, at, Some(to), PAGE).await.map_err(Error::from)?;
                let items = item::items(&changes, &mut conn).await?;
                // Asked last: what was forgotten meanwhile would have been missed above.
                if !db::change::bounds(&mut conn).await.map_err(Error::from)?.reach(at) {
                    return Err(End::Reset(LOST));
                }
                (items, if changes.len() < PAGE as usize { to } else { next })
            };
            for item in items {
                self.send(&item).await?;
            }
            at = next;
        }
        // Also who has missed nothing may come with an id that is not of this database's present.
        let mut conn = self.app.pool.get().await.map_err(Error::from)?;
        match db::change::bounds(&mut conn).await.map_err(Error::from)?.reach(since) {
            true => Ok(()),
            false => Err(End::Reset(LOST)),
        }
    }

    async fn send(&mut self, item: &Item) -> Result<(), End> {
        if !self.ids.is_empty() && !item.ids.iter().flatten().any(|id| self.ids.contains(id)) {
            return Ok(());
        }
        if !self.rights.contains_key(&item.kind) {
            return Ok(());
        }
        self.check(FRESH).await?;
        if !self.rights.get(&item.kind).is_some_and(|access| access.reaches(item.project.as_deref())) {
            return Ok(());
        }
        let event = Event::default().event(item.kind.word()).id(item.at.to_string()).data(item.data.as_ref());
        self.put(event).await
    }

    async fn put(&self, event: Event) -> Result<(), End> {
        match tokio::time::timeout(PATIENCE, self.out.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                metrics::counter!("region_stream_cuts_total", "why" => "stuck").increment(1);
                Err(End::Gone)
            }
        }
    }

    /// Authenticates again, as the request was, and asks the policies again. A right that is gone ends the stream.
    async fn check(&mut self, age: Duration) -> Result<(), End> {
        if self.checked.elapsed() < age {
            return Ok(());
        }
        let caller = Caller::from_request_parts(&mut self.parts.clone(), &self.app).await?;
        let kinds: Vec<Kind> = self.rights.keys().copied().collect();
        self.rights = rights(&self.app, &caller, &kinds, true).await?;
        self.checked = Instant::now();
        Ok(())
    }
}
