//! Stages in order, run twice, failing, and the way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use task_engine::testing::{FailAt, RunTwice};
use task_engine::{AdminError, ErrorKind, Next, Object, Start, State, StepError, Tuning};
use uuid::Uuid;

use crate::support::{Stage, World, along, database, history, once};

use crate::ALL;

#[tokio::test(flavor = "multi_thread")]
async fn stages_run_in_order_each_with_an_operation_of_its_own() {
    let (db, world) = (database().await, World::plain());
    let engine = db.engine(&world);
    let started = db.start("x", Start::new().request("req").by(json!({"user": "ann"}))).await;
    assert_eq!((started.name.as_str(), started.stage.as_str()), ("Trip", "first"));
    let row = db.ended(started.id).await;
    assert_eq!(row.state(), State::Succeeded);
    assert_eq!((row.result.clone(), row.cause.clone()), (Some(json!("there")), None));
    assert_eq!((row.request_id.as_deref(), row.created_by.clone()), (Some("req"), Some(json!({"user": "ann"}))));
    assert_eq!(world.steps(), ALL);
    let calls = world.calls();
    for pair in calls.windows(2) {
        assert_ne!(pair[0].operation, pair[1].operation);
        assert!(pair[0].sequence < pair[1].sequence);
    }
    assert!(calls.iter().all(|call| call.attempt == 1));
    assert_eq!(history(&row), ALL);
    for pair in row.history().windows(2) {
        assert!(pair[0].ended == pair[1].started && pair[0].started <= pair[0].ended);
    }
    assert_eq!(db.effects(row.id).await, once(&ALL));
    // The claim is one, and goes on over all stages.
    assert_eq!((row.generation, row.lease_until, row.worker.clone()), (1, None, None));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_may_run_twice() {
    for fails in [false, true] {
        let db = database().await;
        let world = World::new(move |call| async move {
            match (&call.stage, &call.failing) {
                (Stage::Last, None) if fails => Err(StepError::permanent("no")),
                _ => along(&call),
            }
        });
        let twice = Arc::new(RunTwice::default());
        let engine = db.builder(&world).intercept(twice.clone()).start();
        let id = db.spawn("x").await;
        let row = db.ended(id).await;
        let steps: &[&str] = match fails {
            false => &ALL,
            true => &["first", "second", "third", "last", "failed(last)", "undo", "undo_more"],
        };
        assert_eq!(twice.stages(), steps);
        for pair in world.calls().chunks(2) {
            assert_eq!(pair[0].step(), pair[1].step());
            assert_eq!((pair[0].operation, pair[0].sequence), (pair[1].operation, pair[1].sequence));
        }
        assert_eq!(row.state(), if fails { State::Failed } else { State::Succeeded });
        let mut committed = once(steps);
        if fails {
            committed.remove("last");
        }
        assert_eq!(db.effects(id).await, committed);
        engine.shutdown(crate::support::LIMIT).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stage_fails_the_way_back_ends_the_task() {
    let db = database().await;
    for (n, stage) in ALL.into_iter().enumerate() {
        for fail in [FailAt::before(stage), FailAt::after(stage)] {
            let world = World::plain();
            let engine = db.builder(&world).intercept(Arc::new(fail)).start();
            let id = db.spawn("x").await;
            let row = db.ended(id).await;
            assert_eq!(row.state(), State::Failed, "{row:?}");
            assert_eq!(row.result, Some(json!("back")));
            let cause = row.cause().unwrap();
            assert_eq!((cause.at_name.as_str(), cause.error.code()), (stage, Some("made_to_fail")));
            let mut steps: Vec<&str> = ALL[..n].to_vec();
            let failed = format!("failed({stage})");
            steps.extend([failed.as_str(), "undo", "undo_more"]);
            assert_eq!(db.effects(id).await, once(&steps));
            let past = row.history();
            assert_eq!(past.iter().filter(|past| past.error.is_some()).count(), 1);
            assert_eq!(past[n].error.as_ref().and_then(StepError::code), Some("made_to_fail"));
            assert_eq!(past.iter().map(|past| past.way_back).collect::<Vec<_>>(), {
                let mut ways = vec![false; n + 1];
                ways.extend([true, true]);
                ways
            });
            // The way back has operations, and higher sequences, of its own.
            let calls = world.calls();
            assert!(calls.windows(2).all(|pair| pair[0].sequence <= pair[1].sequence));
            assert!(calls.iter().rev().take(2).all(|call| call.cause.as_ref().is_some_and(|c| c.at_name == stage)));
            engine.shutdown(crate::support::LIMIT).await;
        }
    }
    db.all_ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_the_stage_and_not_the_engine() {
    let db = database().await;
    let world = World::new(|call| async move {
        assert!(call.stage != Stage::Second || call.failing.is_some(), "second step of {}", call.label);
        along(&call)
    });
    let engine = db.engine(&world);
    let row = db.ended(db.spawn("x").await).await;
    let cause = row.cause().unwrap();
    assert_eq!((row.state(), cause.error.kind()), (State::Failed, ErrorKind::Panicked));
    assert!(cause.error.message().contains("second step of x"));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_way_back_is_called_again_with_that_stage_and_the_first_cause_stays() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (&call.stage, &call.failing) {
            (Stage::Second, None) => Err(StepError::permanent("one")),
            (Stage::Undo, None) => Err(StepError::permanent("two")),
            (Stage::Undo, Some(error)) => {
                assert_eq!(error.message(), "two");
                Ok(Next::go(Stage::UndoMore))
            }
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let row = db.ended(db.spawn("x").await).await;
    assert_eq!(world.steps(), ["first", "second", "failed(second)", "undo", "failed(undo)", "undo_more"]);
    assert_eq!((row.state(), row.cause().unwrap().error.message()), (State::Failed, "one"));
    engine.shutdown(crate::support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_fails_or_goes_in_circles_is_blocked_and_can_be_retried() {
    let db = database().await;
    let healed = Arc::new(AtomicBool::new(false));
    let world = World::new({
        let healed = healed.clone();
        move |call| {
            let healed = AtomicBool::load(&healed, Ordering::SeqCst);
            async move {
                match (call.label.as_str(), &call.stage, &call.failing) {
                    (_, Stage::First, None) => Err(StepError::permanent("no")),
                    ("fails", Stage::First, Some(_)) if !healed => Err(StepError::permanent("no way")),
                    ("circles", Stage::Undo, None) if !healed => Err(StepError::permanent("again")),
                    ("circles", Stage::Undo, Some(_)) if !healed => Ok(Next::go(Stage::Undo)),
                    _ => along(&call),
                }
            }
        }
    });
    let engine = db.builder(&world).tuning(Tuning { failed_calls: 5, ..Tuning::for_tests() }).start();
    for (label, code) in [("fails", "way_back_failed"), ("circles", "way_back_in_circles")] {
        healed.store(false, Ordering::SeqCst);
        let guest = Uuid::new_v4();
        let id = db.start(label, Start::new().holding("guest", guest)).await.id;
        let row = db.wait_for(id, |row| row.state() == State::Blocked).await;
        assert_eq!(row.last_error().unwrap().error.code(), Some(code), "{row:?}");
        assert_eq!(row.ended_at, None);
        let mut conn = db.pool.get().await.unwrap();
        let object = Object { kind: "guest".into(), id: guest };
        assert_eq!(task_engine::holder(&mut conn, &object).await.unwrap().unwrap().task, id);
        healed.store(true, Ordering::SeqCst);
        task_engine::retry(&mut conn, id).await.unwrap();
        assert_eq!(db.ended(id).await.state(), State::Failed);
        assert!(matches!(task_engine::retry(&mut conn, id).await, Err(AdminError::WrongState { .. })));
        assert!(matches!(task_engine::abandon(&mut conn, Uuid::new_v4()).await, Err(AdminError::NotFound(_))));
    }
    engine.shutdown(crate::support::LIMIT).await;
}
