//! Objects that are held, parents and children.

use std::time::Duration;

use diesel_async::AsyncConnection;
use task_engine::{Child, Next, SpawnError, Start, State};
use uuid::Uuid;

use crate::support::{Errand, Stage, World, along, child, database, effect, history, trip};
use crate::waits::patient;

use crate::ALL;

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
                task_engine::spawn(conn, &trip("w"), Start::new().holding("guest", guest).after(crate::support::LIMIT))
                    .await
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
    engine.shutdown(crate::support::LIMIT).await;
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
    engine.shutdown(crate::support::LIMIT).await;
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
        engine.shutdown(crate::support::LIMIT).await;
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
    engine.shutdown(crate::support::LIMIT).await;
}
