//! Region: the compute service. REST Perform API, Model Dispatcher, durable tasks, and the upcalls of hosts and agents.
//!
//! Follow a request: [`http`] → [`dispatch`] → one file per verb in [`guest`], [`disk`], [`snapshot`], [`host`], [`baremetal`], [`rescue`], [`task`], [`event`], [`account`]. A
//! verb changes rows and starts a task in one transaction; the task engine runs its stages, which ask hosts through [`host_client`]; their
//! reports come in through [`upcall`]. [`reconcile`] looks again at what may have been missed. [`stream`] tells listeners what changes; [`console`] passes on what is shown and typed.

pub mod account;
pub mod app;
pub mod auth;
pub mod baremetal;
pub mod config;
pub mod console;
pub mod disk;
pub mod dispatch;
pub mod error;
pub mod event;
pub mod guest;
pub mod host;
pub mod host_client;
pub mod http;
pub mod policy;
pub mod reconcile;
pub mod rescue;
mod run;
pub mod secrets;
pub mod snapshot;
pub mod stream;
pub mod task;
pub mod upcall;

pub use config::Config;
pub use run::{EngineSetup, Region, StartError};
