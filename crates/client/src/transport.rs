//! Connections: one HTTP stack for URLs that need the world's authorities and proxies, one for those that do not.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, Url};
use serde_json::Value;
use trace::record::Recorder;

use crate::error::{ApiError, Error};
use crate::spans;

pub struct Transport {
    ca: Option<PathBuf>,
    connect_timeout: Duration,
    trace: Option<Recorder>,
    /// By whether the URL is `https`, and whether it is on this machine. Made when first needed: reading the system's
    /// authorities takes longer than many a request.
    stacks: Mutex<Vec<((bool, bool), reqwest::Client)>>,
}

impl Transport {
    pub fn new(ca: Option<PathBuf>, connect_timeout: Duration, trace: Option<Recorder>) -> Self {
        Self { ca, connect_timeout, trace, stacks: Mutex::new(Vec::new()) }
    }

    /// Sends a request, as a span of the trace if there is one.
    pub async fn execute(&self, stack: &reqwest::Client, request: RequestBuilder) -> Result<Response, reqwest::Error> {
        let mut request = request.build()?;
        let span = spans::begin(self.trace.as_ref(), &mut request);
        let answer = stack.execute(request).await;
        spans::end(span, &answer);
        answer
    }

    /// The stack for a URL.
    pub fn stack(&self, url: &Url) -> Result<reqwest::Client, Error> {
        let secure = url.scheme() == "https";
        let local = is_loopback(url);
        let mut stacks = self.stacks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, stack)) = stacks.iter().find(|(key, _)| *key == (secure, local)) {
            return Ok(stack.clone());
        }
        let stack = self.build(secure, local)?;
        stacks.push(((secure, local), stack.clone()));
        Ok(stack)
    }

    fn build(&self, secure: bool, local: bool) -> Result<reqwest::Client, Error> {
        // Whoever was first has chosen; every choice does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            // A redirect could carry the token to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            // The serial console is an upgrade of HTTP/1.1.
            .http1_only()
            .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")));
        if local {
            builder = builder.no_proxy();
        }
        if !secure {
            builder = builder.tls_certs_only([]);
        } else if let Some(path) = &self.ca {
            let unusable = |why: String| Error::Input(format!("authority file {}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| unusable(chain(&e)))?;
            if certificates.is_empty() {
                return Err(unusable("it holds no certificate in PEM form".into()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        builder.build().map_err(|e| Error::Input(format!("cannot set up HTTP: {}", chain(&e))))
    }
}

/// A base URL: `http` or `https`, without query; the final slash does not matter.
pub fn base(text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| Error::Input(format!("'{text}' is not a usable URL: {why}"));
    let url = Url::parse(text.trim_end_matches('/'))
        .map_err(|e| wrong(&format!("{e}; one like http://127.0.0.1:8080 is wanted")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("user, query and fragment have no place in it"));
    }
    Ok(url)
}

pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A failure to send or to read, as one of two kinds: not carried out, or perhaps.
pub fn failure(error: &reqwest::Error, url: &Url) -> Error {
    let url = origin(url);
    // Of the chain the innermost says it best: "Connection refused", "invalid peer certificate".
    let cause = if error.is_timeout() && !error.is_connect() { "time-out".into() } else { chain(error) };
    if error.is_connect() { Error::Connect { url, cause } } else { Error::Lost { url, cause } }
}

/// Scheme, host and port: the part of a URL that may be shown.
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

pub fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        innermost = source.to_string();
        next = source.source();
    }
    innermost
}

/// Reads an answer to its end. A 2xx must be JSON; anything else becomes the error that its body describes.
pub async fn read(response: reqwest::Response) -> Result<Value, Error> {
    let status = response.status();
    let url = response.url().clone();
    let request_id = response.headers().get("x-request-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = response.bytes().await.map_err(|e| failure(&e, &url))?;
    let json = serde_json::from_slice::<Value>(&body);
    if status.is_success() {
        return json.map_err(|e| foreign(&url, status.as_u16(), format!("it is not JSON ({e}): {}", excerpt(&body))));
    }
    let field = |name: &str| json.as_ref().ok()?.get(name)?.as_str().map(str::to_owned);
    match (field("class"), field("details")) {
        (Some(class), Some(details)) => Err(Error::Api(Box::new(ApiError {
            status: status.as_u16(),
            class,
            details,
            request_id: field("request_id").or(request_id),
        }))),
        _ if status.is_redirection() => Err(foreign(&url, status.as_u16(), "it leads elsewhere".into())),
        _ => Err(foreign(&url, status.as_u16(), excerpt(&body))),
    }
}

/// An answer of another shape than the contract's.
pub fn foreign(url: &Url, status: u16, problem: String) -> Error {
    Error::Foreign { url: format!("{}{}", origin(url), url.path()), status, problem }
}

/// The beginning of a body, on one line.
fn excerpt(body: &[u8]) -> String {
    if body.is_empty() {
        return "its body is empty".into();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160).collect();
    format!("it begins '{}'", line.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        assert_eq!(base("http://127.0.0.1:80/v3/").unwrap().as_str(), "http://127.0.0.1/v3");
        for bad in ["", "127.0.0.1:8080", "ftp://x", "http://u:p@x/", "http://x/?a=b"] {
            assert!(matches!(base(bad), Err(Error::Input(_))), "{bad}");
        }
    }

    #[test]
    fn loopback() {
        for (url, yes) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&base(url).unwrap()), yes, "{url}");
        }
    }
}
