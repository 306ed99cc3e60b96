//! The head of a request and of an answer (RFC 9110, RFC 9112). Pure.

use std::io::Write as _;
use std::time::SystemTime;

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Bytes of a request's head; more is refused.
pub const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;
const TRACEPARENT: HeaderName = HeaderName::from_static(trace::HEADER);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    /// Refused.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// Raw, without the query: a file's name need not be UTF-8. Begins with a slash.
    pub path: Vec<u8>,
    /// Only those that decide what is sent, and `traceparent`.
    pub headers: HeaderMap,
    /// Another request may follow.
    pub keep_alive: bool,
    /// Bytes of the head.
    pub length: usize,
}

/// Why a request is not understood: a status, and words for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub StatusCode, pub &'static str);

impl Request {
    /// `None`: the head is not whole yet.
    ///
    /// # Errors
    /// [`Refused`]; the connection can't be used any further.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Refused> {
        let bad = |why| Refused(StatusCode::BAD_REQUEST, why);
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut slots);
        let length = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large\n"));
            }
            Err(_) => return Err(bad("this is no HTTP/1.1 request\n")),
        };
        let (method, target) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
        let mut keep_alive = head.version == Some(1);
        let mut hosts = 0;
        let mut headers = HeaderMap::new();
        for header in head.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("connection") {
                let says = |word: &str| {
                    let mut words = header.value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
                    words.any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
                };
                keep_alive = (keep_alive || says("keep-alive")) && !says("close");
            } else if is("host") {
                hosts += 1;
            } else if is("transfer-encoding") || (is("content-length") && header.value != b"0") {
                // Also what keeps one request from being smuggled behind another: nothing with a body is ever read on.
                return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, "files are only read here: send no body\n"));
            } else if let Some(name) = deciding(header.name) {
                let value = HeaderValue::from_bytes(header.value).map_err(|_| bad("a header can't be read\n"))?;
                headers.append(name, value);
            }
        }
        if hosts > 1 || (head.version == Some(1) && hosts == 0) {
            return Err(bad("exactly one Host header is wanted\n"));
        }
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Other,
        };
        let path = path(target).ok_or_else(|| bad("the target must be a path\n"))?;
        Ok(Some(Self { method, path, headers, keep_alive, length }))
    }
}

fn deciding(name: &str) -> Option<HeaderName> {
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, TRACEPARENT]
        .into_iter()
        .find(|known| name.eq_ignore_ascii_case(known.as_str()))
}

/// The path of a target: of `/path?query`, or of `http://host/path`, which a server must understand too.
fn path(target: &str) -> Option<Vec<u8>> {
    let lower = target.get(..8.min(target.len())).unwrap_or_default().to_ascii_lowercase();
    let target = if lower.starts_with("http://") || lower.starts_with("https://") {
        let authority = target.find("//")? + 2;
        match target[authority..].find('/') {
            Some(slash) => &target[authority + slash..],
            None => "/",
        }
    } else {
        target
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    path.starts_with('/').then(|| path.as_bytes().to_vec())
}

/// The head of an answer, built line by line.
#[derive(Debug)]
pub struct AnswerHead(Vec<u8>);

impl AnswerHead {
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        let mut bytes = Vec::with_capacity(512);
        let _ = write!(bytes, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or("Unknown"));
        let _ = write!(bytes, "date: {}\r\n", httpdate::HttpDate::from(SystemTime::now()));
        Self(bytes)
    }

    /// Values are ours, never a client's: a line end within would begin another header.
    pub fn header(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    /// Closes the head. `keep_alive`: whether another request may follow.
    #[must_use]
    pub fn finish(mut self, keep_alive: bool) -> Vec<u8> {
        let connection: &[u8] =
            if keep_alive { b"connection: keep-alive\r\n\r\n" } else { b"connection: close\r\n\r\n" };
        self.0.extend_from_slice(connection);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Request>, u16> {
        Request::parse(text.as_bytes()).map_err(|refused| refused.0.as_u16())
    }

    #[test]
    fn requests_are_read() {
        let text = "GET /tftp/a%20b?x=1 HTTP/1.1\r\nHost: a\r\nRANGE: bytes=1-\r\nCookie: z\r\n\r\nGET /";
        let request = parse(text).unwrap().unwrap();
        assert_eq!((request.method, request.path.as_slice()), (Method::Get, &b"/tftp/a%20b"[..]));
        assert_eq!((request.length, request.keep_alive), (text.len() - 5, true));
        assert_eq!(request.headers.get("range").unwrap(), "bytes=1-");
        assert_eq!(request.headers.len(), 1);
        for at in 0..text.len() - 5 {
            assert_eq!(parse(&text[..at]), Ok(None), "{at} bytes");
        }
    }

    #[test]
    fn connections_are_kept_or_not() {
        for (head, want) in [
            ("HTTP/1.1\r\nHost: a\r\n", true),
            ("HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", false),
            ("HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n", false),
            ("HTTP/1.0\r\n", false),
            ("HTTP/1.0\r\nConnection: Keep-Alive\r\n", true),
        ] {
            assert_eq!(parse(&format!("HEAD / {head}\r\n")).unwrap().unwrap().keep_alive, want, "{head}");
        }
    }

    #[test]
    fn targets_have_several_forms() {
        for (target, want) in [
            ("/a", Some("/a")),
            ("/a?b#c", Some("/a")),
            ("http://host:1/a/b?c", Some("/a/b")),
            ("HTTPS://host", Some("/")),
            ("*", None),
            ("host:443", None),
            ("a/b", None),
        ] {
            assert_eq!(path(target), want.map(|w| w.as_bytes().to_vec()), "{target}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (text, status) in [
            ("nonsense\r\n\r\n", 400),
            ("GET /a\r\nX: y\r\n\r\n", 400),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /a HTTP/1.1\r\n\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 413),
            ("GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
            (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_HEAD)), 431),
            (&format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(MAX_HEADERS + 1)), 431),
        ] {
            assert_eq!(parse(text), Err(status), "{}", &text[..text.len().min(60)]);
        }
        assert_eq!(parse("POST /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().unwrap().method, Method::Other);
    }
}
