//! The console as a stream in both directions.

use std::pin::Pin;

use bytes::Bytes;
use proto::host::v1 as pb;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::guest::console::{Console, Keyboard, NotTaken};

/// Pieces on their way to one reader; what it is behind by more, it misses.
const AHEAD: usize = 16;

/// First what was shown last, then what comes; what is typed goes the other way. It ends when the reader goes, or the agent.
pub fn stream(
    console: Console,
    first: Vec<u8>,
    mut input: Streaming<pb::ConsoleInput>,
    draining: CancellationToken,
) -> Pin<Box<dyn Stream<Item = Result<pb::ConsoleOutput, Status>> + Send>> {
    let (sender, output) = mpsc::channel(AHEAD);
    let keyboard = console.keyboard();
    let (refusals, mut refused) = mpsc::channel(1);
    let showing = async move {
        let (recent, mut next) = console.read();
        let mut data = recent;
        loop {
            if sender.send(Ok(pb::ConsoleOutput { data: data.to_vec() })).await.is_err() {
                return;
            }
            let received = tokio::select! {
                received = next.recv() => received,
                Some(error) = refused.recv() => Ok(Bytes::from(format!("\r\n[not typed: {error}]\r\n"))),
                // A reader who has gone need not be told something to be noticed.
                () = sender.closed() => return,
            };
            data = match received {
                Ok(data) => data,
                Err(RecvError::Lagged(pieces)) => {
                    Bytes::from(format!("\r\n[{pieces} pieces of output were missed here]\r\n"))
                }
                Err(RecvError::Closed) => return,
            };
        }
    };
    let typing = async move {
        type_in(&keyboard, first, &refusals);
        while let Ok(Some(message)) = input.message().await {
            type_in(&keyboard, message.data, &refusals);
        }
        // The end of what is typed is not the end of reading.
        drop(keyboard);
        std::future::pending::<()>().await;
    };
    tokio::spawn(async move {
        tokio::select! { () = showing => {}, () = typing => {}, () = draining.cancelled() => {} }
    });
    Box::pin(ReceiverStream::new(output))
}

fn type_in(keyboard: &Keyboard, data: Vec<u8>, refusals: &mpsc::Sender<NotTaken>) {
    if !data.is_empty()
        && let Err(error) = keyboard.write(data.into())
    {
        tracing::debug!(%error, "input for a console was lost");
        // Said once for what is typed in one go.
        if error == NotTaken::Busy {
            let _ = refusals.try_send(error);
        }
    }
}
