//! The span around one gRPC request: on each line of the log that the request causes, and part of the caller's trace.
//!
//! A request that belongs to no trace begins none: heartbeats, and tools that look every few seconds, are of no interest to a collector.

use tonic::codegen::http::Request;
use tracing::Span;
use tracing::field::Empty;

/// For `trace_fn` of tonic's server. The fields `request_id`, `task_id`, `server_id` and `operation` are for the service to record, once it
/// has read the message.
#[must_use]
pub fn span(request: &Request<()>) -> Span {
    let path = request.uri().path().trim_start_matches('/');
    let (service, method) = path.split_once('/').unwrap_or(("", path));
    let Some(place) = request.headers().get(trace::HEADER).and_then(|value| value.to_str().ok()) else {
        return tracing::error_span!(
            target: trace::LINES_ONLY,
            "rpc",
            rpc.method = method,
            request_id = Empty,
            task_id = Empty,
            server_id = Empty,
            operation = Empty,
        );
    };
    let span = tracing::error_span!(
        "rpc",
        otel.name = path,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        request_id = Empty,
        task_id = Empty,
        server_id = Empty,
        operation = Empty,
        trace_id = Empty,
    );
    trace::follow(&span, Some(place));
    span
}
