//! One transfer on a socket of its own: feeds the [`Sender`] with packets, blocks and time, and carries out what it says.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::blocks::Blocks;
use crate::options::Granted;
use crate::packet::{ErrorCode, Packet, Request, printable};
use crate::sender::{Datagram, End, Params, Sender};
use crate::server::Config;
use crate::source::{FileSource, OpenError, Wanted};
use crate::table::Ticket;

/// Long enough for any answer of a client; a longer packet is cut off, which spoils no packet that a client may send.
const LARGEST_ANSWER: usize = 1024;

/// Serves one read request to its end. `request` is the datagram as it came and was understood once.
pub(crate) async fn serve(
    request: Vec<u8>,
    client: SocketAddr,
    local: SocketAddr,
    source: Arc<dyn FileSource>,
    config: Arc<Config>,
    ticket: Ticket,
    stop: CancellationToken,
) {
    let Ok(Packet::Read(read)) = Packet::decode(&request) else { return };
    let name = printable(read.name);
    let began = Instant::now();
    metrics::gauge!("tftp_transfers_active").increment(1.0);
    let outcome = transfer(&read, client, local, source, &config, &ticket, &stop).await;
    metrics::gauge!("tftp_transfers_active").decrement(1.0);
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

async fn transfer(
    read: &Request<'_>,
    client: SocketAddr,
    local: SocketAddr,
    source: Arc<dyn FileSource>,
    config: &Config,
    ticket: &Ticket,
    stop: &CancellationToken,
) -> io::Result<(End, crate::sender::Counts)> {
    let socket = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).await?;
    // Packets from elsewhere never reach a connected socket; their sender hears "port unreachable".
    socket.connect(client).await?;
    let (name, mode) = (read.name.to_vec(), read.mode);
    let opened = tokio::task::spawn_blocking(move || source.open(&Wanted { name: &name, mode, client })).await;
    let file = match opened.unwrap_or_else(|panic| Err(OpenError::Io(io::Error::other(panic)))) {
        Ok(file) => file,
        Err(error) => {
            let code = match &error {
                OpenError::NotFound => ErrorCode::NotFound,
                OpenError::Denied => ErrorCode::AccessViolation,
                OpenError::Io(_) => ErrorCode::Undefined,
            };
            log_refusal(client, read.name, &error);
            let packet = Packet::Error { code, message: error.to_string().as_bytes() }.encode();
            socket.send(&packet).await?;
            return Ok((End::Failed, crate::sender::Counts::default()));
        }
    };
    let granted = Granted::weigh(read, file.size, &config.caps);
    let params = Params {
        blksize: granted.blksize,
        windowsize: granted.windowsize,
        option_ack: granted.option_ack(),
        rto: config.rto.within(granted.timeout),
        patience: config.patience.max(granted.timeout.unwrap_or(Duration::ZERO) * 5),
        first_retries: config.first_retries,
    };
    let blocks = Blocks::new(file, mode, granted.blksize);
    run(&socket, Sender::new(params, Instant::now()), blocks, ticket, stop).await
}

async fn run(
    socket: &UdpSocket,
    mut sender: Sender,
    mut blocks: Blocks,
    ticket: &Ticket,
    stop: &CancellationToken,
) -> io::Result<(End, crate::sender::Counts)> {
    let mut outgoing = Vec::new();
    let mut buffer = [0; LARGEST_ANSWER];
    let mut counted = sender.counts();
    loop {
        while sender.wants_block() {
            if let Some(block) = blocks.next_ready() {
                sender.supply(block);
                continue;
            }
            let filled = tokio::task::spawn_blocking(move || {
                let result = blocks.fill();
                (blocks, result)
            });
            let (back, result) = filled.await.map_err(io::Error::other)?;
            blocks = back;
            if let Err(error) = result {
                tracing::error!(%error, "a file can't be read on during a TFTP transfer");
                sender.fail(ErrorCode::Undefined, "the file can't be read");
            }
        }
        sender.take_outgoing(&mut outgoing, Instant::now());
        match send_all(socket, &mut outgoing).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok((End::Gone, sender.counts())),
            other => other?,
        }
        let counts = sender.counts();
        metrics::counter!("tftp_bytes_total").increment(counts.bytes - counted.bytes);
        metrics::counter!("tftp_packets_resent_total").increment(counts.resent - counted.resent);
        counted = counts;
        if let Some(end) = sender.ended() {
            return Ok((end.clone(), counts));
        }
        let deadline = sender.deadline().unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            received = socket.recv(&mut buffer) => match received {
                Ok(n) => {
                    if let Ok(packet) = Packet::decode(&buffer[..n]) {
                        sender.on_packet(&packet, Instant::now());
                    }
                    if sender.heard() {
                        ticket.mark_heard();
                    }
                }
                // The client's port was closed: nobody is there to hear more.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok((End::Gone, counts)),
                Err(error) => return Err(error),
            },
            () = tokio::time::sleep_until(deadline.into()) => sender.on_timer(Instant::now()),
            // The client began anew: the older transfer ends without a word, since its port may be the younger one's.
            () = ticket.cancel.cancelled() => return Ok((End::Gone, counts)),
            () = stop.cancelled() => sender.fail(ErrorCode::Undefined, "the server is shutting down"),
        }
    }
}

fn log_refusal(client: SocketAddr, name: &[u8], error: &OpenError) {
    let (file, cause) = (printable(name), std::error::Error::source(error));
    tracing::warn!(%client, file, %error, cause, "TFTP request refused");
}

/// Sends what is due, in order. The one place that would learn to hand a whole window to the kernel at once.
async fn send_all(socket: &UdpSocket, outgoing: &mut Vec<Datagram>) -> io::Result<()> {
    for datagram in outgoing.drain(..) {
        let parts = [IoSlice::new(datagram.head()), IoSlice::new(&datagram.body)];
        let sent = socket.async_io(Interest::WRITABLE, || SockRef::from(socket).send_vectored(&parts)).await;
        match sent {
            Ok(_) => {}
            // No room in a queue on the way: as good as lost on the way, and sent again like that.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
