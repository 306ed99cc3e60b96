//! What every process needs before it can do its own work:
//!
//! * [`config`]: one documented struct, defaults in one place, file and environment over it, unknown keys refused;
//! * [`telemetry`]: logs to stderr, as text or JSON, whose filter follows the configuration file, and traces to a collector;
//! * [`metrics`]: the recorder, and the routes `/metrics` and `/healthz`;
//! * [`health`]: whether the process of this configuration that serves is well;
//! * [`tls`]: mutual TLS for gRPC, and who the peer is;
//! * [`rpc`]: the span around a gRPC request;
//! * [`shutdown`]: one token that SIGTERM and SIGINT cancel;
//! * [`files`]: files that appear whole or not at all, and secrets only their owner can read;
//! * [`random`]: bytes and passwords that nobody can guess.

pub mod config;
pub mod files;
pub mod health;
pub mod metrics;
pub mod random;
pub mod rpc;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

/// Selects the cryptography for every TLS connection of the process. First thing in each `main`; repeating it does no harm.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
