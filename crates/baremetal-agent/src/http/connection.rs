//! One connection: requests in, answers out.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tftp::packet::printable;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::http::files::{Answer, Body};
use crate::http::head::{AnswerHead, Method, Refused, Request};
use crate::http::listener::{Limits, Site};
use crate::http::stream::Stream;

/// A file up to this size goes out together with its head.
const SMALL: u64 = 32 * 1024;
/// How long, and how many bytes, a refused client may go on sending before its connection is dropped: closed at once, what it was
/// told could be lost with what it still sends.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 64 * 1024;

/// How a connection's turn ended.
enum Turn {
    Next,
    Close,
    /// The client may still be sending.
    Refused,
}

pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) site: Arc<Site>,
    pub(crate) limits: Limits,
    /// What was read and not used.
    pub(crate) buffer: Vec<u8>,
}

impl Connection {
    /// Until the client or the patience with it ends, or `draining` between two requests.
    pub(crate) async fn run(mut self, draining: CancellationToken) {
        loop {
            match self.turn(&draining).await {
                Ok(Turn::Next) => {}
                Ok(Turn::Close) => return self.stream.close().await,
                Ok(Turn::Refused) => {
                    self.stream.close().await;
                    return self.linger().await;
                }
                Err(error) => {
                    let reason = reason(&error);
                    metrics::counter!("baremetal_agent_http_cut_off_total", "reason" => reason).increment(1);
                    tracing::debug!(peer = %self.peer, %error, reason, "an HTTP connection was cut off");
                    return;
                }
            }
        }
    }

    async fn turn(&mut self, draining: &CancellationToken) -> io::Result<Turn> {
        let request = match self.request(draining).await? {
            Some(Ok(request)) => request,
            Some(Err(Refused(status, text))) => {
                self.plain(status, text, false, false).await?;
                return Ok(Turn::Refused);
            }
            None => return Ok(Turn::Close),
        };
        self.buffer.drain(..request.length);
        let keep_alive = request.keep_alive && !draining.is_cancelled();
        if request.method == Method::Other {
            // A body may follow, which is not read.
            let mut head = AnswerHead::new(StatusCode::METHOD_NOT_ALLOWED);
            head.header("allow", "GET, HEAD").header("content-length", 0);
            self.stream.write(&head.finish(false), self.limits.write).await?;
            return Ok(Turn::Refused);
        }
        // Most clients are firmware and loaders, which trace nothing, and many.
        match self.span(&request) {
            None => self.serve(&request, keep_alive).await?,
            Some(span) => self.serve(&request, keep_alive).instrument(span).await?,
        }
        Ok(if keep_alive { Turn::Next } else { Turn::Close })
    }

    async fn serve(&mut self, request: &Request, keep_alive: bool) -> io::Result<()> {
        let answer = match self.site.files(request, self.peer) {
            Some(answer) => answer,
            None => self.site.operators(request).await,
        };
        Span::current().record("http.response.status_code", answer.status.as_u16());
        self.answer(answer, request.method == Method::Head, keep_alive).await
    }

    /// The span of a request that belongs to a trace.
    fn span(&self, request: &Request) -> Option<Span> {
        let place = request.headers.get(trace::HEADER)?.to_str().ok()?;
        let path = String::from_utf8_lossy(&request.path);
        let method = if request.method == Method::Head { "HEAD" } else { "GET" };
        let span = tracing::error_span!(
            "boot file",
            otel.name = %format_args!("{method} {}", path.split('/').take(3).collect::<Vec<_>>().join("/")),
            otel.kind = "server",
            http.request.method = method,
            http.response.status_code = Empty,
            url.path = %printable(path.as_bytes()),
            client.address = %self.peer.ip(),
            trace_id = Empty,
        );
        trace::follow(&span, Some(place));
        Some(span)
    }

    /// `None`: the client has left, or there is nothing to wait for.
    async fn request(&mut self, draining: &CancellationToken) -> io::Result<Option<Result<Request, Refused>>> {
        if self.buffer.is_empty() {
            let read = tokio::select! {
                read = timeout(self.limits.idle, self.stream.read(&mut self.buffer)) => read,
                () = draining.cancelled() => return Ok(None),
            };
            match read {
                Err(_) | Ok(Ok(0)) => return Ok(None),
                Ok(read) => read?,
            };
        }
        let whole = async {
            loop {
                match Request::parse(&self.buffer) {
                    Ok(None) => {}
                    Ok(Some(request)) => return Ok(Some(Ok(request))),
                    Err(refused) => return Ok(Some(Err(refused))),
                }
                if self.stream.read(&mut self.buffer).await? == 0 {
                    return Ok(None);
                }
            }
        };
        match timeout(self.limits.head, whole).await {
            Ok(result) => result,
            Err(_) => Ok(Some(Err(Refused(StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n")))),
        }
    }

    async fn answer(&mut self, answer: Answer, head_only: bool, keep_alive: bool) -> io::Result<()> {
        let mut bytes = answer.head.finish(keep_alive);
        let sent = answer.body.length();
        match answer.body {
            _ if head_only => {}
            Body::Bytes(body) if body.len() as u64 <= SMALL => bytes.extend_from_slice(&body),
            Body::Bytes(body) => {
                self.stream.write(&bytes, self.limits.write).await?;
                bytes = body.to_vec();
            }
            Body::File { file, first, length } if length <= SMALL => {
                let at = bytes.len();
                bytes.resize(at + usize::try_from(length).unwrap_or(0), 0);
                file.read_exact_at(&mut bytes[at..], first)?;
            }
            Body::File { file, first, length } => {
                self.stream.write(&bytes, self.limits.write).await?;
                bytes.clear();
                self.stream.send_file(file, first, length, self.limits.write).await?;
            }
        }
        self.stream.write(&bytes, self.limits.write).await?;
        if !head_only {
            self.site.sent.increment(sent);
        }
        Ok(())
    }

    async fn plain(&mut self, status: StatusCode, text: &'static str, head_only: bool, keep: bool) -> io::Result<()> {
        self.answer(Answer::text(status, text), head_only, keep).await
    }

    async fn linger(&mut self) {
        let drain = async {
            let mut left = LINGER_BYTES;
            loop {
                self.buffer.clear();
                match self.stream.read(&mut self.buffer).await {
                    Ok(n) if n > 0 && n < left => left -= n,
                    _ => return,
                }
            }
        };
        let _ = timeout(LINGER, drain).await;
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::TimedOut => "slow",
        io::ErrorKind::UnexpectedEof => "file_changed",
        _ => "connection",
    }
}
