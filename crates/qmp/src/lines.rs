//! Bytes to lines, with a limit on the length of a line. Pure: the caller reads, this cuts.

/// A line was longer than the limit. The stream can't be trusted after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {max} bytes")]
pub struct TooLong {
    pub max: usize,
}

/// Cuts a stream of bytes, which comes in pieces of any size, into lines.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Up to here no line feed was found, so a long line is not searched twice.
    searched: usize,
    max: usize,
}

impl Lines {
    /// `max`: the longest line in bytes, line feed included.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { buffer: Vec::new(), searched: 0, max }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without `\n` or `\r\n`; `None` until more bytes come.
    ///
    /// # Errors
    /// [`TooLong`]; every later call answers the same.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let found = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n').map(|at| at + self.searched);
        let Some(end) = found else {
            if self.buffer.len() >= self.max {
                return Err(TooLong { max: self.max });
            }
            self.searched = self.buffer.len();
            return Ok(None);
        };
        if end >= self.max {
            return Err(TooLong { max: self.max });
        }
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(lines: &mut Lines) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut all = Vec::new();
        while let Some(line) = lines.next_line()? {
            all.push(line);
        }
        Ok(all)
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_does_not() {
        let mut lines = Lines::new(4);
        lines.push(b"abc\n");
        assert_eq!(drain(&mut lines), Ok(vec![b"abc".to_vec()]));
        lines.push(b"abcd");
        assert_eq!(drain(&mut lines), Err(TooLong { max: 4 }));
        lines.push(b"\n");
        assert_eq!(drain(&mut lines), Err(TooLong { max: 4 }));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(texts in prop::collection::vec("[a-z\r]{0,12}", 0..8), cuts in prop::collection::vec(1usize..7, 1..40)) {
            let stream: Vec<u8> = texts.iter().flat_map(|text| format!("{text}\n").into_bytes()).collect();
            let mut whole = Lines::new(64);
            whole.push(&stream);
            let expected = drain(&mut whole).unwrap();
            prop_assert_eq!(expected.len(), texts.len());

            let mut pieces = Lines::new(64);
            let (mut seen, mut rest, mut cuts) = (Vec::new(), &stream[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                pieces.push(head);
                seen.extend(drain(&mut pieces).unwrap());
                rest = tail;
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
