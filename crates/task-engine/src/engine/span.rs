//! The span around one run of a step: on each line of the log that the step writes, and part of the trace that started the task.

use tracing::Span;
use uuid::Uuid;

use super::Shared;
use crate::store::claim::Job;

/// The step that is about to run.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub task: Uuid,
    pub name: &'a str,
    pub stage: &'a str,
    /// How often the stage was begun, this time included.
    pub attempt: i32,
    /// Kind and id of what the task is about.
    pub object: Option<(&'a str, Uuid)>,
    pub request_id: Option<&'a str>,
}

/// Makes the span. It costs every step, so it formats nothing that is not wanted. Lines of the log about the step name neither task nor stage:
/// the span is to do so.
pub type SpanOf = fn(&Step<'_>) -> Span;

pub(crate) fn plain(step: &Step<'_>) -> Span {
    tracing::error_span!(
        "step",
        otel.name = %format_args!("{} {}", step.name, step.stage),
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
        task_id = %step.task,
        task = step.name,
        stage = step.stage,
        attempt = step.attempt,
        request_id = step.request_id,
        object_id = step.object.map(|(_, id)| tracing::field::display(id)),
        trace_id = tracing::field::Empty,
    )
}

impl<E> Shared<E> {
    pub(super) fn span(&self, job: &Job) -> Span {
        let span = (self.span_of)(&Step {
            task: job.id,
            name: &job.name,
            stage: &job.stage_name,
            attempt: job.attempts,
            object: job.obj_type.as_deref().zip(job.obj_id),
            request_id: job.request_id.as_deref(),
        });
        trace::follow(&span, job.traceparent.as_deref());
        span
    }
}
