//! Mutual TLS between the parts. Each has a certificate of the same authority; the DNS name in it says who it is:
//! `region.lifeboat`, `<name>.host.lifeboat`, `<name>.agent.lifeboat`. Certificates may be renewed at any time: [`Acceptor`] and [`channel`]
//! look at the files whenever a connection is made.

mod client;
mod live;
mod server;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use client::channel;
pub use live::Live;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde::{Deserialize, Serialize};
pub use server::{Acceptor, serve};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// The name in the certificate of whoever looks around, with grpcurl for instance: reflection, health, and what changes nothing.
pub const OPERATOR: &str = "operator.lifeboat";

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
    #[error("{path}: {problem}", path = path.display())]
    Certificate { path: PathBuf, problem: String },
    #[error("endpoint {endpoint}: {problem}")]
    Endpoint { endpoint: String, problem: String },
}

impl TlsConfig {
    /// For a server that asks its clients for a certificate, and keeps its own until it ends. [`serve`] takes renewed ones.
    ///
    /// # Errors
    /// [`TlsError::File`].
    pub fn server(&self) -> Result<ServerTlsConfig, TlsError> {
        Ok(ServerTlsConfig::new().identity(self.identity()?).client_ca_root(self.authority()?))
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.ca.clone(), self.cert.clone(), self.key.clone()]
    }

    fn rustls_server(&self) -> Result<rustls::ServerConfig, TlsError> {
        let clients = WebPkiClientVerifier::builder(Arc::new(self.roots()?)).build();
        let clients = clients.map_err(|e| wrong(&self.ca, e))?;
        let (chain, key) = own(&self.cert, &self.key)?;
        let config = rustls::ServerConfig::builder().with_client_cert_verifier(clients).with_single_cert(chain, key);
        let mut config = config.map_err(|e| wrong(&self.cert, e))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    fn rustls_client(&self) -> Result<rustls::ClientConfig, TlsError> {
        let (chain, key) = own(&self.cert, &self.key)?;
        let config = rustls::ClientConfig::builder().with_root_certificates(self.roots()?);
        let mut config = config.with_client_auth_cert(chain, key).map_err(|e| wrong(&self.cert, e))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    fn roots(&self) -> Result<rustls::RootCertStore, TlsError> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&read(&self.ca)?) {
            roots.add(certificate.map_err(|e| wrong(&self.ca, e))?).map_err(|e| wrong(&self.ca, e))?;
        }
        if roots.is_empty() {
            return Err(wrong(&self.ca, "there is no certificate in it"));
        }
        Ok(roots)
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

/// A certificate with its chain, and its key.
///
/// # Errors
/// [`TlsError`]: files that can't be read, or are not what they should be.
pub fn own(cert: &Path, key: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let pem = read(cert)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| wrong(cert, e))?;
    let secret = crate::files::read_secret(key).map_err(|source| TlsError::File { path: key.to_owned(), source })?;
    let key = PrivateKeyDer::from_pem_slice(secret.as_bytes()).map_err(|e| wrong(key, e))?;
    if let Some(end) = chain.first().and_then(|leaf| x509_parser::parse_x509_certificate(leaf).ok()) {
        metrics::gauge!("tls_certificate_expires_seconds").set(end.1.validity().not_after.timestamp() as f64);
    }
    Ok((chain, key))
}

fn wrong(path: &Path, problem: impl ToString) -> TlsError {
    TlsError::Certificate { path: path.to_owned(), problem: problem.to_string() }
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
