//! What region hears, over mutual TLS, from an agent that lives through its absence.

mod setup;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact::Trust;
use baremetal_agent::config::{Config, Region};
use proto::region::v1::agent_upcall_service_server::{AgentUpcallService, AgentUpcallServiceServer};
use proto::region::v1::{AgentHeartbeatRequest, AgentHeartbeatResponse, RegisterAgentRequest, RegisterAgentResponse};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use service::tls::TlsConfig;
use setup::{replace, site, start, until};
use tokio::io::AsyncWriteExt;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Region's side of the contract, keeping what it heard.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    registrations: Vec<RegisterAgentRequest>,
    heartbeats: Vec<AgentHeartbeatRequest>,
    forgetful: bool,
}

#[tonic::async_trait]
impl AgentUpcallService for Ear {
    async fn register_agent(
        &self,
        request: Request<RegisterAgentRequest>,
    ) -> Result<Response<RegisterAgentResponse>, Status> {
        let name = service::tls::agent_name(&request.get_ref().name);
        service::tls::require_peer(&request, &name, true)?;
        let mut heard = self.0.lock().unwrap();
        heard.registrations.push(request.into_inner());
        heard.forgetful = false;
        let agent_id = format!("agent {}", heard.registrations.len());
        Ok(Response::new(RegisterAgentResponse { agent_id, heartbeat_interval_s: 1 }))
    }
    async fn agent_heartbeat(
        &self,
        request: Request<AgentHeartbeatRequest>,
    ) -> Result<Response<AgentHeartbeatResponse>, Status> {
        let mut heard = self.0.lock().unwrap();
        if heard.forgetful {
            return Err(Status::not_found("no such agent"));
        }
        heard.heartbeats.push(request.into_inner());
        Ok(Response::new(AgentHeartbeatResponse {}))
    }
}

impl Ear {
    fn with<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { issuer: Issuer::new(params, key), pem }
}

impl Authority {
    /// Certificate files for a name.
    fn files(&self, folder: &Path, name: &str) -> TlsConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| folder.join(format!("{name}.{end}"));
        let files = TlsConfig { ca: path("ca"), cert: path("crt"), key: path("key") };
        replace(&files.ca, self.pem.as_bytes());
        replace(&files.cert, certificate.pem().as_bytes());
        service::files::write_atomic(&files.key, key.serialize_pem().as_bytes(), 0o600).unwrap();
        files
    }
}

struct RegionServer {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn region(ear: &Ear, tls: &TlsConfig, at: Option<SocketAddr>) -> RegionServer {
    let listener = tokio::net::TcpListener::bind(at.unwrap_or_else(|| ([127, 0, 0, 1], 0).into())).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let mut server = tonic::transport::Server::builder().tls_config(tls.server().unwrap()).unwrap();
    let router = server.add_service(AgentUpcallServiceServer::new(ear.clone()));
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        // Cut off, not drained: as if the process had died.
        tokio::select! {
            served = router.serve_with_incoming(TcpListenerStream::new(listener)) => served.unwrap(),
            () = stopped.cancelled() => {}
        }
    });
    RegionServer { address, stop, task }
}

#[tokio::test(flavor = "multi_thread")]
async fn region_hears_of_the_agent_and_its_images_whatever_happens() {
    service::install_crypto();
    let (site, ear, authority) = (site(), Ear::default(), authority());
    let pki = tempfile::tempdir().unwrap();
    let region_tls = authority.files(pki.path(), service::tls::REGION);
    let server = region(&ear, &region_tls, None).await;
    let address = server.address;
    let config = Config {
        name: "agent7".into(),
        zone: "east".into(),
        region: Region { endpoint: format!("https://{address}") },
        tls: Some(authority.files(pki.path(), &service::tls::agent_name("agent7"))),
        ..site.config()
    };
    let agent = start(config).await;

    // Registration: who, where, and images with what region needs to verify them itself.
    until("registered", async || ear.with(|h| !h.registrations.is_empty())).await;
    let registration = ear.with(|h| h.registrations[0].clone());
    assert_eq!((registration.name.as_str(), registration.zone.as_str()), ("agent7", "east"));
    assert_eq!(registration.http_endpoint, agent.endpoints.http);
    assert_eq!(registration.tftp_endpoint, agent.endpoints.tftp);
    let [announced] = &registration.images[..] else { panic!("one image: {:?}", registration.images) };
    let trust = Trust::new(&[&site.public], &[] as &[&str], &[]).unwrap();
    let manifest = trust.verify(&announced.manifest, announced.signature.as_bytes(), chrono::Utc::now()).unwrap();
    let image = announced.image.clone().unwrap();
    assert_eq!((image.name, image.serial, announced.arch.as_str()), (manifest.name, manifest.serial, "x86_64"));
    assert_eq!(image.kernel.unwrap().sha256, manifest.kernel.sha256.to_string());
    until("two heartbeats", async || ear.with(|h| h.heartbeats.len() >= 2)).await;
    assert_eq!(ear.with(|h| h.heartbeats[0].agent_id.clone()), "agent 1");

    // How busy it is: clients that ask for much and take nothing.
    let large = std::fs::File::create(site.root.join("large")).unwrap();
    large.set_len(1 << 30).unwrap();
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut client = tokio::net::TcpStream::connect(agent.http_address()).await.unwrap();
        client.write_all(b"GET /tftp/large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        slow.push(client);
    }
    until("three transfers", async || ear.with(|h| h.heartbeats.last().unwrap().transfers == 3)).await;
    drop(slow);
    until("none", async || ear.with(|h| h.heartbeats.last().unwrap().transfers == 0)).await;

    // An image that fails its check is announced no longer; one that passes is, at once.
    replace(&site.image("small").join("kernel"), b"something else");
    assert_eq!(agent.status("/images/small/kernel").await, 404);
    until("no image", async || ear.with(|h| h.heartbeats.last().unwrap().images.is_empty())).await;
    site.add_image("small", 2);
    until("the image again", async || ear.with(|h| h.heartbeats.last().unwrap().images.len() == 1)).await;

    // Region forgets.
    ear.with(|h| h.forgetful = true);
    until("registered anew", async || ear.with(|h| h.registrations.len() == 2)).await;
    until("heartbeat under the new id", async || ear.with(|h| h.heartbeats.last().unwrap().agent_id == "agent 2"))
        .await;

    // Region goes away and comes back; files are served all the time.
    server.stop.cancel();
    server.task.await.unwrap();
    let before = ear.with(|h| h.heartbeats.len());
    assert_eq!(agent.status("/images/small/kernel").await, 200);
    let server = region(&ear, &region_tls, Some(address)).await;
    until("heartbeats go on", async || ear.with(|h| h.heartbeats.len() > before)).await;
    assert_eq!(ear.with(|h| h.registrations.len()), 2, "region knew it still");

    // Going away is said.
    agent.shutdown.cancel();
    agent.task.await.unwrap().unwrap();
    assert!(ear.with(|h| h.heartbeats.last().unwrap().draining));
    assert!(ear.with(|h| h.heartbeats.iter().filter(|b| b.draining).count()) == 1);
    server.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_another_name_in_its_certificate_is_not_registered_and_serves_on() {
    service::install_crypto();
    let (site, ear, authority) = (site(), Ear::default(), authority());
    let pki = tempfile::tempdir().unwrap();
    let server = region(&ear, &authority.files(pki.path(), service::tls::REGION), None).await;
    let config = Config {
        name: "agent7".into(),
        region: Region { endpoint: format!("https://{}", server.address) },
        tls: Some(authority.files(pki.path(), &service::tls::agent_name("agent8"))),
        ..site.config()
    };
    let agent = start(config).await;
    // The gauge is written after the first answer.
    until("refused", async || agent.get("/metrics").await.text().await.unwrap().contains("baremetal_agent_registered"))
        .await;
    assert!(ear.with(|h| h.registrations.is_empty()));
    assert_eq!(agent.status("/images/small/kernel").await, 200);
    agent.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), agent.task).await.unwrap().unwrap().unwrap();
    server.stop.cancel();
}
