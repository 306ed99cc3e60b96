//! Which file a request wants, and the answer to it.

use std::net::SocketAddr;

use artifact::Digest;
use bytes::Bytes;
use hyper::StatusCode;

use crate::http::head::{AnswerHead, Method, Request};
use crate::range::{Part, part};
use crate::root::RootError;
use crate::tree::{Content, Protocol, Sending, Tree};

/// For a path, which may lead to other content tomorrow.
const REVALIDATE: &str = "no-cache";
/// For a digest, which can't.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

const OCTETS: &str = "application/octet-stream";

/// An answer, but for the end of its head.
pub struct Answer {
    pub status: StatusCode,
    pub head: AnswerHead,
    pub body: Body,
}

pub enum Body {
    Bytes(Bytes),
    File { file: Sending, first: u64, length: u64 },
}

impl Body {
    /// Bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

impl Answer {
    #[must_use]
    pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        let (text, mut head) = (text.into(), AnswerHead::new(status));
        head.header("content-type", "text/plain; charset=utf-8").header("content-length", text.len());
        Self { status, head, body: Body::Bytes(text) }
    }
}

/// The answer, if the path leads where files are. Opens the file: a few calls to the kernel, which seldom block, and whose hand-over to
/// another thread would cost more than they do.
#[must_use]
pub fn answer(tree: &Tree, request: &Request, peer: SocketAddr) -> Option<Answer> {
    let path = request.path.as_slice();
    let (shown, opened, cache) = if let Some(text) = path.strip_prefix(b"/artifacts/sha256/") {
        match String::from_utf8_lossy(text).parse::<Digest>() {
            Ok(digest) => (digest.to_string(), tree.artifact(digest, Protocol::Http), FOR_EVER),
            Err(_) if text.is_empty() => return None,
            Err(error) => return Some(Answer::text(StatusCode::BAD_REQUEST, format!("{error}\n"))),
        }
    } else {
        let name = match path {
            b"/boot.ipxe" => &path[1..],
            _ if path.starts_with(b"/images/") => path,
            _ => path.strip_prefix(b"/tftp/")?,
        };
        let Some(name) = percent_decode(name) else {
            let text = "the path holds a '%' without two hex digits\n";
            return Some(Answer::text(StatusCode::BAD_REQUEST, text));
        };
        (tftp::packet::printable(&name), tree.open(&name, Protocol::Http), REVALIDATE)
    };
    let answer = match opened {
        Ok(content) => of_content(content, request, cache),
        Err(error) => failed(&shown, &error),
    };
    let status = answer.status.as_u16();
    match status {
        200 | 206 if request.method == Method::Get => {
            tracing::debug!(%peer, file = shown, status, bytes = answer.body.length(), "boot file sent by HTTP");
        }
        _ => tracing::debug!(%peer, file = shown, status, "boot file asked for by HTTP"),
    }
    Some(answer)
}

/// What exists but may not be read looks like what does not exist.
fn failed(shown: &str, error: &RootError) -> Answer {
    match error {
        RootError::NotFound => {}
        RootError::Denied(reason) => tracing::warn!(file = shown, reason, "HTTP request refused"),
        RootError::Io(error) => {
            tracing::error!(file = shown, %error, "a boot file can't be read");
            return Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the file can't be read\n");
        }
    }
    Answer::text(StatusCode::NOT_FOUND, "no such file\n")
}

fn of_content(content: Content, request: &Request, cache: &str) -> Answer {
    let size = content.size();
    let (etag, kind) = match &content {
        Content::File { digest: Some(digest), .. } => (format!("\"{digest}\""), OCTETS),
        Content::File { mark, .. } => (mark.etag(), OCTETS),
        Content::Bytes(bytes) if bytes.starts_with(b"{") => (format!("\"{}\"", Digest::of(bytes)), "application/json"),
        Content::Bytes(bytes) => (format!("\"{}\"", Digest::of(bytes)), "text/plain; charset=utf-8"),
    };
    let part = part(&request.headers, &etag, size);
    let (status, first, length) = match part {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Range { first, length } => (StatusCode::PARTIAL_CONTENT, first, length),
        Part::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        Part::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
        Part::Precondition => (StatusCode::PRECONDITION_FAILED, 0, 0),
    };
    let mut head = AnswerHead::new(status);
    head.header("etag", &etag).header("cache-control", cache).header("accept-ranges", "bytes");
    head.header("x-content-type-options", "nosniff");
    match part {
        Part::Whole => head.header("content-type", kind),
        Part::Range { .. } => {
            let last = first + length - 1;
            head.header("content-type", kind).header("content-range", format_args!("bytes {first}-{last}/{size}"))
        }
        Part::Beyond => head.header("content-range", format_args!("bytes */{size}")),
        Part::NotModified | Part::Precondition => &mut head,
    };
    if part != Part::NotModified {
        head.header("content-length", length);
    }
    let body = match content {
        _ if length == 0 => Body::Bytes(Bytes::new()),
        Content::Bytes(bytes) => Body::Bytes(bytes.slice(position(first)..position(first + length))),
        Content::File { file, .. } => Body::File { file, first, length },
    };
    Answer { status, head, body }
}

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// `None`: a percent sign without two hex digits.
fn percent_decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = path.iter().copied();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            decoded.extend(types::rescue::unhex(std::str::from_utf8(&pair).ok()?)?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(percent_decode(b"a%2Fb%00").unwrap(), b"a/b\0");
        assert_eq!(percent_decode(b"%252e").unwrap(), b"%2e");
        for wrong in ["%", "%2", "%zz", "a%"] {
            assert_eq!(percent_decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
