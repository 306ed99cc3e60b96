//! The screen as a stream in both directions: the bytes of QEMU's VNC socket, untouched.

use std::pin::Pin;

use proto::host::v1 as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

/// Pieces on their way to the viewer. One that is slow slows QEMU's VNC server down, which then leaves frames out.
const AHEAD: usize = 4;
/// Bytes in one piece.
const PIECE: usize = 64 * 1024;

/// Ends when the viewer goes, QEMU ends, or the agent does.
pub fn stream(
    socket: UnixStream,
    first: Vec<u8>,
    mut input: Streaming<pb::ConsoleInput>,
    draining: CancellationToken,
) -> Pin<Box<dyn Stream<Item = Result<pb::ConsoleOutput, Status>> + Send>> {
    let (sender, output) = mpsc::channel(AHEAD);
    let (mut from, mut to) = socket.into_split();
    let showing = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut piece).await {
            if sender.send(Ok(pb::ConsoleOutput { data: piece[..count].to_vec() })).await.is_err() {
                return;
            }
        }
    };
    let sending = async move {
        let mut data = first;
        while to.write_all(&data).await.is_ok() {
            match input.message().await {
                Ok(Some(message)) => data = message.data,
                Ok(None) | Err(_) => return,
            }
        }
    };
    tokio::spawn(async move {
        tokio::select! { () = showing => {}, () = sending => {}, () = draining.cancelled() => {} }
    });
    Box::pin(ReceiverStream::new(output))
}
