//! A whole region for a test: real Postgres with a database of its own, real REST and gRPC over loopback, simulated hosts, a registered agent
//! with a signed image. [`Stack::start`] to begin, [`Stack::finish`] to end: it asserts that no task is left alive.
//!
//! [`Script`] stops or fails a task at its n-th step; [`RegionProcess`] is a region to be killed for real.

mod agent;
mod image;
mod process;
mod script;
mod stack;

pub use image::SignedImage;
pub use process::RegionProcess;
pub use script::{Act, Script, Step};
pub use stack::{LIMIT, Setup, Stack, Web, eventually, tuning};
