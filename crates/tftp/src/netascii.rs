//! Netascii (RFC 764 by way of RFC 1350): a line end is CR LF, a bare CR is CR NUL.

use std::io::{self, Read};

/// Reads a file's bytes as netascii.
pub struct Netascii<R> {
    inner: R,
    raw: Vec<u8>,
    at: usize,
    /// The second byte of a pair whose first one filled the buffer.
    owed: Option<u8>,
}

impl<R: Read> Netascii<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, raw: Vec::new(), at: 0, owed: None }
    }
}

impl<R: Read> Read for Netascii<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            if let Some(byte) = self.owed.take() {
                out[filled] = byte;
                filled += 1;
                continue;
            }
            if self.at == self.raw.len() {
                if filled > 0 {
                    break;
                }
                self.raw.resize(16 * 1024, 0);
                let n = self.inner.read(&mut self.raw)?;
                self.raw.truncate(n);
                self.at = 0;
                if n == 0 {
                    break;
                }
            }
            let byte = self.raw[self.at];
            self.at += 1;
            out[filled] = byte;
            match byte {
                b'\n' => {
                    out[filled] = b'\r';
                    self.owed = Some(b'\n');
                }
                b'\r' => self.owed = Some(0),
                _ => {}
            }
            filled += 1;
        }
        Ok(filled)
    }
}

/// Netascii back to plain bytes. A CR that is followed by neither LF nor NUL stays as it is.
#[must_use]
pub fn decode(wire: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(wire.len());
    let mut bytes = wire.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\r', Some(b'\n')) => {
                plain.push(b'\n');
                bytes.next();
            }
            (b'\r', Some(0)) => {
                plain.push(b'\r');
                bytes.next();
            }
            _ => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_ends_are_doubled() {
        let mut wire = Vec::new();
        Netascii::new(&b"a\nb\rc\r\n"[..]).read_to_end(&mut wire).unwrap();
        assert_eq!(wire, b"a\r\nb\r\0c\r\0\r\n");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding_whatever_the_buffer(text in "[a\r\n\0]{0,200}", step in 1usize..9) {
            let mut reader = Netascii::new(text.as_bytes());
            let (mut wire, mut buffer) = (Vec::new(), vec![0; step]);
            loop {
                let n = reader.read(&mut buffer).unwrap();
                if n == 0 { break }
                wire.extend_from_slice(&buffer[..n]);
            }
            prop_assert_eq!(decode(&wire), text.as_bytes());
        }
    }
}
