//! Accepts connections, as many as the limits allow, and ends them in order.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use service::tls::{Live, TlsError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Http, HttpTls};
use crate::http::connection::Connection;
use crate::http::files::{self, Answer};
use crate::http::head::Request;
use crate::http::operators;
use crate::http::stream::Stream;
use crate::tree::Tree;

/// Pause after the system had no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// What a client may take, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    pub per_client: usize,
    /// For a request's head, and for the TLS handshake.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For each 64 KiB of an answer.
    pub write: Duration,
}

impl From<&Http> for Limits {
    fn from(http: &Http) -> Self {
        Self {
            connections: http.max_connections,
            per_client: http.max_connections_per_client,
            head: Duration::from_secs(http.header_timeout_s),
            idle: Duration::from_secs(http.idle_timeout_s),
            write: Duration::from_secs(http.write_timeout_s),
        }
    }
}

/// What all connections share.
pub(crate) struct Site {
    tree: Arc<Tree>,
    operators: axum::Router,
    pub(crate) sent: metrics::Counter,
}

impl Site {
    pub(crate) fn files(&self, request: &Request, peer: SocketAddr) -> Option<Answer> {
        let answer = files::answer(&self.tree, request, peer)?;
        metrics::counter!("baremetal_agent_http_files_total", "status" => word(answer.status.as_u16())).increment(1);
        Some(answer)
    }

    pub(crate) async fn operators(&self, request: &Request) -> Answer {
        operators::answer(&self.operators, request).await
    }
}

fn word(status: u16) -> &'static str {
    match status {
        200 => "200",
        206 => "206",
        304 => "304",
        400 => "400",
        404 => "404",
        412 => "412",
        416 => "416",
        _ => "500",
    }
}

/// Bound, but not serving.
pub struct Listener {
    listener: TcpListener,
    tls: Option<Arc<Live<TlsAcceptor>>>,
    limits: Limits,
    site: Arc<Site>,
}

impl Listener {
    /// # Errors
    /// The address can't be bound, or the certificate can't be used.
    pub async fn bind(config: &Http, tree: Arc<Tree>) -> anyhow::Result<Self> {
        let tls = config.tls.clone().map(live).transpose().context("http.tls")?.map(Arc::new);
        let listener =
            TcpListener::bind(config.listen).await.with_context(|| format!("http.listen {}", config.listen))?;
        let operators = operators::router(tree.clone());
        let site = Site { tree, operators, sent: metrics::counter!("baremetal_agent_http_bytes_total") };
        Ok(Self { listener, tls, limits: config.into(), site: site.into() })
    }

    /// The base URL.
    ///
    /// # Errors
    /// The socket's.
    pub fn url(&self) -> io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.listener.local_addr()?))
    }

    /// Serves until `draining`, then lets answers under way go on for `drain`.
    ///
    /// # Errors
    /// When the listening socket fails for good.
    pub async fn run(self, draining: CancellationToken, drain: Duration) -> io::Result<()> {
        let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let clients = Clients::new(self.limits.per_client);
        let result = loop {
            // Room first: beyond the limit connections wait in the kernel's queue.
            let permit = tokio::select! {
                permit = room.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
                () = draining.cancelled() => break Ok(()),
            };
            let (stream, peer) = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) if passing(&error) => {
                        tracing::warn!(%error, "an HTTP connection could not be accepted");
                        tokio::time::sleep(NO_ROOM).await;
                        continue;
                    }
                    Err(error) => break Err(error),
                },
                () = draining.cancelled() => break Ok(()),
            };
            let Some(guest) = clients.admit(peer.ip().to_canonical()) else {
                metrics::counter!("baremetal_agent_http_refused_total", "reason" => "client_full").increment(1);
                tracing::warn!(%peer, most = self.limits.per_client, "HTTP connection refused: too many of one client");
                continue;
            };
            let (site, tls, limits) = (self.site.clone(), self.tls.clone(), self.limits);
            let (draining, cut) = (draining.clone(), cut.clone());
            tasks.spawn(async move {
                let serve = async {
                    if let Some(stream) = prepare(stream, tls, limits).await {
                        Connection { stream, peer, site, limits, buffer: Vec::with_capacity(2048) }.run(draining).await;
                    }
                };
                let active = metrics::gauge!("baremetal_agent_http_connections");
                active.increment(1.0);
                tokio::select! { () = serve => {}, () = cut.cancelled() => {} }
                active.decrement(1.0);
                drop((permit, guest));
            });
        };
        drop(self.listener);
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            tracing::warn!(seconds = drain.as_secs(), "HTTP transfers did not end in time and are cut off");
            cut.cancel();
            tasks.wait().await;
        }
        result
    }
}

/// The handshake, where there is one.
async fn prepare(stream: TcpStream, tls: Option<Arc<Live<TlsAcceptor>>>, limits: Limits) -> Option<Stream> {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Some(Stream::Clear(stream)) };
    match tokio::time::timeout(limits.head, tls.current().accept(stream)).await {
        Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            metrics::counter!("baremetal_agent_http_refused_total", "reason" => "tls").increment(1);
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            metrics::counter!("baremetal_agent_http_refused_total", "reason" => "slow_handshake").increment(1);
            None
        }
    }
}

/// Certificate and key are read again when they change.
fn live(tls: HttpTls) -> Result<Live<TlsAcceptor>, TlsError> {
    Live::new(vec![tls.cert.clone(), tls.key.clone()], move || {
        let (chain, key) = service::tls::own(&tls.cert, &tls.key)?;
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let mut config =
            config.map_err(|e| TlsError::Certificate { path: tls.cert.clone(), problem: e.to_string() })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    })
}

/// Out of descriptors or memory, or the peer has left already.
fn passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let fatal = [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP, Errno::FAULT];
    !Errno::from_io_error(error).is_some_and(|errno| fatal.contains(&errno))
}

/// How many connections each address has.
#[derive(Clone)]
struct Clients {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

struct Guest {
    clients: Clients,
    ip: IpAddr,
}

impl Clients {
    fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    fn admit(&self, ip: IpAddr) -> Option<Guest> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Guest { clients: self.clone(), ip })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.clients.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}
