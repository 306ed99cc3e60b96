//! A few spans of a short program: kept in memory and encoded as the request that a collector takes (OTLP,
//! `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`). Sending it is the program's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::TraceParent;

/// What a span is, seen from its program (`opentelemetry.proto.trace.v1.Span.SpanKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Internal = 1,
    Client = 3,
}

/// One trace of one program. Clones record into the same.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    trace: [u8; 16],
    /// The span that all others are in.
    root: [u8; 8],
    /// The span of another program that the root is in.
    above: Option<[u8; 8]>,
    done: Mutex<Vec<wire::Span>>,
}

/// A span that goes on.
#[derive(Debug)]
pub struct Open {
    recorder: Recorder,
    span: wire::Span,
}

impl Recorder {
    /// A new trace, or one that goes on from `parent` (the variable `TRACEPARENT` of a script that traces itself). `None`: that trace is not
    /// recorded, or there is no randomness.
    #[must_use]
    pub fn new(parent: Option<TraceParent>) -> Option<Self> {
        let trace = match parent {
            Some(TraceParent { sampled: false, .. }) => return None,
            Some(parent) => parent.trace,
            None => random()?,
        };
        let above = parent.map(|parent| parent.span);
        Some(Self(Arc::new(Inner { trace, root: random()?, above, done: Mutex::default() })))
    }

    /// The trace's id, as it is searched for.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0.trace))
    }

    /// Begins the span that all others are in.
    #[must_use]
    pub fn root(&self, name: &str) -> Open {
        self.open(name, Kind::Internal, self.0.root, self.0.above)
    }

    /// Begins a span within the root.
    #[must_use]
    pub fn begin(&self, name: &str, kind: Kind) -> Open {
        // Where there is no randomness any more the span has an id that means none, and is left out.
        self.open(name, kind, random().unwrap_or_default(), Some(self.0.root))
    }

    fn open(&self, name: &str, kind: Kind, id: [u8; 8], parent: Option<[u8; 8]>) -> Open {
        let span = wire::Span {
            trace_id: self.0.trace.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            flags: 1,
            name: name.to_owned(),
            kind: kind as i32,
            start: now(),
            ..Default::default()
        };
        Open { recorder: self.clone(), span }
    }

    /// Whether no span has ended yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.done.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What has ended so far, as a request to a collector; it is forgotten here.
    #[must_use]
    pub fn take(&self, service: &str, version: &str) -> Vec<u8> {
        let spans = std::mem::take(&mut *self.0.done.lock().unwrap_or_else(PoisonError::into_inner));
        let attributes = vec![wire::text("service.name", service), wire::text("service.version", version)];
        let scope = Some(wire::Scope { name: "lifeboat".into() });
        wire::Request {
            resource_spans: vec![wire::ResourceSpans {
                resource: Some(wire::Resource { attributes }),
                scope_spans: vec![wire::ScopeSpans { scope, spans }],
            }],
        }
        .encode_to_vec()
    }
}

impl Open {
    /// The place to hand on.
    #[must_use]
    pub fn place(&self) -> TraceParent {
        let mut span = [0; 8];
        span.copy_from_slice(&self.span.span_id);
        TraceParent { trace: self.recorder.0.trace, span, sampled: true }
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.span.attributes.push(wire::text(key, value));
    }

    pub fn set_number(&mut self, key: &str, value: i64) {
        self.span.attributes.push(wire::number(key, value));
    }

    /// Ends it; with an error, if it came to one.
    pub fn end(mut self, error: Option<&str>) {
        self.span.end = now();
        if let Some(message) = error {
            self.span.status = Some(wire::Status { message: message.to_owned(), code: 2 });
        }
        if self.span.span_id.iter().any(|byte| *byte != 0) {
            self.recorder.0.done.lock().unwrap_or_else(PoisonError::into_inner).push(self.span);
        }
    }
}

/// Nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}

/// Never all zeros, which would mean none.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    bytes[0] |= 1;
    Some(bytes)
}

/// The part of OTLP that is written here. Numbers of fields are those of `opentelemetry/proto/trace/v1/trace.proto`, `.../common/v1/common.proto`
/// and `.../resource/v1/resource.proto`.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(message, repeated, tag = "1")]
        pub resource_spans: Vec<ResourceSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub scope_spans: Vec<ScopeSpans>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub attributes: Vec<KeyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ScopeSpans {
        #[prost(message, optional, tag = "1")]
        pub scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")]
        pub spans: Vec<Span>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Scope {
        #[prost(string, tag = "1")]
        pub name: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub span_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub parent_span_id: Vec<u8>,
        #[prost(fixed32, tag = "16")]
        pub flags: u32,
        #[prost(string, tag = "5")]
        pub name: String,
        #[prost(int32, tag = "6")]
        pub kind: i32,
        #[prost(fixed64, tag = "7")]
        pub start: u64,
        #[prost(fixed64, tag = "8")]
        pub end: u64,
        #[prost(message, repeated, tag = "9")]
        pub attributes: Vec<KeyValue>,
        #[prost(message, optional, tag = "15")]
        pub status: Option<Status>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Status {
        #[prost(string, tag = "2")]
        pub message: String,
        #[prost(int32, tag = "3")]
        pub code: i32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct KeyValue {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(message, optional, tag = "2")]
        pub value: Option<AnyValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct AnyValue {
        #[prost(oneof = "Value", tags = "1, 3")]
        pub value: Option<Value>,
    }
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(string, tag = "1")]
        Text(String),
        #[prost(int64, tag = "3")]
        Number(i64),
    }

    pub fn text(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::Text(value.to_owned())) }) }
    }
    pub fn number(key: &str, value: i64) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::Number(value)) }) }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

    use super::*;

    #[test]
    fn a_collector_reads_what_is_written() {
        let script: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01".parse().unwrap();
        let recorder = Recorder::new(Some(script)).unwrap();
        let root = recorder.root("server-list");
        let mut request = recorder.begin("GET /servers", Kind::Client);
        request.set("url.path", "/servers");
        request.set_number("http.response.status_code", 503);
        let (above, place) = (root.place(), request.place());
        assert!(recorder.is_empty());
        request.end(Some("503"));
        assert!(!recorder.is_empty());
        root.end(None);

        let read: ExportTraceServiceRequest = Message::decode(recorder.take("climc", "1.2").as_slice()).unwrap();
        let spans = &read.resource_spans[0].scope_spans[0].spans;
        let resource = read.resource_spans[0].resource.as_ref().unwrap();
        assert!(format!("{resource:?}").contains("climc") && format!("{resource:?}").contains("service.version"));
        assert_eq!(spans.len(), 2);
        assert_eq!((spans[0].name.as_str(), spans[0].kind, spans[1].kind), ("GET /servers", 3, 1));
        assert_eq!((&spans[0].span_id[..], &spans[0].parent_span_id[..]), (&place.span[..], &above.span[..]));
        assert_eq!(spans[1].parent_span_id, script.span);
        assert!(
            spans
                .iter()
                .all(|span| span.trace_id == script.trace && span.end_time_unix_nano >= span.start_time_unix_nano)
        );
        let status = spans[0].status.as_ref().unwrap();
        assert_eq!((status.code, status.message.as_str(), spans[1].status.is_none()), (2, "503", true));
        assert!(format!("{:?}", spans[0].attributes).contains("IntValue(503)"), "{:?}", spans[0].attributes);
        assert_eq!(place.to_string().len(), 55);
        let nothing: ExportTraceServiceRequest = Message::decode(recorder.take("climc", "1.2").as_slice()).unwrap();
        assert!(nothing.resource_spans[0].scope_spans[0].spans.is_empty(), "it is taken once");
    }

    #[test]
    fn a_trace_that_is_not_recorded_is_left_alone() {
        let script = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00".parse().unwrap();
        assert!(Recorder::new(Some(script)).is_none());
        assert_ne!(Recorder::new(None).unwrap().trace_id(), Recorder::new(None).unwrap().trace_id());
    }
}
