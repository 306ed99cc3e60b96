//! The HTTP side: boot files, and what operators ask.
//!
//! `/tftp/<path>` the tree as TFTP serves it, `/images/<name>/<file>` the same files shorter, `/boot.ipxe`, `/artifacts/sha256/<digest>` by
//! content; `/healthz` as long as the process answers, `/readyz` when all images passed their check, `/metrics`.
//!
//! * [`head`]: bytes to requests (RFC 9112), and the heads of answers. Pure.
//! * [`files`]: which file a request wants, and the answer to it.
//! * [`stream`]: a connection, in clear or by TLS; how a file's bytes get from the page cache to it.
//! * [`connection`]: one connection: requests in, answers out, and the patience with slow peers.
//! * [`listener`]: accepting, limits, TLS, draining.
//! * [`operators`]: the endpoints that are no files.
//!
//! It is an HTTP/1.1 server of its own because this is all it must do: GET and HEAD of files, for clients that read slowly or not at
//! all, as fast as the kernel can copy.

pub mod connection;
pub mod files;
pub mod head;
pub mod listener;
pub mod operators;
pub mod stream;

pub use listener::{Limits, Listener};
