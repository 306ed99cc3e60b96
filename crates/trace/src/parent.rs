//! `traceparent` (W3C Trace Context, level 1, section 3.2): `00-<trace: 32 hex>-<span: 16 hex>-<flags: 2 hex>`.

use std::fmt;
use std::str::FromStr;

/// The header of HTTP, and the key of gRPC's metadata.
pub const HEADER: &str = "traceparent";

/// A span's place: which trace it is in, which span it is, and whether the trace is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    pub sampled: bool,
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// What stands there is no `traceparent`, and is to be taken as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATraceParent;

impl fmt::Display for NotATraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits> is wanted")
    }
}
impl std::error::Error for NotATraceParent {}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits).ok_or(NotATraceParent)?;
            let lower = part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if lower { u128::from_str_radix(part, 16).map_err(|_| NotATraceParent) } else { Err(NotATraceParent) }
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let more = parts.next().is_some();
        // Later versions may say more at the end; ff is no version.
        if version == 0xff || (version == 0 && more) || trace == 0 || span == 0 {
            return Err(NotATraceParent);
        }
        let span = u64::try_from(span).map_err(|_| NotATraceParent)?;
        Ok(Self { trace: trace.to_be_bytes(), span: span.to_be_bytes(), sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_and_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        let parsed: TraceParent = text.parse().unwrap();
        assert_eq!((parsed.trace[0], parsed.span[1], parsed.sampled), (0x0a, 0xf0, true));
        assert_eq!(parsed.to_string(), text);
        let later: TraceParent = "01-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-02-more".parse().unwrap();
        assert_eq!((later.trace, later.span, later.sampled), (parsed.trace, parsed.span, false));
        assert!(later.to_string().starts_with("00-") && later.to_string().ends_with("-00"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-0AF7651916CD43DD8448EB211C80319C-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-00f067aa0ba902b7-01",
            "00-+af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(NotATraceParent), "{text}");
        }
    }
}
