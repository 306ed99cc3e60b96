//! Channels over mutual TLS: each connection is made with the certificates of the moment.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use super::live::Live;
use super::{TlsConfig, TlsError};

/// A channel that connects when it is used and again when it was lost. `peer` is the name that the certificate at the other end must bear.
///
/// # Errors
/// [`TlsError`] for an endpoint that is no URL, or certificates that can't be read. An absent server is an error of the call, not of this.
pub fn channel(endpoint: &str, peer: &str, tls: Option<&TlsConfig>) -> Result<Channel, TlsError> {
    let wrong = |problem: String| TlsError::Endpoint { endpoint: endpoint.to_owned(), problem };
    let uri: Uri = endpoint.parse().map_err(|e: tonic::codegen::http::uri::InvalidUri| wrong(e.to_string()))?;
    let tls = match (uri.scheme_str(), tls) {
        (Some("https"), Some(tls)) => tls,
        (Some("http"), None) => return Ok(tuned(Endpoint::from(uri)).connect_lazy()),
        (Some("http"), Some(_)) => return Err(wrong("tls is configured, so it must begin with https://".into())),
        (Some("https"), None) => return Err(wrong("for https:// tls.ca, tls.cert and tls.key must be set".into())),
        _ => return Err(wrong("a URL that begins with http:// or https:// is wanted".into())),
    };
    let name = ServerName::try_from(peer.to_owned()).map_err(|e| wrong(format!("the peer's name '{peer}': {e}")))?;
    let own = tls.clone();
    let live = Arc::new(Live::new(tls.files(), move || own.rustls_client().map(Arc::new))?);
    // TLS is made here; to tonic the connection is one in clear, which leads to what is called https.
    let inner = format!("http://{}", uri.authority().map(ToString::to_string).unwrap_or_default());
    let inner: Uri = inner.parse().map_err(|e: tonic::codegen::http::uri::InvalidUri| wrong(e.to_string()))?;
    let connect = tower::service_fn(move |to: Uri| {
        let (config, name) = (live.current(), name.clone());
        async move {
            let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((host, to.port_u16().unwrap_or(443))).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
        }
    });
    Ok(tuned(Endpoint::from(inner).origin(uri)).connect_with_connector_lazy(connect))
}

fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
}
