//! A private Postgres made from the distribution's binaries: for the demo, for a single machine, for tests.
//!
//! `binaries` finds them, `layout` says where things are and who owns them, `server` starts, adopts and stops,
//! `url` names databases, `test_server` gives each test a database of its own. All of it blocks; call it through
//! `spawn_blocking` where that matters.
//!
//! Nothing listens on TCP. The socket lies in a folder that only the user Postgres runs as (and root) can enter, and
//! whoever can enter it is trusted. Started by root, Postgres runs as the user `postgres`, or `nobody`.
//!
//! ```no_run
//! let cluster = pg_cluster::Cluster::builder("/var/lib/lifeboat/postgres").start()?;
//! println!("{}", cluster.url("postgres"));
//! cluster.stop()?;
//! # Ok::<(), pg_cluster::Error>(())
//! ```

mod binaries;
mod error;
mod layout;
mod server;
mod test_server;
mod url;

pub use binaries::Binaries;
pub use error::Error;
pub use server::{Builder, Cluster, Options};
pub use test_server::{TEST_PG, TemplateError, TestDatabase, TestServer};
