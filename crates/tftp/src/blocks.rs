//! A file as a row of blocks. Reads far more than a block at a time and cuts blocks out of it without copying, so that
//! small blocks do not cost a call to the kernel each.

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};

use crate::netascii::Netascii;
use crate::packet::Mode;
use crate::source::OpenFile;

const READ_AHEAD: usize = 128 * 1024;

pub struct Blocks {
    reader: Box<dyn Read + Send>,
    blksize: usize,
    /// How many whole blocks one read brings.
    per_read: usize,
    ready: Bytes,
    ended: bool,
}

impl Blocks {
    #[must_use]
    pub fn new(file: OpenFile, mode: Mode, blksize: u16) -> Self {
        let reader: Box<dyn Read + Send> = match file.size {
            Some(size) => Box::new(Exactly { inner: file.reader, left: size }),
            None => file.reader,
        };
        let reader = match mode {
            Mode::Octet => reader,
            Mode::Netascii => Box::new(Netascii::new(reader)),
        };
        let blksize = usize::from(blksize);
        Self { reader, blksize, per_read: (READ_AHEAD / blksize).max(1), ready: Bytes::new(), ended: false }
    }

    /// The next block, if it was read already. A block shorter than the others (perhaps empty) is the last.
    pub fn next_ready(&mut self) -> Option<Bytes> {
        if self.ready.len() >= self.blksize {
            return Some(self.ready.split_to(self.blksize));
        }
        self.ended.then(|| std::mem::take(&mut self.ready))
    }

    /// Reads until [`Self::next_ready`] has one. Blocks the thread.
    ///
    /// # Errors
    /// What the file says; `UnexpectedEof` when it is shorter than announced.
    pub fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.ready.len() >= self.blksize {
            return Ok(());
        }
        let mut buffer = BytesMut::zeroed(self.per_read * self.blksize);
        let mut filled = self.ready.len();
        buffer[..filled].copy_from_slice(&self.ready);
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        buffer.truncate(filled);
        self.ready = buffer.freeze();
        Ok(())
    }
}

/// As many bytes as were announced, neither more nor fewer.
struct Exactly {
    inner: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if most == 0 {
            return Ok(0);
        }
        let n = self.inner.read(&mut out[..most])?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(content: &'static [u8], announced: Option<u64>, blksize: u16) -> io::Result<Vec<usize>> {
        let file = OpenFile { reader: Box::new(content), size: announced };
        let mut blocks = Blocks::new(file, Mode::Octet, blksize);
        let mut sizes = Vec::new();
        loop {
            blocks.fill()?;
            let block = blocks.next_ready().expect("fill makes one ready");
            sizes.push(block.len());
            if block.len() < usize::from(blksize) {
                return Ok(sizes);
            }
        }
    }

    #[test]
    fn the_last_block_is_the_short_one() {
        assert_eq!(sizes(b"", Some(0), 8).unwrap(), [0]);
        assert_eq!(sizes(b"1234567", Some(7), 8).unwrap(), [7]);
        assert_eq!(sizes(b"12345678", Some(8), 8).unwrap(), [8, 0]);
        assert_eq!(sizes(&[7; 600_000], None, 8).unwrap().len(), 75_001);
    }

    #[test]
    fn a_file_that_grows_is_cut_and_one_that_shrinks_is_an_error() {
        assert_eq!(sizes(b"123456789", Some(3), 8).unwrap(), [3]);
        assert_eq!(sizes(b"12345678", Some(9), 8).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
