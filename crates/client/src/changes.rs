//! Changes as they happen: `GET /stream`, server-sent events (WHATWG HTML, section 9.2). A stream that is cut goes on where it was.

use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::rest::Client;
use crate::transport::{failure, foreign, read};

/// What is to be heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangesOf {
    /// Of `servers`, `tasks`, `events`; none: all that the caller may see.
    pub resources: Vec<String>,
    /// Only what concerns these servers (id or name), tasks or objects; none: everything.
    pub ids: Vec<String>,
}

/// One event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `server`, `task` or `event`: what `GET` answers for it, with its wrapping.
    Of { word: String, body: Value },
    /// All that was missed has been told: whoever lists now misses nothing.
    Ready,
    /// Too much was missed: list again.
    Reset,
}

/// How long the service may be silent: it sends a comment every few seconds.
const SILENCE: Duration = Duration::from_secs(90);
/// Between two tries to connect again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// An open stream, which opens itself again.
pub struct Changes {
    client: Client,
    of: ChangesOf,
    last: Option<String>,
    open: Option<reqwest::Response>,
    text: Vec<u8>,
    /// It has been open before: only then a failure may be an outage.
    known: bool,
    failures: usize,
}

impl Client {
    /// Changes from now on. Connects at the first [`Changes::next`].
    #[must_use]
    pub fn changes(&self, of: ChangesOf) -> Changes {
        Changes { client: self.clone(), of, last: None, open: None, text: Vec::new(), known: false, failures: 0 }
    }
}

impl Changes {
    /// What is next. Where the connection was lost, `away` is told why, and it is tried again, for as long as it takes. Dropping the future on
    /// the way loses nothing.
    ///
    /// # Errors
    /// The service's refusals: they do not pass by themselves; and a first connection that does not come about.
    pub async fn next(&mut self, mut away: impl FnMut(&Error)) -> Result<Change, Error> {
        loop {
            match self.step().await {
                Ok(Some(change)) => {
                    self.failures = 0;
                    return Ok(change);
                }
                Ok(None) => {}
                Err(error) if self.known && error.is_passing() => {
                    self.open = None;
                    self.text.clear();
                    away(&error);
                    let pause = PAUSES[self.failures.min(PAUSES.len() - 1)];
                    self.failures += 1;
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One event, or nothing yet.
    async fn step(&mut self) -> Result<Option<Change>, Error> {
        if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.text.drain(..end + 2).collect();
            return self.event(&String::from_utf8_lossy(&block));
        }
        let Some(response) = &mut self.open else {
            self.connect().await?;
            return Ok(None);
        };
        let url = response.url().clone();
        let lost = |cause: &str| Error::Lost { url: crate::transport::origin(&url), cause: cause.into() };
        let chunk = tokio::time::timeout(SILENCE, response.chunk()).await.map_err(|_| lost("it is silent"))?;
        match chunk.map_err(|error| failure(&error, &url))? {
            Some(bytes) => self.text.extend_from_slice(&bytes),
            None => return Err(lost("it has ended the stream")),
        }
        Ok(None)
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let (of, last) = (self.of.clone(), self.last.clone());
        let response = self
            .client
            .send("/stream", |stack, url| {
                let mut request = stack.get(url).header("accept", "text/event-stream");
                let lists = [("resource", &of.resources), ("id", &of.ids)];
                for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
                    request = request.query(&[(key, list.join(","))]);
                }
                match &last {
                    Some(last) => request.header("last-event-id", last),
                    None => request,
                }
            })
            .await?;
        if !response.status().is_success() {
            let (status, url) = (response.status().as_u16(), response.url().clone());
            read(response).await?;
            return Err(foreign(&url, status, "it is no stream of events".into()));
        }
        (self.open, self.known) = (Some(response), true);
        Ok(())
    }

    fn event(&mut self, block: &str) -> Result<Option<Change>, Error> {
        let field = |name: &str| {
            let values = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>().join("\n")
        };
        let (name, id, data) = (field("event"), field("id"), field("data"));
        if !id.is_empty() {
            self.last = Some(id);
        }
        let url = || self.open.as_ref().map(|open| open.url().clone());
        Ok(match name.as_str() {
            // A comment that keeps the connection.
            "" => None,
            "ready" => Some(Change::Ready),
            "reset" => Some(Change::Reset),
            "error" => {
                let body: Value = serde_json::from_str(&data).unwrap_or_default();
                let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let status = body.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
                // A token that has ended is renewed when it connects again; whoever read too slowly goes on where it was.
                if matches!(status, Some(401 | 429 | 503)) {
                    let url = url().map(|url| crate::transport::origin(&url)).unwrap_or_default();
                    return Err(Error::Lost { url, cause: word("details") });
                }
                return Err(Error::Api(Box::new(crate::error::ApiError {
                    status: status.unwrap_or(500),
                    class: word("class"),
                    details: word("details"),
                    request_id: None,
                })));
            }
            word => {
                let body = serde_json::from_str(&data);
                let body = match (body, url()) {
                    (Ok(body), _) => body,
                    (Err(error), Some(url)) => return Err(foreign(&url, 200, error.to_string())),
                    (Err(error), None) => return Err(Error::Input(error.to_string())),
                };
                Some(Change::Of { word: word.to_owned(), body })
            }
        })
    }
}
