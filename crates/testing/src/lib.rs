//! A whole region for a test: real Postgres with a database of its own, real REST and gRPC over loopback, simulated hosts, a registered agent
//! with a signed image. [`Stack::start`] to begin, [`Stack::finish`] to end: it asserts that no task is left alive.

mod image;
mod stack;

pub use image::SignedImage;
pub use stack::{LIMIT, Setup, Stack, Web, eventually};
