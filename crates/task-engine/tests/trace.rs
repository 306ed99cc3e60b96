//! A task belongs to the trace in which it was started: saved, in another process, when it fails, and with what it starts itself.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use support::{LIMIT, Stage, World, along, child, database};
use task_engine::{Next, Start, State, StepError};
use trace::collect::Collector;
use trace::export::{Exporter, TraceConfig};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

const ELSEWHERE: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_in_the_trace_whoever_runs_them_and_say_how_they_failed() {
    let collector = Collector::start().await.unwrap();
    let config = TraceConfig { endpoint: collector.endpoint(), sample: 1.0 };
    let exporter = Exporter::new(&config, "test", "0").unwrap().unwrap();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(exporter.layer())).unwrap();

    let db = database().await;
    let before = World::new(|call| async move {
        match call.stage {
            Stage::Second => Ok(Next::wait(Stage::Third { with: 3 }, Duration::from_secs(600))),
            _ => along(&call),
        }
    });
    let after = World::new(|call| async move {
        match (call.label.as_str(), &call.stage, &call.failing) {
            ("parent", Stage::Third { .. }, None) => Err(StepError::permanent("no third")),
            ("parent", Stage::Undo, None) => Ok(Next::join(Stage::UndoMore, vec![child("child", Start::new())])),
            _ => along(&call),
        }
    });
    let engine = db.engine(&before);
    let request = tracing::error_span!("request", trace_id = tracing::field::Empty);
    trace::follow(&request, Some(ELSEWHERE));
    let place = trace::of(&request).unwrap();
    let task = db.start("parent", Start::new().request("r1")).instrument(request).await.id;
    let waiting = db.wait_for(task, |row| row.stage_name == "third").await;
    assert_eq!(waiting.traceparent.as_deref(), Some(place.to_string().as_str()), "it is saved");
    engine.shutdown(LIMIT).await;

    let engine = db.engine(&after);
    assert!(db.report(waiting.operation, serde_json::json!({})).await);
    assert_eq!(db.ended(task).await.state(), State::Failed);
    // Another that nobody asked for begins a trace of its own.
    let alone = db.spawn("alone").await;
    db.ended(alone).await;
    engine.shutdown(LIMIT).await;
    exporter.end().await;

    let spans = collector.spans();

    let of = |task: uuid::Uuid| spans.iter().filter(move |span| span.attribute("task_id") == task.to_string());
    let names: Vec<_> = of(task).map(|span| (span.name.as_str(), span.has_failed)).collect();
    let wanted = ["first", "second", "third", "third", "undo", "undo_more"].map(|stage| format!("Trip {stage}"));
    assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), wanted, "{spans:#?}");
    assert_eq!(names.iter().filter(|(_, has_failed)| *has_failed).collect::<Vec<_>>(), [&("Trip third", true)]);
    for span in of(task) {
        assert_eq!(format!("00-{}-{}-01", span.trace, span.parent), place.to_string());
        assert_eq!((span.attribute("request_id"), span.attribute("trace_id")), ("r1", span.trace.as_str()));
    }

    let undo = of(task).find(|span| span.name == "Trip undo").unwrap();
    let children: Vec<_> = spans.iter().filter(|span| span.parent == undo.id && span.trace == undo.trace).collect();
    assert_eq!(children.len(), 4, "the steps of the child: {children:#?}");

    let own: BTreeSet<_> = of(alone).map(|span| (span.trace.as_str(), span.parent.as_str())).collect();
    let start = spans.iter().find(|span| span.name == "start Trip").unwrap();
    assert_eq!(own, BTreeSet::from([(start.trace.as_str(), start.id.as_str())]));
    assert!(start.parent.is_empty() && start.trace != undo.trace);
    db.all_ended().await;
}
