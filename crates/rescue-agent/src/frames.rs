//! Frames as bytes: cuts what comes in into lines of a bounded length, and makes lines of what goes out.

use types::rescue::{Frame, MAX_FRAME, ReadyReport};

/// What the other side sent was no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// The stream can't be trusted any more: whoever reads on would not know where a frame begins.
    #[error("a frame is longer than {MAX_FRAME} bytes")]
    TooLong,
    /// This one line is skipped.
    #[error("a line is no frame this system knows")]
    Unknown,
}

/// Collects bytes until they make lines.
#[derive(Default)]
pub struct FrameReader {
    line: Vec<u8>,
}

impl FrameReader {
    /// Takes bytes as they come and returns what they complete, in order. After [`BadFrame::TooLong`] nothing more is returned,
    /// and the connection must be given up.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Frame, BadFrame>> {
        let mut frames = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > MAX_FRAME {
                self.line.clear();
                frames.push(Err(BadFrame::TooLong));
                return frames;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                if !line.trim_ascii().is_empty() {
                    frames.push(serde_json::from_slice(&line).map_err(|_| BadFrame::Unknown));
                }
            }
        }
        frames
    }
}

/// One line, newline included. JSON escapes line feeds inside strings, so the only one is the last byte.
pub fn line(frame: &Frame) -> Vec<u8> {
    // A frame holds strings and numbers only: there is nothing in it that JSON can't say.
    let mut line = serde_json::to_vec(frame).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Makes the report short enough for a frame: what is on the disks goes first, then addresses; the disks themselves stay.
/// The payload is JSON inside JSON, where each quote is escaped, so half of the frame is what it may take.
pub fn shorten(report: &mut ReadyReport) {
    let too_long = |report: &ReadyReport| serde_json::to_vec(report).map_or(0, |text| text.len()) > MAX_FRAME / 2;
    while too_long(report) {
        let longest = report.disks.iter_mut().max_by_key(|disk| disk.parts.len());
        match longest {
            Some(disk) if !disk.parts.is_empty() => disk.parts.clear(),
            _ if !report.addresses.is_empty() => report.addresses.clear(),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use types::id::SessionId;
    use types::rescue::{SeenDisk, SeenPart, prove};
    use types::secret::Secret;

    use super::*;

    #[test]
    fn lines_may_come_in_any_pieces() {
        let bytes = b"{\"type\":\"hello\",\"version\":1}\n\r\n{\"type\":\"shutdown\"}\nrest";
        for size in 1..bytes.len() {
            let mut reader = FrameReader::default();
            let got: Vec<_> = bytes.chunks(size).flat_map(|piece| reader.push(piece)).collect();
            assert_eq!(got, [Ok(Frame::Hello { version: 1 }), Ok(Frame::Shutdown)], "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_frame_is_skipped_alone() {
        let got = FrameReader::default().push(b"{\"type\":\"dance\"}\n\xff\xfe\n{}\n{\"type\":\"shutdown\"}\n");
        assert_eq!(got, [Err(BadFrame::Unknown), Err(BadFrame::Unknown), Err(BadFrame::Unknown), Ok(Frame::Shutdown)]);
    }

    #[test]
    fn the_limit_is_exact_and_counts_the_newline() {
        let frame_of = |length: usize| {
            let empty = line(&Frame::Error { message: String::new() }).len();
            line(&Frame::Error { message: "x".repeat(length - empty) })
        };
        let longest = frame_of(MAX_FRAME);
        assert_eq!(longest.len(), MAX_FRAME);
        assert!(matches!(FrameReader::default().push(&longest)[..], [Ok(Frame::Error { .. })]));
        assert_eq!(FrameReader::default().push(&frame_of(MAX_FRAME + 1)), [Err(BadFrame::TooLong)]);
        // Without a newline in sight it is refused before memory grows further.
        let mut reader = FrameReader::default();
        assert_eq!(reader.push(&vec![b'x'; MAX_FRAME]), []);
        assert_eq!(reader.push(b"x"), [Err(BadFrame::TooLong)]);
    }

    #[test]
    fn a_report_of_very_many_disks_still_fits() {
        let part = SeenPart {
            name: "vda1".into(),
            size: 1,
            filesystem: "ext4".into(),
            label: "\"label\"".repeat(10),
            uuid: "0".repeat(36),
            ..SeenPart::default()
        };
        let disk = |n: usize| SeenDisk {
            name: format!("vd{n}"),
            size: 1 << 30,
            serial: "0123456789abcdef".into(),
            read_only: false,
            parts: vec![part.clone(); 16],
            ..SeenDisk::default()
        };
        let mut report = ReadyReport {
            session: SessionId::generate(),
            nonce: "00".repeat(16),
            boot: 1,
            kernel: "6".into(),
            image: "small".into(),
            disks: (0..200).map(disk).collect(),
            addresses: vec!["eth0 10.0.2.15/24".into()],
            ssh_fingerprint: None,
            ssh_host_key: None,
        };
        shorten(&mut report);
        assert_eq!(report.disks.len(), 200);
        assert!(report.disks.iter().any(|disk| !disk.parts.is_empty()), "only as much is dropped as must be");
        let frame = prove(&Secret::new("ab".repeat(32)), &report).unwrap();
        assert!(line(&frame).len() <= MAX_FRAME);
    }
}
