//! Mutual TLS over real sockets: who gets through, and certificates that are renewed while both sides run.

use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use service::tls::{self, Acceptor, TlsConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const LIMIT: Duration = Duration::from_secs(20);

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// The three files of one part, over what is there.
    fn write(&self, folder: &Path, name: &str) -> TlsConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let tls = TlsConfig { ca: file("ca"), cert: file("crt"), key: file("key") };
        std::fs::write(&tls.ca, &self.pem).unwrap();
        std::fs::write(&tls.cert, certificate.pem()).unwrap();
        service::files::write_atomic(&tls.key, key.serialize_pem().as_bytes(), 0o600).unwrap();
        tls
    }
}

/// A health service behind TLS. Returns its endpoint.
async fn server(tls: &TlsConfig, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let (_, health) = tonic_health::server::health_reporter();
    let router = tonic::transport::Server::builder().add_service(health);
    tokio::spawn(tls::serve(router, listener, Some(Acceptor::new(tls).unwrap()), stop.clone()));
    endpoint
}

async fn check(channel: Channel) -> Result<(), tonic::Status> {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

#[tokio::test]
async fn both_sides_must_show_a_certificate_of_the_authority_and_the_right_name() {
    service::install_crypto();
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let (ours, theirs) = (Authority::new(), Authority::new());
    let region = ours.write(folder.path(), "region.lifeboat");
    let host = ours.write(folder.path(), "h1.host.lifeboat");
    let stranger = theirs.write(folder.path(), "h2.host.lifeboat");
    let endpoint = server(&region, &stop).await;

    check(tls::channel(&endpoint, "region.lifeboat", Some(&host)).unwrap()).await.unwrap();
    for (peer, own) in [("other.lifeboat", &host), ("region.lifeboat", &stranger)] {
        let refused = check(tls::channel(&endpoint, peer, Some(own)).unwrap()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{peer}: {refused}");
    }
    // In clear against TLS, and endpoints that do not fit the configuration.
    let clear = endpoint.replace("https", "http");
    check(tls::channel(&clear, "", None).unwrap()).await.unwrap_err();
    for (endpoint, own, part) in [
        (clear.as_str(), Some(&host), "must begin with https"),
        (&endpoint, None, "tls.ca"),
        ("ftp://x", None, "http://"),
    ] {
        let error = tls::channel(endpoint, "region.lifeboat", own).map(drop).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    stop.cancel();
}

#[tokio::test]
async fn renewed_certificates_are_used_without_a_restart() {
    service::install_crypto();
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let old = Authority::new();
    let region = old.write(folder.path(), "region.lifeboat");
    let host = old.write(folder.path(), "h1.host.lifeboat");
    let endpoint = server(&region, &stop).await;
    let stands = tls::channel(&endpoint, "region.lifeboat", Some(&host)).unwrap();
    check(stands.clone()).await.unwrap();
    // Made now, connected later.
    let lazy = tls::channel(&endpoint, "region.lifeboat", Some(&host)).unwrap();

    // Everything is new, the authority too; neither process is started anew.
    let new = Authority::new();
    new.write(folder.path(), "region.lifeboat");
    new.write(folder.path(), "h1.host.lifeboat");
    let until = Instant::now() + LIMIT;
    loop {
        // A channel of its own each time, so that it connects.
        let fresh = tls::channel(&endpoint, "region.lifeboat", Some(&host)).unwrap();
        match check(fresh).await {
            Ok(()) => break,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::task::yield_now().await;
    }
    // What stood before still stands.
    check(stands).await.unwrap();
    // It looks at its files at most once a second.
    while let Err(error) = check(lazy.clone()).await {
        assert!(Instant::now() < until, "{error}");
    }

    // The old authority counts for nothing now.
    let stranger = old.write(folder.path(), "h2.host.lifeboat");
    let refused = check(tls::channel(&endpoint, "region.lifeboat", Some(&stranger)).unwrap()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);

    // Half of a renewal changes nothing.
    std::fs::write(&region.cert, "torn").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        check(tls::channel(&endpoint, "region.lifeboat", Some(&host)).unwrap()).await.unwrap();
    }
    stop.cancel();
}
