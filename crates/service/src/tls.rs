//! Mutual TLS between the parts. Each has a certificate of the same authority; the DNS name in it says who it is:
//! `region.lifeboat`, `<name>.host.lifeboat`, `<name>.agent.lifeboat`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig};

/// The name in region's certificate.
pub const REGION: &str = "region.lifeboat";

/// The name in a host's certificate.
#[must_use]
pub fn host_name(name: &str) -> String {
    format!("{name}.host.lifeboat")
}

/// The name in a baremetal agent's certificate.
#[must_use]
pub fn agent_name(name: &str) -> String {
    format!("{name}.agent.lifeboat")
}

/// Three PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The authority that signed every part's certificate.
    pub ca: PathBuf,
    pub cert: PathBuf,
    /// Mode 0600.
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0} is not a loopback address: set tls.ca, tls.cert and tls.key, or listen on loopback")]
    ClearOnNetwork(SocketAddr),
    #[error("endpoint {endpoint}: {problem}")]
    Endpoint { endpoint: String, problem: String },
}

impl TlsConfig {
    /// For a server that asks its clients for a certificate.
    ///
    /// # Errors
    /// [`TlsError::File`].
    pub fn server(&self) -> Result<ServerTlsConfig, TlsError> {
        Ok(ServerTlsConfig::new().identity(self.identity()?).client_ca_root(self.authority()?))
    }

    /// For a client that expects `peer` at the other end.
    ///
    /// # Errors
    /// [`TlsError::File`].
    pub fn client(&self, peer: &str) -> Result<ClientTlsConfig, TlsError> {
        Ok(ClientTlsConfig::new().identity(self.identity()?).ca_certificate(self.authority()?).domain_name(peer))
    }

    fn identity(&self) -> Result<Identity, TlsError> {
        let key =
            crate::files::read_secret(&self.key).map_err(|source| TlsError::File { path: self.key.clone(), source })?;
        Ok(Identity::from_pem(read(&self.cert)?, key))
    }

    fn authority(&self) -> Result<Certificate, TlsError> {
        Ok(Certificate::from_pem(read(&self.ca)?))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// Refuses to listen in clear anywhere but on loopback.
///
/// # Errors
/// [`TlsError::ClearOnNetwork`].
pub fn check_listener(address: SocketAddr, tls: Option<&TlsConfig>) -> Result<(), TlsError> {
    if tls.is_none() && !address.ip().is_loopback() {
        return Err(TlsError::ClearOnNetwork(address));
    }
    Ok(())
}

/// A channel that connects when it is used and again when it was lost. `peer` is the name that the certificate at the other end must bear.
///
/// # Errors
/// [`TlsError`] for an endpoint that is no URL, or certificates that can't be read. An absent server is an error of the call, not of this.
pub fn channel(endpoint: &str, peer: &str, tls: Option<&TlsConfig>) -> Result<Channel, TlsError> {
    let wrong = |problem: String| TlsError::Endpoint { endpoint: endpoint.to_owned(), problem };
    let mut builder = Endpoint::from_shared(endpoint.to_owned())
        .map_err(|e| wrong(e.to_string()))?
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    if let Some(tls) = tls {
        builder = builder.tls_config(tls.client(peer)?).map_err(|e| wrong(e.to_string()))?;
    }
    Ok(builder.connect_lazy())
}

/// The DNS names in the certificate that the caller showed. Empty without TLS.
pub fn peer_names<T>(request: &tonic::Request<T>) -> Vec<String> {
    let Some(certificates) = request.peer_certs() else { return Vec::new() };
    let Some(leaf) = certificates.first() else { return Vec::new() };
    match webpki::EndEntityCert::try_from(leaf) {
        Ok(certificate) => certificate.valid_dns_names().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}

/// Lets a call through only if its caller's certificate bears `name`; without TLS (loopback only) anybody is let through.
///
/// # Errors
/// `PERMISSION_DENIED`, naming who called and who may.
#[allow(clippy::result_large_err, reason = "tonic's own error type")]
pub fn require_peer<T>(request: &tonic::Request<T>, name: &str, tls: bool) -> Result<(), tonic::Status> {
    if !tls {
        return Ok(());
    }
    let names = peer_names(request);
    if names.iter().any(|n| n == name) {
        return Ok(());
    }
    Err(tonic::Status::permission_denied(format!(
        "this call is for {name}; the certificate is for {}",
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    )))
}
