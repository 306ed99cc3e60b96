//! A host without QEMU: the same gRPC service, the same ledger, the same upcalls to region, guests in memory. Thousands fit in one
//! process. A test can hold an operation at a point, let it fail, lose replies, repeat or withhold reports, and crash the host.
//!
//! Read in this order:
//! * [`options`]: what a simulated host is made of.
//! * [`behaviour`]: what a test can make it do.
//! * [`guests`], `change`: what each operation does to guests in memory; no input or output.
//! * `core`: the ledger, the operations at work, the counting of executions.
//! * `grpc`, `upcall`: towards region and from region.
//! * [`handle`]: the test's grip on it.
//!
//! ```no_run
//! # async fn example() -> Result<(), host_sim::SimError> {
//! use host_sim::{Behaviour, Pace, SimHost, SimOptions, Verb};
//! let host = SimHost::start(SimOptions::new("host-1").region("http://127.0.0.1:7000")).await?;
//! host.on(Verb::AwaitReady, Behaviour { pace: Pace::HeldBefore, ..Behaviour::default() });
//! let operation = host.wait_held(Verb::AwaitReady).await;
//! host.crash();
//! host.restart().await?;
//! host.release(operation);
//! assert_eq!(host.executed(operation), 1);
//! # Ok(()) }
//! ```

pub mod behaviour;
mod change;
mod core;
mod grpc;
pub mod guests;
pub mod handle;
mod killable;
pub mod options;
pub mod patient;
mod upcall;

pub use behaviour::{Behaviour, Pace, Reply, Reports, Verb};
pub use core::Execution;
pub use guests::SimGuest;
pub use handle::{SimHandle, SimHost};
pub use options::{LedgerKind, SimError, SimOptions};
