//! The listening socket: reads requests, refuses what is not served, and starts a thread with a port of its own for each transfer.
//!
//! On a host with several addresses in one network, bind one server to each address that clients use: an answer's source address
//! is the listener's, or, where that is unspecified, the one that the routing table chooses.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::options::Caps;
use crate::packet::{ErrorCode, Malformed, Packet, printable};
use crate::rto::Bounds;
use crate::session::Session;
use crate::source::FileSource;
use crate::table::{Admission, Table};

/// The largest request that is read; RFC 2347 allows 512 bytes.
const LARGEST_REQUEST: usize = 4096;
/// Room for the requests of a rack that is switched on at once.
const RECEIVE_BUFFER: usize = 1 << 20;

#[derive(Debug, Clone)]
pub struct Config {
    /// Transfers at once. Beyond it requests are not answered, so that clients ask again.
    pub max_transfers: usize,
    /// Transfers at once from one IP address. Beyond it requests are refused.
    pub max_transfers_per_client: usize,
    pub caps: Caps,
    /// Grants no block that would be cut up on its way: see [`Caps::within_mtu`].
    pub blksize_within_mtu: bool,
    pub rto: Bounds,
    /// How long a client may be silent within a transfer.
    pub patience: Duration,
    /// How often the first packet of a transfer is repeated to a client that does not answer.
    pub first_retries: u32,
    /// How long transfers at work may go on after shutdown was asked for.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_transfers: 1024,
            max_transfers_per_client: 32,
            caps: Caps::default(),
            blksize_within_mtu: false,
            rto: Bounds::default(),
            patience: Duration::from_secs(30),
            first_retries: 5,
            drain: Duration::from_secs(10),
        }
    }
}

pub struct Server {
    socket: UdpSocket,
    local: SocketAddr,
    source: Arc<dyn FileSource>,
    config: Arc<Config>,
    table: Arc<Table>,
}

impl Server {
    /// Port 0 takes a free one: see [`Self::local_addr`].
    ///
    /// # Errors
    /// Those of binding a UDP socket.
    pub async fn bind(address: SocketAddr, config: Config, source: Arc<dyn FileSource>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        if let Err(error) = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER) {
            tracing::debug!(%error, "the TFTP socket keeps its default receive buffer");
        }
        let local = socket.local_addr()?;
        let table = Table::new(config.max_transfers, config.max_transfers_per_client);
        Ok(Self { socket, local, source, config: Arc::new(config), table })
    }

    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown`, then lets transfers at work go on for [`Config::drain`] and ends the rest with an error.
    ///
    /// # Errors
    /// When the listening socket fails for good.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let (transfers, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut buffer = vec![0; LARGEST_REQUEST];
        let result = loop {
            let (length, client) = tokio::select! {
                () = shutdown.cancelled() => break Ok(()),
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok(received) => received,
                    // An earlier answer found nobody: says nothing about this socket.
                    Err(error) if transient(&error) => continue,
                    Err(error) => break Err(error),
                },
            };
            self.on_datagram(&buffer[..length], client, &transfers, &stop).await;
        };
        transfers.close();
        if !transfers.is_empty() {
            tracing::info!(transfers = self.table.len(), "TFTP transfers at work are let go on");
        }
        if tokio::time::timeout(self.config.drain, transfers.wait()).await.is_err() {
            stop.cancel();
            transfers.wait().await;
        }
        result
    }

    async fn on_datagram(
        &self,
        datagram: &[u8],
        client: SocketAddr,
        transfers: &TaskTracker,
        stop: &CancellationToken,
    ) {
        if client.port() == 0 {
            return; // nobody can be answered there
        }
        match Packet::decode(datagram) {
            Ok(Packet::Read(_)) => match self.table.admit(client, datagram) {
                Admission::Begin(ticket) => {
                    count("read");
                    let (source, config) = (self.source.clone(), self.config.clone());
                    let (request, stop) = (datagram.to_vec(), stop.clone());
                    let session = Session { request, client, source, config, ticket, stop };
                    transfers.spawn(session.serve(self.local));
                }
                Admission::Repeated => count("repeated"),
                Admission::Full => {
                    count("full");
                    tracing::warn!(%client, max = self.config.max_transfers, "TFTP request left unanswered: too many transfers at once");
                }
                Admission::ClientFull => {
                    count("client_full");
                    let most = self.config.max_transfers_per_client;
                    tracing::warn!(%client, most, "TFTP request refused: too many transfers of one client");
                    self.refuse(
                        client,
                        ErrorCode::Undefined,
                        "too many transfers from this address at once; try again later",
                    )
                    .await;
                }
            },
            Ok(Packet::Write(request)) => {
                count("write");
                tracing::warn!(%client, file = printable(request.name), "TFTP write request refused");
                self.refuse(client, ErrorCode::AccessViolation, "this server does not accept files").await;
            }
            // RFC 1350 section 7: an error is never answered.
            Ok(Packet::Error { .. }) => count("stray"),
            Ok(Packet::Data { .. } | Packet::Ack { .. } | Packet::OptionAck(_)) => {
                count("stray");
                self.refuse(
                    client,
                    ErrorCode::UnknownTransfer,
                    "no transfer goes on at this port; begin with a read request",
                )
                .await;
            }
            Err(malformed) => {
                count("malformed");
                tracing::debug!(%client, error = %malformed, "TFTP packet not understood");
                // Packets without an operation are noise, and answering noise serves no client.
                if malformed != Malformed::Short {
                    self.refuse(client, ErrorCode::IllegalOperation, &malformed.to_string()).await;
                }
            }
        }
    }

    async fn refuse(&self, client: SocketAddr, code: ErrorCode, message: &str) {
        let packet = Packet::Error { code, message: message.as_bytes() }.encode();
        if let Err(error) = self.socket.send_to(&packet, client).await {
            tracing::debug!(%client, %error, "a TFTP refusal could not be sent");
        }
    }
}

fn count(kind: &'static str) {
    metrics::counter!("tftp_requests_total", "kind" => kind).increment(1);
}

fn transient(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable, WouldBlock,
    };
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | Interrupted | NetworkUnreachable | WouldBlock
    )
}
