//! The span of one request: its ids, on every line of the log that it causes, and its place in the caller's trace.

use axum::extract::Request;
use task_engine::Spawned;
use tracing::Span;
use tracing::field::{Empty, display};
use uuid::Uuid;

use crate::auth::Caller;
use crate::guest;

/// Asked every few seconds by machines, and of no interest to anybody later.
const UNSEEN: &[&str] = &["/healthz", "/readyz", "/metrics", "/ping"];

/// `route` is the pattern, such as `/servers/{id}/start-rescue`.
pub fn of(request: &Request, id: &str, route: &str) -> Span {
    if UNSEEN.contains(&route) {
        return Span::none();
    }
    let method = request.method();
    let span = tracing::error_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = id,
        user = Empty,
        server_id = Empty,
        task_id = Empty,
        trace_id = Empty,
    );
    let place = request.headers().get(trace::HEADER).and_then(|value| value.to_str().ok());
    trace::follow(&span, place);
    span
}

/// Notes who asks, once that is known.
pub fn asked_by(caller: &Caller) {
    Span::current().record("user", caller.user.as_str());
}

/// Notes the server that the path named, once it is found, or that was made. `word` is the resource's.
pub fn about(word: &str, id: Uuid) {
    if word == guest::OBJECT {
        Span::current().record("server_id", display(id));
    }
}

/// Notes the task that was started, if one was.
pub fn caused(task: Option<&Spawned>) {
    if let Some(task) = task {
        Span::current().record("task_id", display(task.id));
    }
}

pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}
