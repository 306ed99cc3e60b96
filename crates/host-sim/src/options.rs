//! What a simulated host is made of.

use std::path::PathBuf;
use std::time::Duration;

use service::tls::TlsConfig;

/// Where the ledger is kept.
#[derive(Debug, Clone, Default)]
pub enum LedgerKind {
    /// Survives [`crash`](crate::SimHandle::crash), not the process. Cheap.
    #[default]
    Memory,
    /// As a real host keeps it.
    Folder(PathBuf),
}

/// Built up from [`SimOptions::new`].
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// The certificate, if there is one, must be for `<name>.host.lifeboat`.
    pub name: String,
    pub zone: String,
    /// Region's gRPC endpoint, `http://...` or, with `tls`, `https://...`. None: no upcalls until
    /// [`set_region`](crate::SimHandle::set_region).
    pub region: Option<String>,
    /// With it, the host serves TLS, asks for a client certificate of `region.lifeboat`, and calls region over TLS.
    pub tls: Option<TlsConfig>,
    pub ledger: LedgerKind,
    pub arch: String,
    pub qemu_versions: Vec<String>,
    pub accelerator: String,
    pub cpus: u32,
    pub memory_mib: u64,
    /// Between attempts to reach region. Short, as tests wait for it.
    pub retry: Duration,
    /// Heartbeats come this often even if region asks for fewer.
    pub heartbeat_at_least: Duration,
    /// Changes within this time share a heartbeat.
    pub gather: Duration,
}

impl SimOptions {
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            zone: "default".into(),
            region: None,
            tls: None,
            ledger: LedgerKind::Memory,
            arch: "x86_64".into(),
            qemu_versions: vec!["10.0.2".into()],
            accelerator: "tcg".into(),
            cpus: 8,
            memory_mib: 16 * 1024,
            retry: Duration::from_millis(50),
            heartbeat_at_least: Duration::from_secs(2),
            gather: Duration::ZERO,
        }
    }
    #[must_use]
    pub fn region(mut self, endpoint: impl Into<String>) -> Self {
        self.region = Some(endpoint.into());
        self
    }
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }
    #[must_use]
    pub fn ledger_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.ledger = LedgerKind::Folder(folder.into());
        self
    }
}

/// The simulated host could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("the ledger")]
    Ledger(#[from] ledger::LedgerError),
    #[error("the certificates")]
    Tls(#[from] service::tls::TlsError),
    #[error("the listener")]
    Listen(#[from] std::io::Error),
    #[error("the gRPC server")]
    Serve(#[from] tonic::transport::Error),
}
