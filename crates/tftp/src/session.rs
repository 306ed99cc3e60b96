//! One transfer on a socket and a thread of its own: feeds the [`Sender`] with packets, blocks and time, and carries out what it says.
//!
//! A thread, because what counts with small windows is how soon an answer is followed by the next block: a thread that sleeps in `recv`
//! is woken directly. The number of threads is bounded by the table of transfers.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::blocks::Blocks;
use crate::options::Granted;
use crate::packet::{ErrorCode, Packet, Request, printable};
use crate::sender::{Counts, End, Params, Sender};
use crate::server::Config;
use crate::source::{FileSource, OpenError, Wanted};
use crate::table::Ticket;
use crate::wire::{Wire, path_mtu};

/// Address space, of which a transfer touches little.
const STACK: usize = 512 * 1024;

pub(crate) struct Session {
    /// The datagram as it came and was understood once.
    pub(crate) request: Vec<u8>,
    pub(crate) client: SocketAddr,
    pub(crate) source: Arc<dyn FileSource>,
    pub(crate) config: Arc<Config>,
    pub(crate) ticket: Ticket,
    /// The server ends, and does not wait any longer.
    pub(crate) stop: CancellationToken,
}

impl Session {
    /// Serves one read request to its end. `local`: the address of the listener.
    pub(crate) async fn serve(self, local: SocketAddr) {
        let (client, cancel, stop) = (self.client, self.ticket.cancel.clone(), self.stop.clone());
        let (done, mut ended) = oneshot::channel::<()>();
        let began = connect(local, client).and_then(|socket| {
            let ours = socket.clone();
            let thread = std::thread::Builder::new().name("tftp".into()).stack_size(STACK);
            thread.spawn(move || {
                self.run(&ours);
                drop(done);
            })?;
            Ok(socket)
        });
        let socket = match began {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%client, %error, "a TFTP transfer can't begin");
                metrics::counter!("tftp_transfers_total", "result" => "socket").increment(1);
                return;
            }
        };
        tokio::select! {
            _ = &mut ended => return,
            () = cancel.cancelled() => {}
            () = stop.cancelled() => {}
        }
        // Wakes the thread, which then sees why. An error says that it has just ended.
        let _ = SockRef::from(&*socket).shutdown(std::net::Shutdown::Read);
        let _ = ended.await;
    }

    fn run(&self, socket: &UdpSocket) {
        let Ok(Packet::Read(read)) = Packet::decode(&self.request) else { return };
        let (client, name) = (self.client, printable(read.name));
        let began = Instant::now();
        let active = metrics::gauge!("tftp_transfers_active");
        active.increment(1.0);
        let outcome = self.transfer(&read, socket);
        active.decrement(1.0);
        let result = match &outcome {
            Ok((End::Complete, counts)) => {
                metrics::histogram!("tftp_transfer_seconds").record(began.elapsed());
                tracing::info!(%client, file = name, bytes = counts.bytes, resent = counts.resent, seconds = began.elapsed().as_secs_f64(), "file sent by TFTP");
                "complete"
            }
            Ok((End::Refused { code, message }, _)) => {
                let message = printable(message.as_bytes());
                tracing::info!(%client, file = name, code = code.number(), message, "the client ended a TFTP transfer");
                "refused_by_client"
            }
            Ok((End::Silent, counts)) => {
                tracing::warn!(%client, file = name, bytes = counts.bytes, resent = counts.resent, "a TFTP client no longer answers");
                "silent"
            }
            Ok((End::Gone, counts)) => {
                tracing::info!(%client, file = name, bytes = counts.bytes, "a TFTP client left its transfer or began anew");
                "gone"
            }
            Ok((End::Failed, _)) => "failed",
            Err(error) => {
                tracing::warn!(%client, file = name, %error, "the TFTP transfer's socket failed");
                "socket"
            }
        };
        metrics::counter!("tftp_transfers_total", "result" => result).increment(1);
    }

    fn transfer(&self, read: &Request<'_>, socket: &UdpSocket) -> io::Result<(End, Counts)> {
        let wanted = Wanted { name: read.name, mode: read.mode, client: self.client };
        let file = match self.source.open(&wanted) {
            Ok(file) => file,
            Err(error) => {
                let code = match &error {
                    OpenError::NotFound => ErrorCode::NotFound,
                    OpenError::Denied => ErrorCode::AccessViolation,
                    OpenError::Io(_) => ErrorCode::Undefined,
                };
                log_refusal(self.client, read.name, &error);
                socket.send(&Packet::Error { code, message: error.to_string().as_bytes() }.encode())?;
                return Ok((End::Failed, Counts::default()));
            }
        };
        let config = &self.config;
        let caps = if config.blksize_within_mtu {
            config.caps.within_mtu(path_mtu(socket)?, self.client.ip().to_canonical().is_ipv6())
        } else {
            config.caps
        };
        let granted = Granted::weigh(read, file.size, &caps);
        let params = Params {
            blksize: granted.blksize,
            windowsize: granted.windowsize,
            option_ack: granted.option_ack(),
            rto: config.rto.within(granted.timeout),
            patience: config.patience.max(granted.timeout.unwrap_or(Duration::ZERO) * 5),
            first_retries: config.first_retries,
        };
        let blocks = Blocks::new(file, read.mode, granted.blksize);
        self.send(Wire::new(socket), Sender::new(params, Instant::now()), blocks)
    }

    fn send(&self, mut wire: Wire<'_>, mut sender: Sender, mut blocks: Blocks) -> io::Result<(End, Counts)> {
        let (bytes, resent) = (metrics::counter!("tftp_bytes_total"), metrics::counter!("tftp_packets_resent_total"));
        let mut outgoing = Vec::new();
        let mut counted = sender.counts();
        let mut heard = false;
        loop {
            while sender.wants_block() {
                if let Some(block) = blocks.next_ready() {
                    sender.supply(block);
                } else if let Err(error) = blocks.fill() {
                    tracing::error!(%error, "a file can't be read on during a TFTP transfer");
                    sender.fail(ErrorCode::Undefined, "the file can't be read");
                }
            }
            let now = Instant::now();
            sender.take_outgoing(&mut outgoing, now);
            match wire.send(&mut outgoing) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Ok((End::Gone, sender.counts()));
                }
                other => other?,
            }
            let counts = sender.counts();
            bytes.increment(counts.bytes - counted.bytes);
            resent.increment(counts.resent - counted.resent);
            counted = counts;
            if let Some(end) = sender.ended() {
                return Ok((end.clone(), counts));
            }
            let deadline = sender.deadline().unwrap_or_else(|| now + Duration::from_secs(1));
            match wire.receive(deadline.saturating_duration_since(now)) {
                Ok(None) => sender.on_timer(Instant::now()),
                Ok(Some([])) => {
                    if self.ticket.cancel.is_cancelled() {
                        // The client began anew: without a word, since the port it hears may be the younger transfer's.
                        return Ok((End::Gone, counts));
                    }
                    if self.stop.is_cancelled() {
                        sender.fail(ErrorCode::Undefined, "the server is shutting down");
                    }
                }
                Ok(Some(datagram)) => {
                    if let Ok(packet) = Packet::decode(datagram) {
                        sender.on_packet(&packet, Instant::now());
                    }
                    if !heard && sender.heard() {
                        heard = true;
                        self.ticket.mark_heard();
                    }
                }
                // The client's port was closed: nobody is there to hear more.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok((End::Gone, counts)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Packets from elsewhere never reach a connected socket; their sender hears "port unreachable".
fn connect(local: SocketAddr, client: SocketAddr) -> io::Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind(SocketAddr::new(local.ip(), 0))?;
    socket.connect(client)?;
    Ok(Arc::new(socket))
}

fn log_refusal(client: SocketAddr, name: &[u8], error: &OpenError) {
    let (file, cause) = (printable(name), std::error::Error::source(error));
    tracing::warn!(%client, file, %error, cause, "TFTP request refused");
}
