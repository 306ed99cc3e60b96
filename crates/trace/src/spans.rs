//! Spans of `tracing` and their place in a trace.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::TraceParent;

/// The target of spans that are for the log alone: they are sent to no collector.
pub const LINES_ONLY: &str = "lines";

/// The place of the span that is current; `None` outside of a trace, and where traces are not exported.
#[must_use]
pub fn current() -> Option<TraceParent> {
    of(&Span::current())
}

/// The place of a span. Asking fixes its parent.
#[must_use]
pub fn of(span: &Span) -> Option<TraceParent> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let place = context.span().span_context().clone();
    place.is_valid().then(|| TraceParent {
        trace: place.trace_id().to_bytes(),
        span: place.span_id().to_bytes(),
        sampled: place.is_sampled(),
    })
}

/// Lets a new span go on from a place that another program, or an earlier time, has handed over; where none was, or what is there is none,
/// it begins a trace. A field `trace_id` of the span then holds the trace's id, so that lines of the log lead to it.
pub fn follow(span: &Span, place: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    if let Some(place) = place.and_then(|text| text.parse().ok()) {
        go_on(span, place);
    }
    if let Some(place) = of(span).filter(|place| place.sampled) {
        span.record("trace_id", format!("{:032x}", u128::from_be_bytes(place.trace)));
    }
}

/// Marks a span as failed where it is exported. It must have the fields `otel.status_code` and `otel.status_description`.
pub fn failed(span: &Span, why: &dyn fmt::Display) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", tracing::field::display(why));
}

fn go_on(span: &Span, place: TraceParent) {
    let flags = if place.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, from) = (TraceId::from_bytes(place.trace), SpanId::from_bytes(place.span));
    let remote = SpanContext::new(trace, from, flags, true, TraceState::default());
    // It fails where nothing exports traces, and then there is nothing to go on with.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}
