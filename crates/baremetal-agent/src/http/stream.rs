//! A connection in clear or by TLS, and how bytes get onto it: a file in clear goes from the page cache to the socket without a copy
//! (sendfile(2)), one by TLS is read and encrypted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::server::TlsStream;

use crate::tree::Sending;

/// So much must leave within the write time-out, or all that is left: a peer that reads slower is taken for one that holds on to
/// connections.
const LEAST: u64 = 64 * 1024;
/// At most so much in one call, so that one fast reader does not keep a thread from the others.
const MOST: usize = 1 << 20;
/// Bytes read at a time for TLS.
const CHUNK: usize = 64 * 1024;

pub enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// # Errors
    /// Those of the socket.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    /// # Errors
    /// Those of the socket; `TimedOut` when the peer reads too slowly.
    pub async fn write(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            let write = async {
                match self {
                    Self::Clear(stream) => stream.write_all(chunk).await,
                    Self::Tls(stream) => {
                        stream.write_all(chunk).await?;
                        stream.flush().await
                    }
                }
            };
            timeout(patience, write).await.map_err(|_| slow())??;
        }
        Ok(())
    }

    /// Exactly `length` bytes of a file.
    ///
    /// # Errors
    /// As [`Self::write`]; `UnexpectedEof` when the file has become shorter, and then the connection must be closed so that nobody
    /// takes what was sent for the whole.
    pub async fn send_file(&mut self, file: Sending, first: u64, length: u64, patience: Duration) -> io::Result<()> {
        match self {
            Self::Clear(stream) => send_file(stream, &file, first, length, patience).await,
            Self::Tls(_) => self.copy_file(file, first, length, patience).await,
        }
    }

    async fn copy_file(&mut self, file: Sending, first: u64, length: u64, patience: Duration) -> io::Result<()> {
        let (file, end, mut at) = (Arc::new(file), first + length, first);
        while at < end {
            let size = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let source = file.clone();
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; size];
                source.read_exact_at(&mut chunk, at).map(|()| chunk)
            });
            let chunk = read.await.map_err(io::Error::other)??;
            self.write(&chunk, patience).await?;
            at += size as u64;
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub async fn close(&mut self) {
        let _ = match self {
            Self::Clear(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        };
    }
}

async fn send_file(stream: &TcpStream, file: &File, first: u64, length: u64, patience: Duration) -> io::Result<()> {
    let (end, mut at) = (first + length, first);
    let mut due: Option<(Instant, u64)> = None;
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(MOST).min(MOST);
        let mut offset = at;
        let sent = stream.try_io(Interest::WRITABLE, || {
            rustix::fs::sendfile(stream, file, Some(&mut offset), most).map_err(io::Error::from)
        });
        match sent {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter")),
            Ok(_) => {
                at = offset;
                if due.is_some_and(|(_, mark)| at - mark >= LEAST) {
                    due = None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (deadline, _) = *due.get_or_insert_with(|| (Instant::now() + patience, at));
                timeout_at(deadline, stream.writable()).await.map_err(|_| slow())??;
            }
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly")
}
