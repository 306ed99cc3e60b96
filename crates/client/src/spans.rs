//! Spans of the program's own requests, and how they get to a collector (OTLP): over gRPC like those of all Lifeboat programs, or as
//! `http/protobuf`.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, TE};
use reqwest::{Request, Response};
use trace::record::{Kind, Open, Recorder};

/// A collector that is slow must not hold a command up for longer.
const PATIENCE: Duration = Duration::from_secs(2);
const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    url: String,
    grpc: bool,
    /// On this machine, where no proxy leads.
    near: bool,
}

impl Collector {
    /// As `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_PROTOCOL` say. Without a protocol it is gRPC, except on port 4318, which is
    /// the one for HTTP.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(endpoint: &str, protocol: Option<&str>) -> Result<Self, String> {
        let base = crate::transport::base(endpoint).map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
        let grpc = match protocol {
            None => base.port() != Some(4318),
            Some("grpc") => true,
            Some("http/protobuf") => false,
            Some(other) => {
                return Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is '{other}', but grpc or http/protobuf is wanted"));
            }
        };
        let path = if grpc { GRPC } else { "/v1/traces" };
        let near = crate::transport::is_loopback(&base);
        Ok(Self { url: format!("{}{path}", base.as_str().trim_end_matches('/')), grpc, near })
    }

    /// Sends what [`Recorder::take`] gave.
    ///
    /// # Errors
    /// Why it did not get there.
    pub async fn send(&self, message: Vec<u8>) -> Result<(), String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        if self.url.starts_with("http://") {
            builder = builder.tls_certs_only([]);
        }
        if self.near {
            builder = builder.no_proxy();
        }
        if self.grpc {
            builder = builder.http2_prior_knowledge();
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        let request = client.post(&self.url);
        let request = if self.grpc {
            // One message: not compressed, its length, itself (gRPC over HTTP/2, "Length-Prefixed-Message").
            let length = u32::try_from(message.len()).map_err(|_| "the trace is too long".to_owned())?;
            let body = [&[0], &length.to_be_bytes()[..], &message].concat();
            request.header(CONTENT_TYPE, "application/grpc").header(TE, "trailers").body(body)
        } else {
            request.header(CONTENT_TYPE, "application/x-protobuf").body(message)
        };
        let answer = request.send().await.map_err(|error| crate::transport::chain(&error))?;
        let status = answer.headers().get("grpc-status").filter(|status| *status != "0").cloned();
        match (answer.status(), status) {
            (status, _) if !status.is_success() => Err(format!("HTTP status {}", status.as_u16())),
            (_, Some(status)) => Err(format!("gRPC status {}", status.to_str().unwrap_or("?"))),
            // The body is waited for: the connection ends with this program.
            _ => answer.bytes().await.map(drop).map_err(|error| crate::transport::chain(&error)),
        }
    }
}

/// Begins the span of a request and tells the service of it.
pub(crate) fn begin(recorder: Option<&Recorder>, request: &mut Request) -> Option<Open> {
    let (method, path) = (request.method().to_string(), pattern(request.url().path()));
    let mut span = recorder?.begin(&format!("{method} {path}"), Kind::Client);
    span.set("http.request.method", &method);
    span.set("url.path", request.url().path());
    span.set("server.address", request.url().host_str().unwrap_or_default());
    if let Some(port) = request.url().port_or_known_default() {
        span.set_number("server.port", port.into());
    }
    if let Ok(place) = HeaderValue::from_str(&span.place().to_string()) {
        request.headers_mut().insert(trace::HEADER, place);
    }
    Some(span)
}

/// Ends it when the head of the answer is there, or what kept it from coming.
pub(crate) fn end(span: Option<Open>, answer: &Result<Response, reqwest::Error>) {
    let Some(mut span) = span else { return };
    match answer {
        Ok(answer) => {
            let status = answer.status();
            span.set_number("http.response.status_code", status.as_u16().into());
            let failed = status.is_client_error() || status.is_server_error();
            span.end(failed.then(|| status.to_string()).as_deref());
        }
        Err(error) => span.end(Some(&crate::transport::chain(error))),
    }
}

/// A path without what names one thing: `/servers/web1/start-rescue` is one of many.
fn pattern(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.get(1).is_some_and(|first| *first != "v3")
        && let Some(id) = parts.get_mut(2)
    {
        *id = "{id}";
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_named_as_the_variables_say() {
        for (endpoint, protocol, want) in [
            (
                "http://c:4317",
                None,
                Ok(("http://c:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export", true)),
            ),
            ("http://c:4318/", None, Ok(("http://c:4318/v1/traces", false))),
            ("https://c/x", Some("http/protobuf"), Ok(("https://c/x/v1/traces", false))),
            (
                "http://c:4318",
                Some("grpc"),
                Ok(("http://c:4318/opentelemetry.proto.collector.trace.v1.TraceService/Export", true)),
            ),
            ("c:4317", None, Err("OTEL_EXPORTER_OTLP_ENDPOINT")),
            ("http://c", Some("http/json"), Err("OTEL_EXPORTER_OTLP_PROTOCOL")),
        ] {
            match (Collector::new(endpoint, protocol), want) {
                (Ok(got), Ok((url, grpc))) => assert_eq!((got.url.as_str(), got.grpc), (url, grpc), "{endpoint}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
                (got, want) => panic!("{endpoint} {protocol:?}: {got:?}, {want:?} is wanted"),
            }
        }
    }

    #[test]
    fn names_of_spans_are_few() {
        for (path, want) in [
            ("/servers", "/servers"),
            ("/servers/web1", "/servers/{id}"),
            ("/servers/web1/start-rescue", "/servers/{id}/start-rescue"),
            ("/v3/auth/tokens", "/v3/auth/tokens"),
        ] {
            assert_eq!(pattern(path), want);
        }
    }
}
