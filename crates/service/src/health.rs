//! `--health`: a program asks the one of itself that serves whether it is well, for container health checks and scripts. It needs nothing
//! in the image but the program and its configuration.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::tls::{self, TlsConfig};

/// For a connection, and again for its answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why it is not well; says where it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{asked}: {problem}")]
pub struct Unwell {
    asked: String,
    problem: String,
}

/// `GET path` over HTTP in clear at the address that the program listens on.
///
/// # Errors
/// [`Unwell`]: nobody answers within 3 s, or with anything but 200.
pub fn http(listen: &str, path: &str) -> Result<(), Unwell> {
    let asked = format!("http://{listen}{path}");
    let unwell = |problem: String| Unwell { asked: asked.clone(), problem };
    let address: SocketAddr = listen.parse().map_err(|_| unwell("the address is no IP:PORT".into()))?;
    let get = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&reachable(address)?, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = get().map_err(|e| unwell(e.to_string()))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" { Ok(()) } else { Err(unwell(answer.lines().next().unwrap_or("no answer").to_owned())) }
}

/// That a connection is taken at the address that the program listens on.
///
/// # Errors
/// [`Unwell`]: none is, within 3 s.
pub fn accepts(listen: &str) -> Result<(), Unwell> {
    let unwell = |problem: String| Unwell { asked: listen.to_owned(), problem };
    let address: SocketAddr = listen.parse().map_err(|_| unwell("the address is no IP:PORT".into()))?;
    let connect = |address| TcpStream::connect_timeout(&address, PATIENCE);
    reachable(address).and_then(connect).map(drop).map_err(|e| unwell(e.to_string()))
}

/// gRPC's health service, over mutual TLS with the program's own certificate, as the peer `name` of itself.
///
/// # Errors
/// [`Unwell`]: nobody answers within 3 s, or not `SERVING`.
pub async fn grpc(listen: SocketAddr, name: &str, tls: Option<&TlsConfig>) -> Result<(), Unwell> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let asked = format!("{scheme}://{listen}");
    let unwell = |problem: String| Unwell { asked: asked.clone(), problem };
    let address = reachable(listen).map_err(|e| unwell(e.to_string()))?;
    let channel = tls::channel(&format!("{scheme}://{address}"), name, tls).map_err(|e| unwell(e.to_string()))?;
    let mut client = HealthClient::new(channel);
    let check = client.check(HealthCheckRequest::default());
    let answer = tokio::time::timeout(PATIENCE, check).await.map_err(|_| unwell("no answer within 3 s".into()))?;
    let status = answer.map_err(|e| unwell(e.to_string()))?.into_inner().status();
    if status == ServingStatus::Serving { Ok(()) } else { Err(unwell(format!("{status:?}"))) }
}

/// Whoever listens on every address is asked on loopback.
fn reachable(listen: SocketAddr) -> std::io::Result<SocketAddr> {
    if listen.port() == 0 {
        return Err(std::io::Error::other("it listens on any free port: set one to be asked at"));
    }
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with this.
    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let n = stream.read(&mut asked).unwrap();
            assert!(asked[..n].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        format!("0.0.0.0:{port}")
    }

    #[test]
    fn only_200_is_well() {
        http(&answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n"), "/readyz").unwrap();
        let error = http(&answering("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "/readyz").unwrap_err().to_string();
        assert!(error.contains("/readyz: HTTP/1.1 503"), "{error}");
        assert!(http(&answering(""), "/readyz").is_err());
    }

    #[test]
    fn nobody_there_and_no_port_are_told() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(http(&format!("127.0.0.1:{port}"), "/readyz").unwrap_err().to_string().contains("refused"));
        assert!(http("127.0.0.1:0", "/readyz").unwrap_err().to_string().contains("any free port"));
    }

    #[tokio::test]
    async fn a_grpc_service_says_whether_it_serves() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (reporter, service) = tonic_health::server::health_reporter();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        grpc(at, "region.lifeboat", None).await.unwrap();
        reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        assert!(grpc(at, "region.lifeboat", None).await.unwrap_err().to_string().contains("NotServing"));
    }
}
