//! What a task goes through when processes, connections and the database end at any moment.

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pg_cluster::{Options, TestServer};
use serde_json::json;
use support::{LIMIT, Stage, World, along, database, history, once, pool, trip, until};
use task_engine::{Engine, Next, Start, State, StepError, Task, TaskCx, Tuning};
use tokio::sync::Notify;
use uuid::Uuid;

const ALL: [&str; 4] = ["first", "second", "third", "last"];

/// Nothing but a notification, or a claim given back, gets a task going before the test is over.
fn slow() -> Tuning {
    let long = Duration::from_secs(600);
    Tuning { lease: long, poll: long, wait_min: long, wait_max: long, ..Tuning::for_tests() }
}

/// Long leases, short polls.
fn long_lease() -> Tuning {
    Tuning { lease: Duration::from_secs(600), ..Tuning::for_tests() }
}

/// Fails at `last`, so that the way back is part of the story; hangs at `step` when it runs for the first time.
fn hangs_at(step: &str) -> World {
    let (step, hung) = (step.to_owned(), Arc::new(AtomicBool::new(false)));
    World::new(move |call| {
        let hang = call.step() == step && !hung.swap(true, Ordering::SeqCst);
        async move {
            if hang {
                std::future::pending::<()>().await;
            }
            match (&call.stage, &call.failing) {
                (Stage::Last, None) => Err(StepError::permanent("no")),
                _ => along(&call),
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_saved_step_another_engine_goes_on() {
    let steps = ["first", "second", "third", "last", "failed(last)", "undo", "undo_more"];
    let stories = steps.map(|step| async move {
        let (db, world) = (database().await, hangs_at(step));
        let doomed = db.engine(&world);
        let id = db.spawn("x").await;
        world.called(step, 1).await;
        doomed.kill().await;
        let row = task_engine::get(&mut db.pool.get().await.unwrap(), id).await.unwrap().unwrap();
        assert!(row.lease_until.is_some(), "nobody gave it back");
        let heir = db.engine(&world);
        let row = db.ended(id).await;
        assert_eq!(row.state(), State::Failed);
        let committed: Vec<&str> = steps.into_iter().filter(|step| *step != "last").collect();
        assert_eq!(db.effects(id).await, once(&committed));
        // The step that was cut off ran again, with its operation; no other did.
        let calls = world.calls();
        let twice: Vec<_> = calls.iter().filter(|call| call.step() == step).collect();
        assert_eq!((calls.len(), twice.len()), (8, 2), "{:?}", world.steps());
        assert_eq!((twice[0].operation, twice[0].sequence), (twice[1].operation, twice[1].sequence));
        assert_eq!(row.generation, 2);
        heir.shutdown(LIMIT).await;
    });
    futures::future::join_all(stories).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_owner_that_wakes_up_saves_nothing() {
    let db = database().await;
    let (gate, first) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(true)));
    let world = World::new({
        let gate = gate.clone();
        move |call| {
            let held = call.stage == Stage::Second && first.swap(false, Ordering::SeqCst);
            let gate = gate.clone();
            async move {
                if held {
                    gate.notified().await;
                    return Ok(Next::done("by the old owner"));
                }
                along(&call)
            }
        }
    });
    // Its keeper does not look again during the test: as if the process had stood still.
    let old = db.builder(&world).tuning(long_lease()).name("old").start();
    let id = db.spawn("x").await;
    world.called("second", 1).await;
    db.sql("UPDATE tasks SET lease_until = now() - interval '1 second'").await;
    let new = db.builder(&world).name("new").start();
    let row = db.ended(id).await;
    assert_eq!(row.result, Some(json!("there")));
    gate.notify_one();
    old.shutdown(LIMIT).await;
    let after = task_engine::get(&mut db.pool.get().await.unwrap(), id).await.unwrap().unwrap();
    assert_eq!(after, row, "not a single column");
    assert_eq!(db.effects(id).await, once(&ALL), "nor an effect");
    new.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_lease_was_taken_is_dropped() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let db = database().await;
    let dropped = Arc::new(AtomicBool::new(false));
    let world = World::new({
        let dropped = dropped.clone();
        move |_| {
            let guard = Dropped(dropped.clone());
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        }
    });
    let engine = db.engine(&world);
    db.spawn("x").await;
    world.called("first", 1).await;
    db.sql("UPDATE tasks SET generation = generation + 1, lease_until = now() + interval '1 hour', worker = 'thief'")
        .await;
    until("the step is dropped", || AtomicBool::load(&dropped, Ordering::SeqCst)).await;
    engine.shutdown(LIMIT).await;
    let mut conn = db.pool.get().await.unwrap();
    let theirs = diesel::sql_query("UPDATE tasks SET name = name WHERE worker = 'thief'").execute(&mut conn).await;
    assert_eq!(theirs, Ok(1), "and nothing of the thief's was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_extended_while_a_step_runs() {
    let db = database().await;
    let gate = Arc::new(Notify::new());
    let world = World::new({
        let gate = gate.clone();
        move |call| {
            let gate = gate.clone();
            async move {
                if call.stage == Stage::First {
                    gate.notified().await;
                }
                along(&call)
            }
        }
    });
    let engines = [db.engine(&world), db.engine(&world)];
    let id = db.spawn("x").await;
    let begun = db.wait_for(id, |row| row.lease_until.is_some()).await.lease_until.unwrap();
    // Three leases later it is still the first claim.
    db.wait_for(id, |row| row.lease_until.unwrap() > begun + 3 * Tuning::for_tests().lease).await;
    gate.notify_one();
    let row = db.ended(id).await;
    assert_eq!((row.generation, world.steps()), (1, ALL.map(String::from).to_vec()));
    for engine in engines {
        engine.shutdown(LIMIT).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_step_is_run_by_two_workers_at_once_and_none_is_left_out() {
    let db = database().await;
    let inside = Arc::new(Mutex::new(HashSet::new()));
    let world = World::new(move |call| {
        let inside = inside.clone();
        async move {
            assert!(inside.lock().unwrap().insert(call.task), "two at once");
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            inside.lock().unwrap().remove(&call.task);
            along(&call)
        }
    });
    // A lease that runs out on a busy machine makes a step run again, rightly; that is another test.
    let patient = Tuning { lease: LIMIT, ..Tuning::for_tests() };
    let engines: Vec<_> = (0..4).map(|_| db.builder(&world).tuning(patient.clone()).workers(8).start()).collect();
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(db.spawn(&n.to_string()).await);
    }
    for id in ids {
        let row = db.ended(id).await;
        assert_eq!(row.state(), State::Succeeded, "{row:?}");
        assert_eq!(history(&row), ALL);
        assert_eq!(db.effects(id).await, once(&ALL));
    }
    assert_eq!(world.calls().len(), 400);
    for engine in engines {
        engine.shutdown(LIMIT).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_wakes_and_one_that_is_lost_is_made_up_for_by_a_poll() {
    let (db, world) = (database().await, World::plain());
    // By notification only; also after its connection was cut.
    let listens = db.builder(&world).tuning(slow()).start();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    for _ in 0..3 {
        let id = db.spawn("x").await;
        assert_eq!(db.ended(id).await.state(), State::Succeeded);
        db.sql(cut).await;
    }
    listens.shutdown(LIMIT).await;

    // By polling only.
    let deaf: task_engine::Connect =
        Arc::new(|| Box::pin(async { Err(diesel::ConnectionError::BadConnection("deaf".into())) }));
    let polls = db.builder(&world).connect(deaf).start();
    let id = db.spawn("x").await;
    assert_eq!(db.ended(id).await.state(), State::Succeeded);
    polls.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waker_reaches_the_engines_of_other_processes() {
    let (db, world, waker) = (database().await, World::plain(), task_engine::Waker::default());
    // The one that is woken directly has no place for the task: it is for the other, which polls far too seldom.
    let here = db.builder(&world).tuning(slow()).waker(waker.clone()).start();
    let there = db.builder(&world).tuning(slow()).register::<Newer>().unwrap().start();
    for _ in 0..3 {
        let id = task_engine::spawn(&mut db.pool.get().await.unwrap(), &Newer, Start::new()).await.unwrap().id;
        waker.wake();
        assert_eq!(db.ended(id).await.state(), State::Succeeded);
    }
    here.shutdown(LIMIT).await;
    there.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tasks_than_one_claim_takes_need_no_poll() {
    let (db, world) = (database().await, World::plain());
    let mut ids = Vec::new();
    {
        let mut conn = db.pool.get().await.unwrap();
        for _ in 0..700 {
            ids.push(task_engine::spawn(&mut conn, &trip("x"), Start::new()).await.unwrap().id);
        }
    }
    let engine = db.builder(&world).tuning(slow()).workers(400).start();
    for id in ids {
        assert_eq!(db.ended(id).await.state(), State::Succeeded);
    }
    engine.shutdown(LIMIT).await;
}

/// Known to some engines only.
#[derive(serde::Serialize, serde::Deserialize)]
struct Newer;

impl Task for Newer {
    const NAME: &'static str = "Newer";
    type Env = World;
    type Stage = support::Only;
    async fn step(&self, _: support::Only, _: &mut TaskCx<'_, World>) -> Result<Next<support::Only>, StepError> {
        Ok(Next::done("new"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_an_engine_does_not_know_is_left_to_one_that_does() {
    let (db, world) = (database().await, World::plain());
    let old = db.engine(&world);
    let newer = task_engine::spawn(&mut db.pool.get().await.unwrap(), &Newer, Start::new()).await.unwrap().id;
    db.ended(db.spawn("x").await).await;
    let row = task_engine::get(&mut db.pool.get().await.unwrap(), newer).await.unwrap().unwrap();
    assert_eq!((row.state(), row.generation, row.attempts), (State::Queued, 0, 0));
    let new = db.builder(&world).register::<Newer>().unwrap().start();
    assert_eq!(db.ended(newer).await.state(), State::Succeeded);
    old.shutdown(LIMIT).await;
    new.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_a_step_end_and_gives_back_what_does_not() {
    let db = database().await;
    let gate = Arc::new(Notify::new());
    let world = World::new({
        let gate = gate.clone();
        move |call| {
            let gate = gate.clone();
            async move {
                match (call.label.as_str(), &call.stage, call.attempt) {
                    ("ends", Stage::First, _) => gate.notified().await,
                    ("hangs", Stage::First, 1) => std::future::pending().await,
                    _ => {}
                }
                along(&call)
            }
        }
    });
    let engine = db.builder(&world).tuning(slow()).start();
    let (ends, hangs) = (db.spawn("ends").await, db.spawn("hangs").await);
    world.called("first", 2).await;
    engine.drain();
    gate.notify_one();
    engine.shutdown(Duration::from_millis(500)).await;
    let mut conn = db.pool.get().await.unwrap();
    for (id, stage) in [(ends, "second"), (hangs, "first")] {
        let row = task_engine::get(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((row.stage_name.as_str(), row.lease_until), (stage, None));
    }
    assert_eq!(world.calls().len(), 2, "nothing new began");
    // Nobody has to wait for a lease of ten minutes.
    let engine = db.builder(&world).tuning(slow()).start();
    for id in [ends, hangs] {
        assert_eq!(db.ended(id).await.state(), State::Succeeded);
    }
    engine.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_outlive_a_restart_of_postgres() {
    for hard in [false, true] {
        let options = Options { durable: true, ..Options::for_tests() };
        let cluster = tokio::task::spawn_blocking(|| TestServer::start_with(options).unwrap()).await.unwrap();
        let url = cluster.url("postgres");
        task_engine::migrate(&url).await.unwrap();
        support::effects_table(&url).await.unwrap();
        let ours: Pool<AsyncPgConnection> = pool(&url);
        let world = World::new(|call| async move {
            // Slow enough for the restart to fall in the middle; the pace of the test is not its condition.
            tokio::time::sleep(Duration::from_millis(30)).await;
            along(&call)
        });
        let engine = |world: &World| {
            Engine::builder(pool(&url), url.clone(), Arc::new(world.clone()))
                .tuning(Tuning::for_tests())
                .workers(10)
                .register::<support::Trip>()
                .unwrap()
                .start()
        };
        let engines = [engine(&world), engine(&world)];
        let mut ids: Vec<Uuid> = Vec::new();
        {
            let mut conn = ours.get().await.unwrap();
            for n in 0..60 {
                ids.push(task_engine::spawn(&mut conn, &trip(&n.to_string()), Start::new()).await.unwrap().id);
            }
        }
        until("the work has begun", || world.calls().len() >= 40).await;
        let cluster = tokio::task::spawn_blocking(move || {
            // A crash ends all backends at once; what was committed comes back from the log.
            let again = if hard { cluster.crash_and_restart() } else { cluster.restart() };
            again.unwrap()
        })
        .await
        .unwrap();
        for id in &ids {
            let row = task_engine::testing::wait_ended(&ours, *id, LIMIT).await;
            assert_eq!((row.state(), history(&row)), (State::Succeeded, ALL.map(String::from).to_vec()), "{row:?}");
        }
        // Each step was committed exactly once, however often it ran.
        let mut conn = ours.get().await.unwrap();
        let doubled = diesel::sql_query(
            "UPDATE effects SET at = at WHERE (task, step) IN
            (SELECT task, step FROM effects GROUP BY task, step HAVING count(*) <> 1)",
        )
        .execute(&mut conn)
        .await
        .unwrap();
        let all = diesel::sql_query("UPDATE effects SET at = at").execute(&mut conn).await.unwrap();
        assert_eq!((doubled, all), (0, 240));
        drop(conn);
        for engine in engines {
            engine.shutdown(LIMIT).await;
        }
        tokio::task::spawn_blocking(move || cluster.stop().unwrap()).await.unwrap();
    }
}
