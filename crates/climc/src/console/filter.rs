//! What a serial console prints, without what would steer a terminal: escape sequences (ECMA-48) and control characters, but line ends and
//! tabs. Works on pieces of any size, and never holds back more than one sequence.

/// Where in a sequence the last piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Text,
    /// After ESC, perhaps with intermediate bytes.
    Escape,
    /// In a control sequence: ESC [ ... final byte.
    Control,
    /// In a string (title, device control, ...): until BEL or ESC \.
    Within,
    /// After an ESC inside a string.
    WithinEscape,
}

#[derive(Debug, Default)]
pub struct Filter {
    at: At,
    /// The beginning of a character of several bytes.
    partial: Vec<u8>,
}

impl Filter {
    /// The harmless part of the next piece.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut kept = std::mem::take(&mut self.partial);
        for &byte in bytes {
            if self.keeps(byte) {
                kept.push(byte);
            }
        }
        let (text, rest) = decode(&kept);
        self.partial = rest;
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
    }

    fn keeps(&mut self, byte: u8) -> bool {
        let (next, keep) = match (self.at, byte) {
            (At::Within, 0x07) | (At::WithinEscape, b'\\') => (At::Text, false),
            (At::Within | At::WithinEscape, 0x1b) => (At::WithinEscape, false),
            // A string that is cut off must not swallow the rest of the console.
            (At::Within | At::WithinEscape, b'\n') => (At::Text, true),
            (At::Within, _) => (At::Within, false),
            (_, 0x1b) => (At::Escape, false),
            // CAN and SUB end any sequence.
            (_, 0x18 | 0x1a) => (At::Text, false),
            (At::Escape | At::WithinEscape, b'[') => (At::Control, false),
            (At::Escape | At::WithinEscape, b']' | b'P' | b'X' | b'^' | b'_') => (At::Within, false),
            (At::Escape, 0x20..=0x2f) => (At::Escape, false),
            (At::Escape | At::Control, b'\n' | b'\t') => (self.at, true),
            (At::Control, 0x20..=0x3f) => (At::Control, false),
            // Control characters inside a sequence are obeyed on the spot by terminals; here they are dropped.
            (At::Escape | At::Control, 0x00..=0x1f) => (self.at, false),
            (At::Escape | At::Control | At::WithinEscape, 0x20..=0x7e) => (At::Text, false),
            // No byte of a sequence: text again.
            (At::Escape | At::Control | At::WithinEscape, _) => (At::Text, true),
            (At::Text, byte) => (At::Text, byte >= 0x20 && byte != 0x7f || matches!(byte, b'\n' | b'\t')),
        };
        self.at = next;
        keep
    }
}

/// Text, bad bytes replaced; and the bytes at the end that may be the beginning of a character.
fn decode(bytes: &[u8]) -> (String, Vec<u8>) {
    let mut text = String::new();
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(good) => {
                text.push_str(good);
                return (text, Vec::new());
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(good));
                let Some(length) = error.error_len() else { return (text, bad.to_vec()) };
                text.push('\u{fffd}');
                rest = &bad[length..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn sequences_vanish_and_text_stays() {
        for (raw, plain) in [
            ("\x1b[1;31mred\x1b[0m\r\nnext\tüñ", "red\nnext\tüñ"),
            ("\x1b]0;title\x07a\x1b]2;t\x1b\\b", "ab"),
            ("\x1bP1$r\x1b\\a\x1b(Bb\x1b=c\x1b7d", "abcd"),
            ("bell\x07 back\x08\x7f del", "bell back del"),
            ("cut \x1b]0;off\nhere", "cut \nhere"),
            ("a\u{9b}31mb", "a31mb"),
        ] {
            assert_eq!(Filter::default().push(raw.as_bytes()), plain, "{raw:?}");
        }
        assert_eq!(Filter::default().push(b"a\xffb"), "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn nothing_steers_and_pieces_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..9) {
            let whole = Filter::default().push(&bytes);
            prop_assert!(!whole.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
            let mut filter = Filter::default();
            let pieces: String = bytes.chunks(size).map(|piece| filter.push(piece)).collect();
            prop_assert_eq!(pieces, whole);
        }
    }
}
