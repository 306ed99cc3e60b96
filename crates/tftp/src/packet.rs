//! Bytes to packets and back: RFC 1350 section 5, options as in RFC 2347.
//!
//! Reading borrows from the datagram and never allocates but for the list of options. What is optional is read with patience
//! (padding after the options, a last option without its zero byte), what is not is refused.

use std::fmt::Write as _;

const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTION_ACK: u16 = 6;

/// Bytes before the payload of a data packet.
pub const DATA_HEADER: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    Read(Request<'a>),
    Write(Request<'a>),
    /// Block numbers start at 1 and go from 65535 to 0.
    Data {
        block: u16,
        body: &'a [u8],
    },
    Ack {
        block: u16,
    },
    Error {
        code: ErrorCode,
        message: &'a [u8],
    },
    OptionAck(OptionList<'a>),
}

/// Names and values as they came. A name is compared without regard to case.
pub type OptionList<'a> = Vec<(&'a [u8], &'a [u8])>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Any bytes but zero; not empty.
    pub name: &'a [u8],
    pub mode: Mode,
    pub options: OptionList<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bytes as they are.
    Octet,
    /// Text with the line ends of RFC 764; see [`crate::netascii`].
    Netascii,
}

impl Mode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
        }
    }
}

/// RFC 1350 section 5, and 8 from RFC 2347. A code that is not known is kept as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// See the message.
    Undefined,
    NotFound,
    AccessViolation,
    DiskFull,
    IllegalOperation,
    UnknownTransfer,
    FileExists,
    NoSuchUser,
    /// The options that were granted do not suit.
    OptionsRefused,
    Other(u16),
}

impl ErrorCode {
    const KNOWN: [Self; 9] = [
        Self::Undefined,
        Self::NotFound,
        Self::AccessViolation,
        Self::DiskFull,
        Self::IllegalOperation,
        Self::UnknownTransfer,
        Self::FileExists,
        Self::NoSuchUser,
        Self::OptionsRefused,
    ];

    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Other(number) => number,
            known => Self::KNOWN.iter().position(|k| *k == known).and_then(|p| p.try_into().ok()).unwrap_or(0),
        }
    }

    #[must_use]
    pub fn from_number(number: u16) -> Self {
        Self::KNOWN.get(usize::from(number)).copied().unwrap_or(Self::Other(number))
    }
}

/// A datagram is not a TFTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the packet is too short")]
    Short,
    #[error("unknown operation {0}")]
    Operation(u16),
    #[error("the file name is empty or does not end")]
    Name,
    #[error("the transfer mode must be octet or netascii")]
    Mode,
}

impl<'a> Packet<'a> {
    /// # Errors
    /// [`Malformed`]: what is wrong, in words that may be sent to the peer.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (operation, rest) = number(datagram)?;
        match operation {
            READ => request(rest).map(Self::Read),
            WRITE => request(rest).map(Self::Write),
            DATA => number(rest).map(|(block, body)| Self::Data { block, body }),
            ACK => number(rest).map(|(block, _)| Self::Ack { block }),
            ERROR => {
                let (code, rest) = number(rest)?;
                let message = text(rest).map_or(rest, |(message, _)| message);
                Ok(Self::Error { code: ErrorCode::from_number(code), message })
            }
            OPTION_ACK => Ok(Self::OptionAck(options(rest))),
            other => Err(Malformed::Operation(other)),
        }
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::Read(request) => put_request(&mut out, READ, request),
            Self::Write(request) => put_request(&mut out, WRITE, request),
            Self::Data { block, body } => {
                out.extend_from_slice(&data_header(*block));
                out.extend_from_slice(body);
            }
            Self::Ack { block } => {
                put(&mut out, ACK);
                put(&mut out, *block);
            }
            Self::Error { code, message } => {
                put(&mut out, ERROR);
                put(&mut out, code.number());
                put_text(&mut out, message);
            }
            Self::OptionAck(options) => {
                put(&mut out, OPTION_ACK);
                put_options(&mut out, options);
            }
        }
        out
    }
}

/// The bytes before a block's payload.
#[must_use]
pub fn data_header(block: u16) -> [u8; DATA_HEADER] {
    let ([a, b], [c, d]) = (DATA.to_be_bytes(), block.to_be_bytes());
    [a, b, c, d]
}

/// A name from the network, fit for a log: printable ASCII, the rest escaped, at most 120 characters.
#[must_use]
pub fn printable(name: &[u8]) -> String {
    let mut text = String::new();
    for byte in name {
        if text.len() >= 120 {
            text.push('…');
            break;
        }
        match byte {
            b' '..=b'~' if *byte != b'\\' => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\x{other:02x}");
            }
        }
    }
    text
}

fn number(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (head, rest) = bytes.split_first_chunk::<2>().ok_or(Malformed::Short)?;
    Ok((u16::from_be_bytes(*head), rest))
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn request(bytes: &[u8]) -> Result<Request<'_>, Malformed> {
    let (name, rest) = text(bytes).filter(|(name, _)| !name.is_empty()).ok_or(Malformed::Name)?;
    let (mode, rest) = text(rest).ok_or(Malformed::Mode)?;
    let mode = [Mode::Octet, Mode::Netascii].into_iter().find(|m| mode.eq_ignore_ascii_case(m.as_str().as_bytes()));
    Ok(Request { name, mode: mode.ok_or(Malformed::Mode)?, options: options(rest) })
}

/// Ends at an empty name (padding) and at a pair that is not whole.
fn options(mut rest: &[u8]) -> OptionList<'_> {
    let mut list = Vec::new();
    while let Some((name, after)) = text(rest).filter(|(name, _)| !name.is_empty()) {
        let Some((value, after)) = text(after) else { break };
        list.push((name, value));
        rest = after;
    }
    list
}

fn put(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}

fn put_options(out: &mut Vec<u8>, options: &OptionList<'_>) {
    for (name, value) in options {
        put_text(out, name);
        put_text(out, value);
    }
}

fn put_request(out: &mut Vec<u8>, operation: u16, request: &Request<'_>) {
    put(out, operation);
    put_text(out, request.name);
    put_text(out, request.mode.as_str().as_bytes());
    put_options(out, &request.options);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(1u8..=255, 1..40)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            if let Ok(packet) = Packet::decode(&bytes) {
                let again = packet.encode();
                prop_assert_eq!(Packet::decode(&again).unwrap(), packet);
            }
        }

        #[test]
        fn requests_survive_a_round_trip(name in word(), octet in any::<bool>(), options in proptest::collection::vec((word(), word()), 0..5)) {
            let mode = if octet { Mode::Octet } else { Mode::Netascii };
            let options = options.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
            let packet = Packet::Read(Request { name: &name, mode, options });
            let wire = packet.encode();
            prop_assert_eq!(Packet::decode(&wire).unwrap(), packet);
        }
    }

    #[test]
    fn what_is_optional_is_read_with_patience() {
        let padded = b"\0\x01kernel\0OcTeT\0BLKSIZE\x001428\0\0\0\0\0";
        let Packet::Read(request) = Packet::decode(padded).unwrap() else { panic!("a read request") };
        assert_eq!((request.name, request.mode), (&b"kernel"[..], Mode::Octet));
        assert_eq!(request.options, vec![(&b"BLKSIZE"[..], &b"1428"[..])]);
        let cut = b"\0\x01kernel\0octet\0tsize\x000";
        let Packet::Read(request) = Packet::decode(cut).unwrap() else { panic!("a read request") };
        assert_eq!(request.options, vec![]);
    }

    #[test]
    fn what_is_not_is_refused() {
        for (bytes, want) in [
            (&b""[..], Malformed::Short),
            (b"\0", Malformed::Short),
            (b"\0\x03\0", Malformed::Short),
            (b"\0\x09kernel\0octet\0", Malformed::Operation(9)),
            (b"\0\x01\0octet\0", Malformed::Name),
            (b"\0\x01kernel", Malformed::Name),
            (b"\0\x01kernel\0", Malformed::Mode),
            (b"\0\x01kernel\0mail\0", Malformed::Mode),
        ] {
            assert_eq!(Packet::decode(bytes), Err(want), "{bytes:?}");
        }
    }

    #[test]
    fn error_codes_keep_their_numbers() {
        for number in [0, 1, 2, 4, 8, 9, 65535] {
            assert_eq!(ErrorCode::from_number(number).number(), number);
        }
        assert_eq!(ErrorCode::AccessViolation.number(), 2);
    }

    #[test]
    fn a_name_is_shown_without_control_characters() {
        assert_eq!(printable(b"a\x1b[31m\\"), "a\\x1b[31m\\x5c");
        assert!(printable(&[b'a'; 4000]).len() < 130);
    }
}
