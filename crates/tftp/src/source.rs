//! How the server opens files.

use std::io::{self, Read};
use std::net::SocketAddr;

use crate::packet::Mode;

/// Opens what clients ask for. **Confinement is this trait's duty**: the server hands on the bytes of the name as they came (they
/// are not empty and hold no zero byte, nothing else is promised).
///
/// Called on the transfer's thread, which may block. Any `Fn(&Wanted) -> Result<OpenFile, OpenError>` is one.
pub trait FileSource: Send + Sync + 'static {
    /// # Errors
    /// [`OpenError`] becomes the error packet that the client sees.
    fn open(&self, wanted: &Wanted<'_>) -> Result<OpenFile, OpenError>;
}

impl<F> FileSource for F
where
    F: Fn(&Wanted<'_>) -> Result<OpenFile, OpenError> + Send + Sync + 'static,
{
    fn open(&self, wanted: &Wanted<'_>) -> Result<OpenFile, OpenError> {
        self(wanted)
    }
}

/// A read request.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub name: &'a [u8],
    pub mode: Mode,
    pub client: SocketAddr,
}

/// A file to be sent.
pub struct OpenFile {
    pub reader: Box<dyn Read + Send>,
    /// Bytes. Exactly as many are sent: a file that turns out shorter ends the transfer with an error, so that a client
    /// never takes half a file for a whole one. `None`: until the reader ends, and `tsize` is not answered.
    pub size: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no such file")]
    NotFound,
    /// Outside of what is served, or not a regular file.
    #[error("access denied")]
    Denied,
    #[error("the file can't be read")]
    Io(#[from] io::Error),
}
