//! Region's data: the tables, the rows, and the queries over them.
//!
//! * [`schema`]: the tables, as diesel sees them; a contract test of region compares them with the migrated database
//! * [`migrate`]: brings a database up to date, one process at a time
//! * the module `pool`: connections
//! * [`filter`]: conditions that a caller has chosen, as SQL with bound parameters
//! * one module per table, with its row and its queries: [`guest`], [`disk`], [`detached`], [`snapshot`], [`ticket`], [`recording`], [`examination`], [`host`], [`agent`], [`image`], [`session`], [`task`], [`event`], [`change`], [`identity`], [`policy`], [`progress`],
//!   [`idempotency`]
//!
//! Queries take a connection, never a pool: whoever calls decides what commits together.

pub mod agent;
pub mod census;
pub mod change;
pub mod detached;
pub mod disk;
pub mod domain;
pub mod event;
pub mod examination;
pub mod filter;
pub mod guest;
pub mod host;
pub mod idempotency;
pub mod identity;
pub mod image;
pub mod migrate;
pub mod policy;
pub mod pool;
pub mod progress;
pub mod recording;
pub mod schema;
pub mod session;
pub mod snapshot;
pub mod task;
pub mod ticket;

pub use diesel_async::AsyncPgConnection as Conn;
pub use pool::{Pool, connect, connect_by_index};

/// The result of a query.
pub type QueryResult<T> = diesel::QueryResult<T>;
