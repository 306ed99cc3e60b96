//! The span around an operation's work, which goes on when the request that began it has long been answered.

use trace::TraceParent;
use tracing::Span;
use tracing::field::Empty;
use types::operation::OperationHeader;

/// `place` is that of the request; without one the work is in no trace. It is not the request's child to `tracing`: that would keep the
/// request's span open for as long as the work takes.
pub fn of_operation(header: &OperationHeader, work: &'static str, place: Option<TraceParent>) -> Span {
    let Some(place) = place else {
        return tracing::error_span!(
            target: trace::LINES_ONLY,
            parent: None,
            "operation",
            request_id = header.request_id,
            task_id = %header.task,
            server_id = %header.guest,
            operation = %header.id,
        );
    };
    let span = tracing::error_span!(
        parent: None,
        "operation",
        otel.name = work,
        otel.status_code = Empty,
        otel.status_description = Empty,
        request_id = header.request_id,
        task_id = %header.task,
        server_id = %header.guest,
        operation = %header.id,
        trace_id = Empty,
    );
    trace::follow(&span, Some(&place.to_string()));
    span
}
