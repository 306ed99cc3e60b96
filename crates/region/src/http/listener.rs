//! Accepts connections, as many as there may be, and lets nobody hold one who sends no request: a head that does not come to its end is
//! waited for so long and no longer. HTTP/1.1 alone: over an HTTP/2 connection that is kept alive, nobody could be told to hurry.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::Http;

/// Pause after the system had no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// Until `stop`; then what is under way is served to its end. Dropped, it cuts all connections.
pub async fn serve(listener: TcpListener, router: Router, config: &Http, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(config.max_connections.max(1)));
    let patience = Duration::from_secs(config.header_timeout_s.max(1).into());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            (stream, peer, permit) = accept(&listener, &permits) => {
                connections.spawn(connection(stream, peer, router.clone(), patience, stop.clone(), permit));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next one; those beyond what there may be wait where the kernel keeps them.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("it is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    patience: Duration,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    // Small answers, streams of changes: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    // What goes wrong with a connection is the other end's affair: it went away, or speaks no HTTP.
    tokio::select! {
        _ = served.as_mut() => return,
        () = stop.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
