//! Traces (OpenTelemetry): what one command caused, over all programs, as one tree of spans.
//!
//! * [`TraceParent`]: the place in a trace that one program hands to the next (W3C Trace Context, `traceparent`);
//! * `spans` (feature `spans`): the place of a span of `tracing`, and spans that go on from such a place;
//! * `export` (feature `export`): sends spans to a collector, for long-running programs;
//! * `record` (feature `record`): a few spans of a short program, as the bytes that a collector takes;
//! * `collect` (feature `collect`): a collector for tests.
//!
//! Nothing is exported unless an endpoint is configured, and without a layer for export all of this costs next to nothing.

#[cfg(feature = "collect")]
pub mod collect;
#[cfg(feature = "export")]
pub mod export;
mod parent;
#[cfg(feature = "record")]
pub mod record;
#[cfg(feature = "spans")]
mod spans;

pub use parent::{HEADER, TraceParent};
#[cfg(feature = "spans")]
pub use spans::{LINES_ONLY, current, failed, follow, of};
