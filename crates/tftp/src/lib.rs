//! TFTP for boot files: a server that only reads, and a client for tests.
//!
//! Read in this order:
//! * [`packet`]: bytes to packets and back (RFC 1350, RFC 2347).
//! * [`options`]: what a client asks for and what it gets (RFC 2348, 2349, 7440). Pure.
//! * [`rto`]: how long to wait before sending again (RFC 6298). Pure.
//! * [`sender`]: one transfer, the server's side. Pure: packets and the clock go in, datagrams come out.
//! * [`receiver`]: one transfer, the client's side. Pure as well, so both can be tied together over a channel that loses,
//!   repeats and reorders.
//! * [`netascii`], [`blocks`]: what is read from a file becomes blocks.
//! * [`source`]: how the server opens files. Whoever implements it confines it.
//! * [`server`], `session`, `wire`, `table`: sockets, one thread and one port for each transfer, and their limits.
//! * [`client`]: fetches a file.

pub mod blocks;
pub mod client;
pub mod netascii;
pub mod options;
pub mod packet;
pub mod receiver;
pub mod rto;
pub mod sender;
pub mod server;
mod session;
pub mod source;
mod table;
mod wire;

pub use packet::{ErrorCode, Mode};
pub use server::{Config, Server};
pub use source::{FileSource, OpenError, OpenFile, Wanted};
