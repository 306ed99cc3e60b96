//! Who the agent reports to: registration and heartbeats are answered, outcomes are handed to whoever waits for them. And the
//! certificates of both.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use prost::Message;
use proto::region::v1 as up;
use proto::region::v1::host_upcall_service_server::{HostUpcallService, HostUpcallServiceServer};
use service::tls::TlsConfig;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use types::operation::Outcome;

/// As region asks by default.
const HEARTBEAT_S: u32 = 5;
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Default)]
struct Heard {
    registrations: usize,
    /// Guests in the latest heartbeat, and its bytes.
    heartbeat: (usize, usize),
    heartbeats: u64,
    /// By operation, until somebody takes them.
    outcomes: HashMap<String, proto::host::v1::Outcome>,
}

/// Clones are the same region.
#[derive(Clone)]
pub struct Region {
    pub endpoint: String,
    heard: Arc<Mutex<Heard>>,
    news: Arc<watch::Sender<u64>>,
}

impl Region {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// The certificate can't be used.
    pub async fn serve(tls: &TlsConfig) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("https://{}", listener.local_addr()?);
        let region = Self { endpoint, heard: Arc::default(), news: Arc::new(watch::Sender::new(0)) };
        let served = HostUpcallServiceServer::new(region.clone());
        let server = Server::builder().tls_config(tls.server()?)?.add_service(served);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok(region)
    }

    fn note<T>(&self, change: impl FnOnce(&mut Heard) -> T) -> T {
        let done = change(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.send_modify(|count| *count += 1);
        done
    }

    async fn until<T>(&self, what: &str, look: impl Fn(&mut Heard) -> Option<T>) -> anyhow::Result<T> {
        let mut news = self.news.subscribe();
        let found = async {
            loop {
                news.borrow_and_update();
                let found = look(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
                match found {
                    Some(found) => return found,
                    None => drop(news.changed().await),
                }
            }
        };
        tokio::time::timeout(LIMIT, found).await.with_context(|| format!("{what}: not within {LIMIT:?}"))
    }

    /// The outcome of an operation, as soon as the agent has reported it.
    ///
    /// # Errors
    /// It does not come, or can't be read.
    pub async fn outcome(&self, operation: &str) -> anyhow::Result<Outcome> {
        let outcome = self.until("the outcome of an operation", |heard| heard.outcomes.remove(operation)).await?;
        Ok(outcome.try_into()?)
    }

    /// How often hosts have registered.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).registrations
    }

    /// # Errors
    /// It does not register.
    pub async fn until_registered(&self, times: usize) -> anyhow::Result<()> {
        self.until("the host's registration", |heard| (heard.registrations >= times).then_some(())).await
    }

    /// Bytes of a heartbeat that tells of so many guests, once one has come.
    ///
    /// # Errors
    /// None comes.
    pub async fn heartbeat_bytes(&self, guests: usize) -> anyhow::Result<usize> {
        let look = |heard: &mut Heard| (heard.heartbeat.0 == guests).then_some(heard.heartbeat.1);
        self.until("a heartbeat with all guests", look).await
    }

    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).heartbeats
    }
}

#[tonic::async_trait]
impl HostUpcallService for Region {
    async fn register_host(
        &self,
        _: Request<up::RegisterHostRequest>,
    ) -> Result<Response<up::RegisterHostResponse>, Status> {
        self.note(|heard| heard.registrations += 1);
        let host_id = "00000000-0000-4000-8000-000000000001".into();
        Ok(Response::new(up::RegisterHostResponse {
            host_id,
            heartbeat_interval_s: HEARTBEAT_S,
            protocol: None,
            now_us: 0,
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<up::HeartbeatRequest>,
    ) -> Result<Response<up::HeartbeatResponse>, Status> {
        let request = request.into_inner();
        self.note(|heard| {
            heard.heartbeat = (request.guests.len(), request.encoded_len());
            heard.heartbeats += 1;
        });
        Ok(Response::new(up::HeartbeatResponse::default()))
    }

    async fn report(&self, request: Request<up::ReportRequest>) -> Result<Response<up::ReportResponse>, Status> {
        let request = request.into_inner();
        if let Some(outcome) = request.outcome {
            self.note(|heard| heard.outcomes.insert(request.operation_id, outcome));
        }
        Ok(Response::new(up::ReportResponse {}))
    }
}

/// Signs certificates into a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    /// # Errors
    /// The folder can't be written.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let mut parameters = rcgen::CertificateParams::new(vec![])?;
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        std::fs::write(folder.join("ca.pem"), parameters.self_signed(&key)?.pem())?;
        Ok(Self { folder: folder.to_owned(), issuer: rcgen::Issuer::new(parameters, key) })
    }

    /// # Errors
    /// As [`Authority::new`].
    pub fn issue(&self, name: &str) -> anyhow::Result<TlsConfig> {
        let key = rcgen::KeyPair::generate()?;
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()])?;
        let (cert, path) = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")));
        std::fs::write(&cert, parameters.signed_by(&key, &self.issuer)?.pem())?;
        service::files::write_atomic(&path, key.serialize_pem().as_bytes(), 0o600)?;
        Ok(TlsConfig { ca: self.folder.join("ca.pem"), cert, key: path })
    }
}
