//! The REST contract: the bodies that go over the wire, shared by region, the typed client and the command line.
//!
//! * [`action`]: what a verb is; the body's type *is* the verb.
//! * [`error`]: the error body, and its classes with their statuses.
//! * [`list`]: parameters of lists, and their envelope.
//! * one module per resource: [`server`], [`disk`], [`snapshot`], [`host`], [`baremetal`], [`rescue`], [`task`], [`event`], [`identity`], [`account`],
//!   [`domain`], [`session`], [`recording`], [`policy_file`], [`event_chain`].

pub mod account;
pub mod action;
pub mod baremetal;
pub mod disk;
pub mod domain;
pub mod error;
pub mod event;
pub mod event_chain;
pub mod host;
pub mod identity;
pub mod list;
pub mod policy_file;
pub mod recording;
pub mod rescue;
pub mod server;
pub mod session;
pub mod snapshot;
pub mod task;

pub use action::{Accepted, Action, ClassAction, Invalid, Resource};
pub use error::{ErrorBody, ErrorClass};
pub use list::{List, ListQuery};
