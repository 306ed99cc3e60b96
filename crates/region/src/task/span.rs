//! The span around each run of a task's step.

use task_engine::Step;
use tracing::Span;
use tracing::field::Empty;

use crate::guest;

pub fn of(step: &Step<'_>) -> Span {
    // A subject of a rescue is a server nearly always, and is searched for by that word in all programs' logs.
    let (server, other) = match step.object {
        Some((guest::OBJECT, id)) => (Some(id), None),
        Some((_, id)) => (None, Some(id)),
        None => (None, None),
    };
    tracing::error_span!(
        "step",
        otel.name = %format_args!("{} {}", step.name, step.stage),
        otel.status_code = Empty,
        otel.status_description = Empty,
        task_id = %step.task,
        task = step.name,
        stage = step.stage,
        attempt = step.attempt,
        request_id = step.request_id,
        server_id = server.map(display),
        object_id = other.map(display),
        trace_id = Empty,
    )
}
