//! Fetches a file. For tests and checks: it holds the whole file in memory.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use crate::netascii;
use crate::options::MAX_BLKSIZE;
use crate::packet::{DATA_HEADER, Malformed, Mode, Packet, Request};
use crate::receiver::{Ask, Receiver, Refusal, Step};

/// How long the last acknowledgement is repeated for a server that has not heard it.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
pub struct Get {
    pub mode: Mode,
    pub ask: Ask,
    /// Silence of the server that ends it.
    pub patience: Duration,
}

impl Default for Get {
    fn default() -> Self {
        Self { mode: Mode::Octet, ask: Ask::default(), patience: Duration::from_secs(20) }
    }
}

/// A fetched file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub content: Vec<u8>,
    /// The options that the server granted, by name in lower case.
    pub granted: BTreeMap<String, u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum GetError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the server does not answer")]
    Silent,
    #[error("the server's packet is not understood")]
    Malformed(#[from] Malformed),
    #[error("socket")]
    Io(#[from] io::Error),
}

/// Fetches `name` from `server`.
///
/// # Errors
/// [`GetError`]; the server's own error is [`Refusal::Server`].
pub async fn get(server: SocketAddr, name: &[u8], get: Get) -> Result<Got, GetError> {
    let local: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(local).await?;
    let options = get.ask.options();
    let options = options.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let request = Packet::Read(Request { name, mode: get.mode, options }).encode();
    let mut receiver = Receiver::new(get.ask);
    let mut buffer = vec![0; usize::from(MAX_BLKSIZE) + DATA_HEADER];
    // RFC 1350 section 4: the server answers from a port of its own, which is the peer from then on.
    let mut peer = None;
    socket.send_to(&request, server).await?;
    let mut heard = Instant::now();
    loop {
        let received = tokio::time::timeout(receiver.timer(), socket.recv_from(&mut buffer)).await;
        let Ok(received) = received else {
            if heard.elapsed() >= get.patience {
                return Err(GetError::Silent);
            }
            match (receiver.on_timer(), peer) {
                (Some(block), Some(peer)) => socket.send_to(&Packet::Ack { block }.encode(), peer).await?,
                _ => socket.send_to(&request, server).await?,
            };
            continue;
        };
        let (length, from) = received?;
        if from.ip() != server.ip() || *peer.get_or_insert(from) != from {
            continue;
        }
        heard = Instant::now();
        match receiver.on_packet(&Packet::decode(&buffer[..length])?)? {
            Step::Wait => {}
            Step::Ack(block) => {
                socket.send_to(&Packet::Ack { block }.encode(), from).await?;
            }
            Step::Done(block) => {
                socket.send_to(&Packet::Ack { block }.encode(), from).await?;
                let (content, granted) = (std::mem::take(&mut receiver.content), receiver.granted.clone());
                tokio::spawn(linger(socket, receiver, from));
                let content = if get.mode == Mode::Netascii { netascii::decode(&content) } else { content };
                return Ok(Got { content, granted });
            }
        }
    }
}

/// RFC 1350 section 6: the last acknowledgement may get lost.
async fn linger(socket: UdpSocket, mut receiver: Receiver, peer: SocketAddr) {
    let mut buffer = vec![0; usize::from(MAX_BLKSIZE) + DATA_HEADER];
    while let Ok(Ok((length, from))) = tokio::time::timeout(LINGER, socket.recv_from(&mut buffer)).await {
        let step =
            Packet::decode(&buffer[..length]).ok().filter(|_| from == peer).and_then(|p| receiver.on_packet(&p).ok());
        if let Some(Step::Ack(block)) = step
            && socket.send_to(&Packet::Ack { block }.encode(), peer).await.is_err()
        {
            return;
        }
    }
}
