//! A region that writes down what it hears, and the certificates of everybody.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proto::region::v1 as up;
use proto::region::v1::host_upcall_service_server::{HostUpcallService, HostUpcallServiceServer};
use service::tls::TlsConfig;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

#[derive(Default)]
pub struct Heard {
    pub registered: Vec<up::RegisterHostRequest>,
    pub beats: Vec<up::HeartbeatRequest>,
    pub reports: Vec<up::ReportRequest>,
    /// Reports are answered with UNAVAILABLE.
    pub away: bool,
    /// What is answered to heartbeats.
    pub stay_off: Vec<String>,
    /// What it says that it speaks.
    pub protocol: Option<proto::host::v1::Protocol>,
}

#[derive(Clone, Default)]
pub struct Region {
    pub heard: Arc<Mutex<Heard>>,
    pub endpoint: String,
}

impl Region {
    pub async fn serve(tls: &TlsConfig) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let region = Self { heard: Arc::default(), endpoint };
        let serve = Server::builder()
            .tls_config(tls.server().unwrap())
            .unwrap()
            .add_service(HostUpcallServiceServer::new(region.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(async move { serve.await.unwrap() });
        region
    }

    pub async fn until(&self, what: &str, condition: impl Fn(&Heard) -> bool) {
        crate::agent::until(what, || condition(&self.heard.lock().unwrap()).then_some(())).await;
    }
}

#[tonic::async_trait]
impl HostUpcallService for Region {
    async fn register_host(
        &self,
        request: Request<up::RegisterHostRequest>,
    ) -> Result<Response<up::RegisterHostResponse>, Status> {
        service::tls::require_peer(&request, "h1.host.lifeboat", true)?;
        let mut heard = self.heard.lock().unwrap();
        heard.registered.push(request.into_inner());
        let (host_id, protocol) = ("id-of-h1".into(), heard.protocol);
        Ok(Response::new(up::RegisterHostResponse { host_id, heartbeat_interval_s: 600, protocol, now_us: 0 }))
    }
    async fn heartbeat(
        &self,
        request: Request<up::HeartbeatRequest>,
    ) -> Result<Response<up::HeartbeatResponse>, Status> {
        let mut heard = self.heard.lock().unwrap();
        heard.beats.push(request.into_inner());
        Ok(Response::new(up::HeartbeatResponse { stay_off: heard.stay_off.clone(), now_us: 0 }))
    }
    async fn report(&self, request: Request<up::ReportRequest>) -> Result<Response<up::ReportResponse>, Status> {
        let mut heard = self.heard.lock().unwrap();
        if heard.away {
            return Err(Status::unavailable("away"));
        }
        heard.reports.push(request.into_inner());
        Ok(Response::new(up::ReportResponse {}))
    }
}

/// Signs certificates into a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub fn new(folder: &Path) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        std::fs::write(folder.join("ca.pem"), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder: folder.to_owned(), issuer: rcgen::Issuer::new(parameters, key) }
    }
    pub fn issue(&self, name: &str) -> TlsConfig {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let (cert, path) = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")));
        std::fs::write(&cert, parameters.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        service::files::write_atomic(&path, key.serialize_pem().as_bytes(), 0o600).unwrap();
        TlsConfig { ca: self.folder.join("ca.pem"), cert, key: path }
    }
}
