//! Asciicast v2: a header, then a line for each piece of output: `[seconds, "o", "text"]`. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

/// A serial line knows no size; programs on it take this one.
const SIZE: (u32, u32) = (80, 24);

/// The first line.
#[must_use]
pub fn header(title: &str, started_at: DateTime<Utc>) -> String {
    let (width, height) = SIZE;
    let header = json!({
        "version": 2, "width": width, "height": height, "timestamp": started_at.timestamp(), "title": title,
        "env": { "TERM": "vt220" },
    });
    format!("{header}\n")
}

/// Makes lines of pieces of bytes. A character may begin in one piece and end in the next.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// The line of a piece that came at this time; empty, if it completes no character.
    pub fn line(&mut self, at: Duration, piece: &[u8]) -> String {
        self.begun.extend_from_slice(piece);
        let whole = whole(&self.begun);
        let text = String::from_utf8_lossy(&self.begun[..whole]).into_owned();
        self.begun.drain(..whole);
        said(at, &text)
    }

    /// What was begun and never completed.
    pub fn rest(&mut self, at: Duration) -> String {
        said(at, &String::from_utf8_lossy(&std::mem::take(&mut self.begun)))
    }
}

/// The line of a text; empty for none.
#[must_use]
pub fn said(at: Duration, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("[{:.6}, \"o\", {}]\n", at.as_secs_f64(), json!(text)) }
}

/// How many of the bytes stand before a character that is begun at their end.
fn whole(bytes: &[u8]) -> usize {
    // RFC 3629: a character has at most four bytes, the first of which says how many.
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let wanted = match bytes[at] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if wanted > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_never_torn() {
        let text = "a€😀é\u{1b}[0m\"\\\u{0}";
        for split in 0..=text.len() {
            let (mut lines, mut seen) = (Lines::default(), String::new());
            let (a, b) = text.as_bytes().split_at(split);
            let cast =
                [lines.line(Duration::ZERO, a), lines.line(Duration::ZERO, b), lines.rest(Duration::ZERO)].concat();
            for line in cast.lines() {
                let (_, _, text): (f64, String, String) = serde_json::from_str(line).unwrap();
                seen += &text;
            }
            assert_eq!(seen, text, "{split}");
        }
    }

    #[test]
    fn what_is_no_text_is_shown_as_such_and_nothing_is_held_back_for_ever() {
        let mut lines = Lines::default();
        assert_eq!(lines.line(Duration::from_millis(1500), b"\xff\x80x"), "[1.500000, \"o\", \"\u{fffd}\u{fffd}x\"]\n");
        assert_eq!(lines.line(Duration::ZERO, b"\xe2\x82"), "");
        assert_eq!(lines.rest(Duration::ZERO), "[0.000000, \"o\", \"\u{fffd}\"]\n");
        assert_eq!(lines.rest(Duration::ZERO), "");
        assert_eq!(lines.line(Duration::ZERO, &[0x80; 5]).matches('\u{fffd}').count(), 5);
    }

    #[test]
    fn the_header_is_one_line() {
        let header = header("we\"b\n1", DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        assert_eq!(header.matches('\n').count(), 1);
        let header: serde_json::Value = serde_json::from_str(&header).unwrap();
        assert_eq!((&header["version"], &header["timestamp"]), (&json!(2), &json!(1_700_000_000)));
    }
}
