//! Waiting for what somebody else reports.

use std::time::Duration;

use serde_json::json;
use task_engine::{ErrorKind, Next, State, Tuning};
use uuid::Uuid;

use crate::support::{Stage, World, along, database, history};

use crate::ALL;

/// Waits in `first` for an outcome; a wait that is not woken would last longer than the test.
fn waiting() -> World {
    World::new(|call| async move {
        match (&call.stage, &call.failing, &call.outcome) {
            (Stage::First, None, None) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            _ => along(&call),
        }
    })
}

pub fn patient() -> Tuning {
    Tuning { wait_min: Duration::from_secs(600), wait_max: Duration::from_secs(600), ..Tuning::for_tests() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_wakes_its_task_once_and_others_match_nothing() {
    let (db, world) = (database().await, waiting());
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.state() == State::Waiting).await;
    assert!(!db.report(Uuid::new_v4(), json!("made up")).await);
    assert!(db.report(row.operation, json!({"stopped": "yes\0"})).await);
    let ended = db.ended(id).await;
    assert_eq!(ended.state(), State::Succeeded);
    assert!(!db.report(row.operation, json!("repeated")).await);
    assert!(!db.report(ended.operation, json!("late")).await, "nothing is open any more");
    let calls = world.calls();
    assert_eq!(world.steps(), ["first", "first", "second", "third", "last"]);
    assert_eq!(calls[1].outcome, Some(json!({"stopped": "yes\u{fffd}"})));
    assert_eq!(calls[0].operation, calls[1].operation);
    assert_eq!(calls[2].outcome, None, "an outcome belongs to one operation");
    assert_eq!(history(&ended), ALL);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_report_changes_nothing() {
    let (db, world) = (database().await, waiting());
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.state() == State::Waiting).await;
    engine.shutdown(crate::support::LIMIT).await;
    assert!(db.report(row.operation, json!(1)).await);
    assert!(!db.report(row.operation, json!(2)).await);
    let engine = db.engine(&world);
    db.ended(id).await;
    assert_eq!(world.calls()[1].outcome, Some(json!(1)));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_comes_before_the_wait_is_saved_is_not_slept_over() {
    let db = database().await;
    let pool = db.pool.clone();
    let world = World::new(move |call| {
        let pool = pool.clone();
        async move {
            match (&call.stage, &call.outcome) {
                (Stage::First, None) => {
                    // The host is faster than we are.
                    let mut conn = pool.get().await?;
                    assert!(task_engine::report(&mut conn, call.operation, json!("done")).await?);
                    Ok(Next::wait(Stage::First, Duration::from_secs(600)))
                }
                _ => along(&call),
            }
        }
    });
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    assert_eq!(world.calls()[1].outcome, Some(json!("done")));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_stage_is_run_again_now_and_then_so_that_no_report_is_needed() {
    let db = database().await;
    let world = World::new(|call| async move {
        match call.stage {
            // The host answers the repeated request.
            Stage::First if call.attempt < 4 => Ok(Next::wait(Stage::First, Duration::from_secs(60))),
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let row = db.ended(db.spawn("x").await).await;
    assert_eq!(world.steps(), ["first", "first", "first", "first", "second", "third", "last"]);
    assert!(world.calls()[..4].windows(2).all(|pair| pair[0].operation == pair[1].operation));
    assert_eq!(row.history()[0].attempts, 4);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_at_its_deadline_and_repeating_it_does_not_move_it() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (&call.stage, &call.failing) {
            (Stage::First, None) => Ok(Next::wait(Stage::First, Duration::from_millis(700))),
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let row = db.ended(db.spawn("x").await).await;
    let cause = row.cause().unwrap();
    assert_eq!((row.state(), cause.error.kind()), (State::Failed, ErrorKind::DeadlineExceeded));
    let first = &row.history()[0];
    let took = first.ended - first.started;
    assert!(took >= chrono::TimeDelta::milliseconds(700), "{took}");
    assert!(first.attempts > 2);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_lies_there_after_the_deadline_is_still_taken() {
    let (db, world) = (database().await, waiting());
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.state() == State::Waiting).await;
    engine.shutdown(crate::support::LIMIT).await;
    // Nobody was there to look: region was down for an hour.
    assert!(db.report(row.operation, json!("done")).await);
    db.sql("UPDATE tasks SET stage_deadline = now() - interval '1 hour'").await;
    let engine = db.engine(&world);
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_may_move_on_to_another_stage_with_the_same_operation() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (&call.stage, &call.outcome) {
            (Stage::First, _) => Ok(Next::wait(Stage::Second, Duration::from_secs(60))),
            (Stage::Second, None) => Ok(Next::wait(Stage::Second, Duration::from_secs(60))),
            _ => along(&call),
        }
    });
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.state() == State::Waiting && row.stage_name == "second").await;
    assert!(db.report(row.operation, json!(1)).await);
    let row = db.ended(id).await;
    assert_eq!(history(&row), ALL);
    let calls = world.calls();
    assert_eq!(calls[0].operation, calls[1].operation);
    engine.shutdown(crate::support::LIMIT).await;
}
