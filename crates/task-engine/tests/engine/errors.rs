//! Transient errors, deadlines, cancelling.

use std::time::Duration;

use serde_json::json;
use task_engine::{AdminError, ErrorKind, Next, State, StepError};
use uuid::Uuid;

use crate::support::{Stage, World, along, database};
use crate::waits::patient;

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_keep_stage_and_operation_until_they_end() {
    let db = database().await;
    let world = World::new(|call| async move {
        match call.stage {
            Stage::Second if call.attempt <= 4 => Err(StepError::transient("host unreachable")),
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let row = db.ended(db.spawn("x").await).await;
    assert_eq!(row.state(), State::Succeeded);
    let seconds: Vec<_> = world.calls().into_iter().filter(|call| call.stage == Stage::Second).collect();
    assert_eq!(seconds.len(), 5);
    assert!(seconds.iter().all(|call| call.operation == seconds[0].operation && call.sequence == seconds[0].sequence));
    assert_eq!(row.history()[1].attempts, 5);
    assert_eq!(row.last_error, None);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_end_at_the_deadline_with_the_last_of_them() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (&call.stage, &call.failing) {
            (Stage::First, None) => Err(StepError::transient("host unreachable").with_code("unreachable")),
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.last_error().is_some_and(|last| last.count >= 3)).await;
    assert_eq!(row.last_error().unwrap().error.code(), Some("unreachable"));
    db.sql("UPDATE tasks SET stage_deadline = now()").await;
    let row = db.ended(id).await;
    let cause = row.cause().unwrap();
    assert_eq!((cause.error.kind(), cause.error.code()), (ErrorKind::DeadlineExceeded, Some("unreachable")));
    assert!(cause.error.message().contains("host unreachable"));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_hangs_is_dropped_at_the_deadline() {
    let db = database().await;
    let world = World::new(|call| async move {
        if call.stage == Stage::Last && call.failing.is_none() {
            std::future::pending::<()>().await;
        }
        along(&call)
    });
    let engine = db.engine(&world);
    let id = db.spawn("x").await;
    world.called("last", 1).await;
    // The next owner reads the new deadline.
    engine.kill().await;
    db.sql("UPDATE tasks SET stage_deadline = now()").await;
    let engine = db.engine(&world);
    let row = db.ended(id).await;
    assert_eq!(row.cause().unwrap().error.kind(), ErrorKind::DeadlineExceeded);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_is_honoured_where_a_stage_says_so() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (call.label.as_str(), &call.stage, &call.failing) {
            ("waits", Stage::First, None) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            ("hangs", Stage::Second, None) | ("deaf", Stage::Third { .. }, None) if !call.cancel_requested => {
                std::future::pending().await
            }
            _ => along(&call),
        }
    });
    let engine = db.builder(&world).tuning(patient()).start();
    let mut conn = db.pool.get().await.unwrap();

    for (label, step) in [("waits", "first"), ("hangs", "second")] {
        let id = db.spawn(label).await;
        world.called(step, 1).await;
        assert!(task_engine::cancel(&mut conn, id).await.unwrap());
        let row = db.ended(id).await;
        assert_eq!(row.state(), State::Cancelled, "{row:?}");
        assert_eq!(row.cause().unwrap().at_name, step);
        assert_eq!(row.result, Some(json!("back")), "by the way back, which can't be cancelled");
        assert!(matches!(task_engine::cancel(&mut conn, id).await, Err(AdminError::WrongState { .. })));
    }
    assert!(matches!(task_engine::cancel(&mut conn, Uuid::new_v4()).await, Err(AdminError::NotFound(_))));

    // One that is past the point of turning back goes on to its end.
    let id = db.spawn("deaf").await;
    world.called("third", 1).await;
    assert!(task_engine::cancel(&mut conn, id).await.unwrap());
    assert!(!task_engine::cancel(&mut conn, id).await.unwrap(), "asked before");
    engine.kill().await;
    let engine = db.engine(&world);
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    engine.shutdown(crate::support::LIMIT).await;
}
