//! Serving gRPC over mutual TLS, with certificates that may be renewed at any time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;

use super::live::Live;
use super::{TlsConfig, TlsError};

/// For the handshake of one connection.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at once; further connections wait in the kernel's queue.
const HANDSHAKES: usize = 256;
/// Pause after the system had no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// Takes connections from clients that show a certificate of the authority.
#[derive(Clone)]
pub struct Acceptor(Arc<Live<Arc<rustls::ServerConfig>>>);

impl Acceptor {
    /// # Errors
    /// [`TlsError`]: files that can't be read, or are not what they should be.
    pub fn new(tls: &TlsConfig) -> Result<Self, TlsError> {
        let own = tls.clone();
        Ok(Self(Arc::new(Live::new(tls.files(), move || own.rustls_server().map(Arc::new))?)))
    }

    async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let _ = stream.set_nodelay(true);
        tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(self.0.current()).accept(stream)).await?
    }
}

/// Serves until `stop`, and then what is under way to its end. Without `tls` in clear, which [`super::check_listener`] allows on loopback only.
///
/// # Errors
/// As tonic reports them.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    tls: Option<Acceptor>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let stopped = stop.clone().cancelled_owned();
    match tls {
        None => router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped).await,
        Some(acceptor) => router.serve_with_incoming_shutdown(connections(listener, acceptor), stopped).await,
    }
}

/// Each handshake in a task of its own: a slow client keeps nobody waiting.
fn connections(listener: TcpListener, acceptor: Acceptor) -> ReceiverStream<io::Result<TlsStream<TcpStream>>> {
    let (tx, rx) = mpsc::channel(16);
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(HANDSHAKES));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = tx.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(NO_ROOM).await;
                    continue;
                }
            };
            let (acceptor, tx) = (acceptor.clone(), tx.clone());
            tokio::spawn(async move {
                match acceptor.accept(stream).await {
                    // An error: the server has ended.
                    Ok(stream) => drop(tx.send(Ok(stream)).await),
                    Err(error) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                }
                drop(place);
            });
        }
    });
    ReceiverStream::new(rx)
}
