//! One HTTP request of a download: what to ask, what an answer means (pure: [`weigh`]), and moving the body to disk.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, IF_RANGE, LOCATION, RANGE};
use reqwest::{Client, StatusCode};
use tokio::sync::mpsc;
use tracing::{Instrument as _, Span};

use crate::digest::Digest;
use crate::partial::Partial;

/// Why an endpoint did not deliver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("'{0}' is not an endpoint: http://host:port is wanted")]
    Endpoint(String),
    #[error("no connection: {0}")]
    Connection(String),
    #[error("nothing came for {0:?}")]
    Silent(Duration),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("a redirect to '{0}', which is never followed")]
    Redirect(String),
    #[error("the server does not say how large the file is")]
    Size,
    #[error("a body of {got} bytes is offered, {want} are wanted")]
    Length { got: u64, want: u64 },
    #[error("the body is longer than {0} bytes")]
    TooLong(u64),
    #[error("the body ended after {got} of {want} bytes")]
    CutOff { got: u64, want: u64 },
    #[error("the content has digest {0}")]
    Content(Digest),
    #[error("the range that was asked for is not the one that came ({0})")]
    Range(String),
}

impl Problem {
    /// Worth asking the same endpoint again, later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Silent(_) | Self::CutOff { .. } | Self::Range(_) => true,
            Self::Status(status) => *status >= 500 || matches!(status, 408 | 425 | 429),
            Self::Endpoint(_)
            | Self::Size
            | Self::Redirect(_)
            | Self::Length { .. }
            | Self::TooLong(_)
            | Self::Content(_) => false,
        }
    }

    /// The endpoint delivered, but not what was wanted.
    #[must_use]
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Length { .. } | Self::TooLong(_) | Self::Content(_) | Self::Redirect(_))
    }
}

/// How the body of an answer goes with what is there already.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// It goes behind it.
    Rest,
    /// It is the whole file: what is there is thrown away.
    Whole,
}

/// What the head of an answer means, `offset` bytes being there and `size` wanted.
fn weigh(status: StatusCode, headers: &HeaderMap, offset: u64, size: u64) -> Result<Body, Problem> {
    let header = |name| headers.get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok());
    if status.is_redirection() {
        return Err(Problem::Redirect(header(LOCATION).unwrap_or_default().chars().take(200).collect()));
    }
    let length: Option<u64> = header(CONTENT_LENGTH).and_then(|value| value.parse().ok());
    let (body, want) = match status {
        StatusCode::OK => (Body::Whole, size),
        StatusCode::PARTIAL_CONTENT if offset > 0 => {
            let range = header(CONTENT_RANGE).unwrap_or_default();
            if range != format!("bytes {offset}-{}/{size}", size - 1) {
                return Err(Problem::Range(range.chars().take(80).collect()));
            }
            (Body::Rest, size - offset)
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            return Err(Problem::Range(header(CONTENT_RANGE).unwrap_or_default().chars().take(80).collect()));
        }
        other => return Err(Problem::Status(other.as_u16())),
    };
    match length {
        Some(got) if got != want => Err(Problem::Length { got, want }),
        _ => Ok(body),
    }
}

/// Base URL and path, put together. An endpoint that ends in `#` is the file's own address, without any path.
pub(crate) fn url(endpoint: &str, path: &str) -> Result<String, Problem> {
    let whole = endpoint.strip_suffix('#');
    let base = endpoint.trim_end_matches('/');
    let wrong = || Problem::Endpoint(endpoint.chars().take(120).collect());
    if !(base.starts_with("http://") || base.starts_with("https://")) {
        return Err(wrong());
    }
    let url = whole.map_or_else(|| format!("{base}/{path}"), str::to_owned);
    reqwest::Url::parse(&url).map_err(|_| wrong())?;
    Ok(url)
}

/// A file that is wanted, and from where.
pub(crate) struct Request<'a> {
    pub(crate) client: &'a Client,
    pub(crate) url: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Silence that ends the attempt.
    pub(crate) idle: Duration,
}

/// What one attempt has brought.
pub(crate) struct Answer {
    pub(crate) partial: Partial,
    /// Bytes that came and were kept.
    pub(crate) received: u64,
    pub(crate) result: Result<(), Problem>,
}

impl Request<'_> {
    /// Fetches what `partial` lacks. Tells `progress` how many bytes are there.
    ///
    /// # Errors
    /// Only what is wrong on this side: the part can't be written.
    pub(crate) async fn run(&self, partial: Partial, progress: &(dyn Fn(u64) + Sync)) -> io::Result<Answer> {
        self.ask(partial, progress).instrument(span(&self.url)).await
    }

    async fn ask(&self, partial: Partial, progress: &(dyn Fn(u64) + Sync)) -> io::Result<Answer> {
        let offset = partial.length();
        let mut request = traced(self.client.get(&self.url));
        if offset > 0 {
            // The entity tag is known beforehand: content under a digest has one form. A server that has another sends it whole.
            let tag = format!("\"{}\"", self.digest);
            request = request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, tag);
        }
        let head = match tokio::time::timeout(self.idle, request.send()).await {
            Err(_) => Err(Problem::Silent(self.idle)),
            Ok(Err(error)) => Err(Problem::Connection(chain(&error))),
            Ok(Ok(response)) => {
                weigh(response.status(), response.headers(), offset, self.size).map(|body| (response, body))
            }
        };
        match head {
            Ok((response, body)) => self.receive(response, partial, body, progress).await,
            Err(problem) => Ok(Answer { partial, received: 0, result: Err(problem) }),
        }
    }

    /// Hashing and writing happen on a thread that may block; a short channel between holds the server back when the disk is slow.
    async fn receive(
        &self,
        mut response: reqwest::Response,
        mut partial: Partial,
        body: Body,
        progress: &(dyn Fn(u64) + Sync),
    ) -> io::Result<Answer> {
        let start = if body == Body::Rest { partial.length() } else { 0 };
        let mut got = start;
        let (chunks, mut incoming) = mpsc::channel::<Bytes>(16);
        let writer = tokio::task::spawn_blocking(move || -> io::Result<Partial> {
            if body == Body::Whole {
                partial.restart()?;
            }
            while let Some(chunk) = incoming.blocking_recv() {
                partial.append(&chunk)?;
            }
            Ok(partial)
        });
        let result = loop {
            match tokio::time::timeout(self.idle, response.chunk()).await {
                Err(_) => break Err(Problem::Silent(self.idle)),
                Ok(Err(_)) => break Err(Problem::CutOff { got, want: self.size }),
                Ok(Ok(None)) if got < self.size => break Err(Problem::CutOff { got, want: self.size }),
                Ok(Ok(None)) => break Ok(()),
                Ok(Ok(Some(chunk))) if got + chunk.len() as u64 > self.size => break Err(Problem::TooLong(self.size)),
                Ok(Ok(Some(chunk))) => {
                    got += chunk.len() as u64;
                    metrics::counter!("artifact_download_bytes_total").increment(chunk.len() as u64);
                    if chunks.send(chunk).await.is_err() {
                        break Ok(()); // the writer gave up, and says why below
                    }
                    progress(got);
                }
            }
        };
        drop(chunks);
        let partial = writer.await.map_err(io::Error::other)??;
        Ok(Answer { partial, received: got - start, result })
    }
}

/// Tells the server where in a trace the request belongs, if it does.
fn traced(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    match trace::current() {
        Some(place) => request.header(trace::HEADER, place.to_string()),
        None => request,
    }
}

/// The span around one request, if it belongs to a trace. Of the address only parts that can hold no secret.
fn span(url: &str) -> Span {
    let (Some(_), Ok(url)) = (trace::current(), reqwest::Url::parse(url)) else { return Span::none() };
    tracing::info_span!(
        "download",
        otel.name = %format_args!("GET {}", url.path().split('/').take(3).collect::<Vec<_>>().join("/")),
        otel.kind = "client",
        http.request.method = "GET",
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.path = url.path(),
    )
}

/// Fetches something small, whole, into memory.
pub(crate) async fn small(client: &Client, url: &str, max: usize, idle: Duration) -> Result<Bytes, Problem> {
    let fetch = async {
        let mut response = traced(client.get(url)).send().await.map_err(|e| Problem::Connection(chain(&e)))?;
        let status = response.status();
        if status != StatusCode::OK {
            // 206 without a question for it is no answer either.
            return Err(weigh(status, response.headers(), 0, 0).err().unwrap_or(Problem::Status(status.as_u16())));
        }
        let want = response.content_length();
        let mut content = Vec::new();
        loop {
            let got = content.len() as u64;
            match response.chunk().await {
                Err(_) => return Err(Problem::CutOff { got, want: want.unwrap_or(got) }),
                Ok(None) => return Ok(Bytes::from(content)),
                Ok(Some(chunk)) if content.len() + chunk.len() > max => return Err(Problem::TooLong(max as u64)),
                Ok(Some(chunk)) => content.extend_from_slice(&chunk),
            }
        }
    };
    tokio::time::timeout(idle, fetch.instrument(span(url))).await.unwrap_or(Err(Problem::Silent(idle)))
}

/// An error with its causes: reqwest's own text leaves out the one that matters ("connection refused").
fn chain(error: &dyn std::error::Error) -> String {
    let mut causes: Vec<String> = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_weighed() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(u16, Headers, u64, Result<Body, Problem>); 16] = [
            (200, &[], 0, Ok(Body::Whole)),
            (200, &[("content-length", "10")], 0, Ok(Body::Whole)),
            (200, &[("content-length", "10")], 4, Ok(Body::Whole)),
            (200, &[("content-length", "9")], 0, Err(Problem::Length { got: 9, want: 10 })),
            (200, &[("content-length", "11")], 0, Err(Problem::Length { got: 11, want: 10 })),
            (206, &[("content-range", "bytes 4-9/10")], 4, Ok(Body::Rest)),
            (206, &[("content-range", "bytes 4-9/10"), ("content-length", "6")], 4, Ok(Body::Rest)),
            (
                206,
                &[("content-range", "bytes 4-9/10"), ("content-length", "7")],
                4,
                Err(Problem::Length { got: 7, want: 6 }),
            ),
            (206, &[("content-range", "bytes 3-9/10")], 4, Err(Problem::Range("bytes 3-9/10".into()))),
            (206, &[("content-range", "bytes 4-9/11")], 4, Err(Problem::Range("bytes 4-9/11".into()))),
            (206, &[], 4, Err(Problem::Range(String::new()))),
            (206, &[], 0, Err(Problem::Status(206))),
            (416, &[("content-range", "bytes */3")], 4, Err(Problem::Range("bytes */3".into()))),
            (302, &[("location", "http://elsewhere/")], 0, Err(Problem::Redirect("http://elsewhere/".into()))),
            (404, &[], 0, Err(Problem::Status(404))),
            (204, &[], 0, Err(Problem::Status(204))),
        ];
        for (status, headers, offset, want) in cases {
            let map = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
            let got = weigh(StatusCode::from_u16(status).unwrap(), &map, offset, 10);
            assert_eq!(got, want, "{status} {headers:?} at {offset}");
        }
    }

    #[test]
    fn urls_are_put_together() {
        assert_eq!(url("http://127.0.0.1:1/", "a/b").unwrap(), "http://127.0.0.1:1/a/b");
        assert_eq!(url("http://127.0.0.1:1/x.img#", "a/b").unwrap(), "http://127.0.0.1:1/x.img");
        for wrong in ["", "#", "file:///x#", "127.0.0.1:1", "file:///etc", "http://"] {
            assert!(url(wrong, "a").is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for (problem, transient) in [
            (Problem::Status(500), true),
            (Problem::Status(503), true),
            (Problem::Status(429), true),
            (Problem::Status(404), false),
            (Problem::Status(403), false),
            (Problem::Content(Digest::of(b"")), false),
            (Problem::CutOff { got: 1, want: 2 }, true),
        ] {
            assert_eq!(problem.is_transient(), transient, "{problem}");
        }
    }
}
