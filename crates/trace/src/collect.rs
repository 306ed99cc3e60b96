//! A collector for tests: takes OTLP on a port of loopback, over gRPC and as `http/protobuf`, and keeps every span that comes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// Serves as long as it lives.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Kept,
    arrived: watch::Receiver<()>,
    serving: tokio::task::JoinHandle<()>,
}

/// One span as it came. Ids are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The program, and the process of it.
    pub service: String,
    pub instance: String,
    pub trace: String,
    pub id: String,
    /// Empty: the trace begins here.
    pub parent: String,
    pub name: String,
    pub has_failed: bool,
    /// Whatever their types, as text.
    pub attributes: BTreeMap<String, String>,
    /// Names of what happened within.
    pub events: Vec<String>,
}

impl Received {
    /// An attribute; empty if it is not there.
    #[must_use]
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

#[derive(Debug, Clone)]
struct Kept {
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    arrives: watch::Sender<()>,
}

impl Kept {
    fn take(&self, request: ExportTraceServiceRequest) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        self.arrives.send_replace(());
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn over_http(State(kept): State<Kept>, body: Bytes) -> impl IntoResponse {
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            kept.take(request);
            let answer = ExportTraceServiceResponse::default().encode_to_vec();
            Ok(([(CONTENT_TYPE, "application/x-protobuf")], answer))
        }
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

impl Collector {
    /// # Errors
    /// There is no port.
    pub async fn start() -> io::Result<Self> {
        Self::serve(tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?)
    }

    /// On a port that the test has.
    ///
    /// # Errors
    /// It has no address.
    pub fn serve(listener: tokio::net::TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (arrives, arrived) = watch::channel(());
        let kept = Kept { requests: Arc::default(), arrives };
        let http = Router::new().route("/v1/traces", post(over_http)).with_state(kept.clone());
        let grpc = tonic::service::Routes::new(TraceServiceServer::new(kept.clone())).into_axum_router();
        let serving = tokio::spawn(async move {
            // It never ends by itself.
            let _ = axum::serve(listener, grpc.merge(http)).await;
        });
        Ok(Self { address, kept, arrived, serving })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that has come so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Received> {
        let requests = self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spans = Vec::new();
        for of in requests.iter().flat_map(|request| &request.resource_spans) {
            let resource = of.resource.as_ref().map(|resource| texts(&resource.attributes)).unwrap_or_default();
            let all = of.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.extend(all.map(|span| received(&resource, span)));
        }
        spans
    }

    /// Every byte that has come, to look for what must not be there.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let requests = self.kept.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().flat_map(prost::Message::encode_to_vec).collect()
    }

    /// Waits until `look` finds what it looks for in all that has come. `None`: not within the limit.
    pub async fn until<T>(&self, limit: Duration, look: impl Fn(&[Received]) -> Option<T>) -> Option<T> {
        let mut arrived = self.arrived.clone();
        let found = async {
            loop {
                arrived.mark_unchanged();
                if let Some(found) = look(&self.spans()) {
                    return Some(found);
                }
                arrived.changed().await.ok()?;
            }
        };
        tokio::time::timeout(limit, found).await.ok().flatten()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn received(resource: &BTreeMap<String, String>, span: &Span) -> Received {
    let of = |key: &str| resource.get(key).cloned().unwrap_or_default();
    Received {
        service: of("service.name"),
        instance: of("service.instance.id"),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        has_failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        attributes: texts(&span.attributes),
        events: span.events.iter().map(|event| event.name.clone()).collect(),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), pair.value.as_ref().map(text).unwrap_or_default())).collect()
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(it)) => it.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
