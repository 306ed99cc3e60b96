//! What holds for every stream of bytes from QEMU's control socket, or from a guest that speaks as one. Used by the fuzz target and by
//! its short run on stable.

use qmp::lines::Lines;
use qmp::message::{Message, read, write};

/// The longest line here.
const MOST: usize = 512;

/// The first byte says how the rest is cut into pieces.
pub fn stream(input: &[u8]) {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let whole = cut_into_lines(bytes, usize::MAX);
    let pieces = cut_into_lines(bytes, usize::from(cut % 16) + 1);
    assert_eq!(whole, pieces, "where the pieces end changes nothing");
    for line in &whole.0 {
        assert!(line.len() < MOST && !line.contains(&b'\n'));
        message(line);
    }
}

/// The lines, and whether one was too long.
fn cut_into_lines(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut lines, mut found) = (Lines::new(MOST), Vec::new());
    for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
        lines.push(piece);
        loop {
            match lines.next_line() {
                Ok(Some(line)) => found.push(line),
                Ok(None) => break,
                Err(_) => {
                    assert!(lines.next_line().is_err(), "what can't be trusted stays so");
                    return (found, true);
                }
            }
        }
    }
    (found, false)
}

fn message(line: &[u8]) {
    match read(line) {
        Ok(Message::Event(event)) => {
            let _ = event.reason();
        }
        // A command that echoes what came is still one line, and JSON.
        Ok(Message::Return { id, value }) => {
            let command = write(id.unwrap_or(0), "echo", value);
            assert_eq!(command.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert!(command.ends_with(b"\n") && serde_json::from_slice::<serde_json::Value>(&command).is_ok());
        }
        Ok(Message::Greeting { version }) => {
            assert!(version.split('.').count() == 3 && version.bytes().all(|b| b == b'.' || b.is_ascii_digit()));
        }
        Ok(Message::Error { .. } | Message::Unknown) => {}
        Err(error) => assert!(serde_json::from_slice::<serde_json::Value>(line).is_err(), "{error}"),
    }
}
