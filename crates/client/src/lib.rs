//! The typed REST client: what region's contract (crate `api`) looks like from the other side.
//!
//! Read in this order:
//! * [`options`]: where the service is, and who asks.
//! * [`rest`]: `get`, `list`, `perform`, `create`, `delete`: one method per kind of request.
//! * [`wait`]: follows a task to its end, over outages.
//! * [`changes`]: what changes, as it happens, over outages.
//! * [`console`]: a server's serial console, both ways; [`recording`]: what one showed.
//! * [`session`]: log-in, the token and its file; `transport` (private): connections, time-outs, repeats; [`path`]: ids and queries as text.
//! * [`spans`]: requests as a part of traces.
//! * [`error`]: what can go wrong.
//!
//! Nothing here prints, and no token or password is in any error.

pub mod changes;
pub mod console;
pub mod error;
pub mod options;
pub mod path;
pub mod recording;
pub mod rest;
pub mod session;
pub mod spans;
mod token_file;
mod transport;
pub mod wait;

pub use changes::{Change, Changes, ChangesOf};
pub use console::Console;
pub use error::{ApiError, Error};
pub use options::{ClientOptions, Credentials};
pub use recording::Cast;
pub use rest::{Client, Created};
pub use session::{Login, Session};
pub use wait::Watch;
