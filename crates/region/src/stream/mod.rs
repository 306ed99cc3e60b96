//! `GET /stream`: tasks, servers and events as they change, as server-sent events (the `text/event-stream` of WHATWG HTML, section 9.2).
//!
//! * [`feed`]: one reader of the changes per process, for all who listen; it works only while somebody does;
//! * [`item`]: what a change looks like, and whom it concerns;
//! * [`listener`]: one stream: first what was missed since `Last-Event-ID`, then what comes, each row under the caller's rights, which are
//!   checked again while it runs;
//! * [`route`]: the request.
//!
//! The id of an event is its place in the order of commits ([`db::change::Position`]): a stream that was cut goes on from there, at any
//! replica, with nothing lost and nothing twice.

pub mod feed;
mod item;
mod listener;
mod route;

pub use feed::{Feed, Limits};
pub use route::register;
