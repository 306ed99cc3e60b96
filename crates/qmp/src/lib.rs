//! The QEMU machine protocol (QMP) over a unix socket, typed and thin. Source: QEMU, `docs/interop/qmp-spec.rst` and
//! `qapi/*.json`.
//!
//! Read in this order:
//! * [`lines`]: bytes to lines with a limit on their length; also used for the rescue system's frames.
//! * [`message`]: lines to messages and back, pure.
//! * [`command`]: the commands in use, with their replies.
//! * [`client`]: the connection: greeting, capabilities, commands with a time limit, events.
//!
//! What QEMU says and this crate does not know (events, fields, members) is passed on or left out, never an error: a newer
//! QEMU must not break an older host.

pub mod client;
pub mod command;
pub mod lines;
pub mod message;

pub use client::{Limits, Qmp, QmpError};
pub use command::Command;
pub use message::Event;
