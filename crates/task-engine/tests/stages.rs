//! What a task goes through when all processes live: stages, waiting, failing, cancelling, children, objects.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel_async::{AsyncConnection, RunQueryDsl};
use serde_json::json;
use support::{Errand, Stage, Trip, World, along, child, database, effect, history, once, trip};
use task_engine::testing::{FailAt, RunTwice};
use task_engine::{AdminError, Child, ErrorKind, Next, Object, SpawnError, Start, State, StepError, Tuning};
use uuid::Uuid;

const ALL: [&str; 4] = ["first", "second", "third", "last"];

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
    engine.shutdown(support::LIMIT).await;
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
        engine.shutdown(support::LIMIT).await;
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
            engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
}

/// Waits in `first` for an outcome; a wait that is not woken would last longer than the test.
fn waiting() -> World {
    World::new(|call| async move {
        match (&call.stage, &call.failing, &call.outcome) {
            (Stage::First, None, None) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            _ => along(&call),
        }
    })
}

fn patient() -> Tuning {
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
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_report_changes_nothing() {
    let (db, world) = (database().await, waiting());
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.state() == State::Waiting).await;
    engine.shutdown(support::LIMIT).await;
    assert!(db.report(row.operation, json!(1)).await);
    assert!(!db.report(row.operation, json!(2)).await);
    let engine = db.engine(&world);
    db.ended(id).await;
    assert_eq!(world.calls()[1].outcome, Some(json!(1)));
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_lies_there_after_the_deadline_is_still_taken() {
    let (db, world) = (database().await, waiting());
    let engine = db.builder(&world).tuning(patient()).start();
    let id = db.spawn("x").await;
    let row = db.wait_for(id, |row| row.state() == State::Waiting).await;
    engine.shutdown(support::LIMIT).await;
    // Nobody was there to look: region was down for an hour.
    assert!(db.report(row.operation, json!("done")).await);
    db.sql("UPDATE tasks SET stage_deadline = now() - interval '1 hour'").await;
    let engine = db.engine(&world);
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
}

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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
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
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_held_by_one_live_task() {
    let (db, world) = (database().await, World::plain());
    let guest = Uuid::new_v4();
    let first = db.start("x", Start::new().holding("guest", guest)).await;
    let mut conn = db.pool.get().await.unwrap();

    // Busy, and the caller's transaction is still good.
    let refused = conn
        .transaction(async |conn| {
            let refused = task_engine::spawn(conn, &trip("y"), Start::new().holding("guest", guest)).await;
            effect(conn, guest, "told the user").await.unwrap();
            Ok::<_, diesel::result::Error>(refused)
        })
        .await
        .unwrap();
    match refused {
        Err(SpawnError::Busy(busy)) => {
            assert_eq!((busy.task, busy.name.as_str(), busy.stage.as_str()), (first.id, "Trip", "first"));
            assert_eq!(busy.to_string(), format!("guest {guest} is busy with task {} (Trip, at first)", first.id));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(db.effects(guest).await.len(), 1);
    // Another kind with the same id, and one that does not hold, are fine.
    db.start("z", Start::new().holding("disk", guest)).await;
    db.start("z", Start::new().about("guest", guest)).await;

    let engine = db.engine(&world);
    db.ended(first.id).await;
    // Many at once: one gets it.
    let tries = futures::future::join_all((0..8).map(|_| {
        let pool = db.pool.clone();
        async move {
            let mut conn = pool.get().await.unwrap();
            conn.transaction(async |conn| {
                task_engine::spawn(conn, &trip("w"), Start::new().holding("guest", guest).after(support::LIMIT)).await
            })
            .await
        }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = tries.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    assert!(
        lost.iter().all(|lost| matches!(lost, Err(SpawnError::Busy(busy)) if busy.task == won[0].as_ref().unwrap().id))
    );
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_transaction_is_rolled_back_never_was() {
    let (db, world) = (database().await, World::plain());
    let engine = db.engine(&world);
    let mut conn = db.pool.get().await.unwrap();
    let undone: Result<(), SpawnError> = conn
        .transaction(async |conn| {
            task_engine::spawn(conn, &trip("x"), Start::new()).await?;
            Err(diesel::result::Error::RollbackTransaction.into())
        })
        .await;
    assert!(undone.is_err());
    let id = db.spawn("y").await;
    db.ended(id).await;
    assert!(world.calls().iter().all(|call| call.label == "y"));
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_goes_on_when_its_last_child_has_ended() {
    let db = database().await;
    let (guest, taken) = (Uuid::new_v4(), Uuid::new_v4());
    let world = World::new(move |call| async move {
        match (call.label.as_str(), &call.stage) {
            _ if call.failing.is_some() => along(&call),
            ("parent", Stage::First) => {
                let mut children: Vec<Child> = (0..20).map(|n| child(&format!("child {n}"), Start::new())).collect();
                children.push(child("on my guest", Start::new().holding("guest", guest)));
                children.push(child("busy", Start::new().holding("guest", taken)));
                children.push(Child::new(&Errand { label: "fails".into() }, Start::new())?);
                Ok(Next::join(Stage::Second, children))
            }
            ("blocker", Stage::First) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            _ => along(&call),
        }
    });
    // Several engines, so that the last children end at the same time in different places.
    let engines: Vec<_> = (0..3).map(|_| db.engine(&world)).collect();
    let blocker = db.start("blocker", Start::new().holding("guest", taken)).await.id;
    let id = db.start("parent", Start::new().holding("guest", guest)).await.id;
    let row = db.ended(id).await;
    assert_eq!((row.state(), row.open_children), (State::Succeeded, 0));
    let second = world.calls().into_iter().find(|c| c.label == "parent" && c.stage == Stage::Second).unwrap();
    assert_eq!(second.children.len(), 23);
    assert!(second.children.iter().all(|child| child.ended_at.is_some()));
    let failed: Vec<_> = second
        .children
        .iter()
        .filter(|child| child.state() == State::Failed)
        .map(|child| child.cause().unwrap().error.code().unwrap().to_owned())
        .collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.contains(&"busy".to_owned()) && failed.contains(&"told".to_owned()));
    let begun = world.calls().iter().filter(|call| call.label != "blocker" && call.stage == Stage::First).count();
    assert_eq!(begun, 22, "the parent and its children once each, but the busy one");
    assert_eq!(history(&row), ALL);
    task_engine::cancel(&mut db.pool.get().await.unwrap(), blocker).await.unwrap();
    db.ended(blocker).await;
    for engine in engines {
        engine.shutdown(support::LIMIT).await;
    }
    db.all_ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_without_children_and_a_cancelled_family() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (call.label.as_str(), &call.stage, &call.failing) {
            ("alone", Stage::First, None) => Ok(Next::join(Stage::Second, Vec::new())),
            ("family", Stage::First, None) => Ok(Next::join(Stage::Second, vec![child("waits", Start::new())])),
            ("waits", Stage::First, None) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            _ => along(&call),
        }
    });
    let engine = db.builder(&world).tuning(patient()).start();
    assert_eq!(db.ended(db.spawn("alone").await).await.state(), State::Succeeded);
    let id = db.spawn("family").await;
    world.called("first", 3).await;
    db.wait_for(id, |row| row.state() == State::Joining).await;
    assert!(task_engine::cancel(&mut db.pool.get().await.unwrap(), id).await.unwrap());
    let row = db.ended(id).await;
    assert_eq!(row.state(), State::Cancelled);
    let last = world.calls().into_iter().rfind(|call| call.label == "family").unwrap();
    assert_eq!(last.children[0].state(), State::Cancelled);
    db.all_ended().await;
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_longer_decodes_is_blocked_and_keeps_its_hold() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (call.label.as_str(), &call.stage, call.children.len()) {
            ("parent", Stage::First, 0) => Ok(Next::join(Stage::Second, vec![child("odd", Start::new())])),
            ("odd", Stage::First, _) => Ok(Next::wait(Stage::First, Duration::from_secs(600))),
            _ => along(&call),
        }
    });
    for (change, undo) in [
        ("data = '{\"label\": \"x\", \"new\": 1}'", Some("data = '{\"label\": \"x\"}'")),
        ("stage = '\"gone\"', stage_name = 'gone'", Some("stage = '\"second\"', stage_name = 'second'")),
        ("stage = '[]'", None),
    ] {
        let guest = Uuid::new_v4();
        let id = db.start("x", Start::new().holding("guest", guest)).await.id;
        db.sql(&format!("UPDATE tasks SET {change} WHERE id = '{id}'")).await;
        let engine = db.engine(&world);
        let row = db.wait_for(id, |row| row.state() == State::Blocked).await;
        assert_eq!(row.last_error().unwrap().error.code(), Some("unreadable"));
        assert!(row.cause.is_none() && row.ended_at.is_none());
        let mut conn = db.pool.get().await.unwrap();
        let again = task_engine::spawn(&mut conn, &trip("y"), Start::new().holding("guest", guest)).await;
        assert!(matches!(again, Err(SpawnError::Busy(_))));
        match undo {
            Some(undo) => {
                db.sql(&format!("UPDATE tasks SET {undo} WHERE id = '{id}'")).await;
                task_engine::retry(&mut conn, id).await.unwrap();
                assert_eq!(db.ended(id).await.state(), State::Succeeded);
            }
            None => {
                task_engine::abandon(&mut conn, id).await.unwrap();
                let row = db.ended(id).await;
                assert_eq!((row.state(), row.cause().unwrap().error.code()), (State::Failed, Some("abandoned")));
                db.start("y", Start::new().holding("guest", guest)).await;
            }
        }
        engine.shutdown(support::LIMIT).await;
    }

    // A parent that waits for a blocked child goes on when that is abandoned.
    let engine = db.builder(&world).tuning(patient()).start();
    let parent = db.spawn("parent").await;
    db.wait_for(parent, |row| row.state() == State::Joining).await;
    let child: Uuid = {
        use diesel::{ExpressionMethods, QueryDsl};
        use task_engine::schema::tasks::dsl;
        let mut conn = db.pool.get().await.unwrap();
        dsl::tasks.filter(dsl::parent_id.eq(parent)).select(dsl::id).first(&mut conn).await.unwrap()
    };
    db.wait_for(child, |row| row.state() == State::Waiting).await;
    db.sql(&format!("UPDATE tasks SET data = '{{}}', run_at = now() WHERE id = '{child}'")).await;
    db.wait_for(child, |row| row.state() == State::Blocked).await;
    task_engine::abandon(&mut db.pool.get().await.unwrap(), child).await.unwrap();
    assert_eq!(db.ended(parent).await.state(), State::Succeeded);
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_that_break_a_rule_fail_the_stage_and_transient_ones_repeat_it() {
    let db = database().await;
    db.sql("ALTER TABLE effects ADD CHECK (step <> 'second')").await;
    let world = World::plain();
    let engine = db.engine(&world);
    let id = db.spawn("x").await;
    let row = db.ended(id).await;
    assert_eq!((row.state(), row.cause().unwrap().at_name.as_str()), (State::Failed, "second"));
    assert!(row.cause().unwrap().error.message().contains("violates check constraint"));
    assert_eq!(db.effects(id).await, once(&["first", "failed(second)", "undo", "undo_more"]));
    engine.shutdown(support::LIMIT).await;

    // A table that is away for a moment; its step has run, and runs again with the same operation.
    let db = database().await;
    db.sql(
        "CREATE FUNCTION now_and_then() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.step = 'second' AND (SELECT attempts FROM tasks WHERE id = NEW.task) < 3 THEN
            RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001';
        END IF; RETURN NEW; END $$",
    )
    .await;
    db.sql("CREATE TRIGGER t BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION now_and_then()").await;
    let world = World::plain();
    let engine = db.engine(&world);
    let id = db.spawn("x").await;
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    assert_eq!(world.steps(), ["first", "second", "second", "second", "third", "last"]);
    assert_eq!(db.effects(id).await, once(&ALL));
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_tasks_are_archived_with_their_children() {
    let db = database().await;
    let world = World::new(|call| async move {
        match (call.label.as_str(), &call.stage) {
            ("parent", Stage::First) => Ok(Next::join(Stage::Second, vec![child("child", Start::new())])),
            _ => along(&call),
        }
    });
    let engine = db.engine(&world);
    let parent = db.spawn("parent").await;
    db.ended(parent).await;
    let live = db.start("later", Start::new().after(support::LIMIT)).await.id;
    // A family of which one is alive stays together: here a child that came after its parent's end.
    let torn = db.spawn("torn").await;
    db.ended(torn).await;
    db.start("late child", Start::new().after(support::LIMIT).parent(torn)).await;
    let mut conn = db.pool.get().await.unwrap();
    assert_eq!(task_engine::archive(&mut conn, Duration::from_secs(3600), 100).await.unwrap(), 0);
    assert_eq!(task_engine::archive(&mut conn, Duration::ZERO, 100).await.unwrap(), 1);
    assert!(task_engine::get(&mut conn, parent).await.unwrap().is_none());
    assert!(task_engine::get(&mut conn, torn).await.unwrap().is_some());
    assert!(task_engine::get(&mut conn, live).await.unwrap().is_some());
    let archived = diesel::sql_query("UPDATE tasks_archive SET name = name").execute(&mut conn).await.unwrap();
    assert_eq!(archived, 2);
    engine.shutdown(support::LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_stored_data_and_registered_once() {
    let db = database().await;
    let builder = db.builder(&World::plain());
    let names = builder.names();
    assert_eq!(names["Trip"], ["first", "second", "third", "last", "undo", "undo_more"]);
    assert_eq!(names["Errand"], ["One"]);
    assert_eq!(builder.register::<Trip>().err(), Some(task_engine::RegisterError::Duplicate("Trip")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_that_of_the_database() {
    use diesel::sql_types::Text;
    #[derive(diesel::QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        kind: String,
    }
    let db = database().await;
    let mut conn = db.pool.get().await.unwrap();
    let found: Vec<Column> = diesel::sql_query(
        "SELECT column_name::text AS name, CASE WHEN is_nullable = 'YES' THEN data_type || '?' ELSE data_type END AS kind
         FROM information_schema.columns WHERE table_name = 'tasks' ORDER BY ordinal_position",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let found: std::collections::BTreeMap<_, _> = found.into_iter().map(|column| (column.name, column.kind)).collect();
    // Read from the source of `table!`, the one place that says it.
    let schema: std::collections::BTreeMap<_, _> = include_str!("../src/schema.rs")
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" -> "))
        .map(|(name, kind)| {
            let (kind, mark) = kind.strip_prefix("Nullable<").map_or((kind, ""), |kind| (&kind[..kind.len() - 1], "?"));
            let kind = match kind {
                "Uuid" => "uuid",
                "Text" => "text",
                "Jsonb" => "jsonb",
                "Timestamptz" => "timestamp with time zone",
                "Integer" => "integer",
                "BigInt" => "bigint",
                "Bool" => "boolean",
                other => panic!("{other}"),
            };
            (name.to_owned(), format!("{kind}{mark}"))
        })
        .collect();
    assert_eq!(found, schema);
    assert!(found.len() <= 32);
}
