//! Postgres ends in the middle of a rescue, as told and by a crash, and comes back: region recovers by itself. And region ends in the middle
//! of a transaction, which must not lock others out.

use std::time::Duration;

use api::server::{StartRescue, StopRescue};
use api::task::TaskState;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use host_sim::{Behaviour, Pace, Reply, Verb};
use pg_cluster::{Cluster, Options, TestServer};
use testing::{Setup, eventually};
use types::GuestStatus;

use crate::story::START_RESCUE;

async fn again(cluster: Cluster, crash: bool) -> Cluster {
    let ended = move || if crash { cluster.crash_and_restart() } else { cluster.restart() };
    tokio::task::spawn_blocking(ended).await.unwrap().expect("Postgres starts again")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_goes_on_after_the_database_was_gone() {
    // One that crashes must be durable, or it forgets what it said was saved.
    let options = Options { durable: true, max_connections: 60, ..Options::for_tests() };
    let start = move || {
        let cluster = TestServer::start_with(options)?;
        let url = cluster.ensure_database("lifeboat")?;
        Ok::<_, pg_cluster::Error>((cluster, url))
    };
    let (mut cluster, url) = tokio::task::spawn_blocking(start).await.unwrap().expect("a cluster");
    let stack = crate::stack(Setup { database_url: Some(url), ..Setup::default() }).await;
    for (n, (crash, reply)) in
        [(false, Reply::Normal), (true, Reply::Normal), (false, Reply::AtEnd), (true, Reply::AtEnd)]
            .into_iter()
            .enumerate()
    {
        let (name, at) = (format!("web{n}"), format!("crash: {crash}, {reply:?}"));
        let server = stack.server(&name, true).await;
        // Either the row waits for a report, or its step is at work and will have something to save.
        let held = Behaviour { pace: Pace::HeldBefore, reply, ..Behaviour::default() };
        stack.host.rule(Some(Verb::StartRescue), Some(server.id), None, held);
        let accepted = stack.client.perform(&name, &StartRescue::default()).await.expect("accepted");
        let operation = stack.host.wait_held(Verb::StartRescue).await;
        stack.host.behave();
        // Ends while the database is away.
        stack.host.release(operation);
        cluster = again(cluster, crash).await;
        let ended = stack.ended(accepted.task.unwrap().id).await;
        assert_eq!(ended.state, TaskState::Succeeded, "{at}: {:?}", ended.cause);
        assert_eq!(stack.show(&name).await.status, GuestStatus::Rescue, "{at}");
        let all = stack.host.executions();
        let asked: Vec<Verb> = all.iter().filter(|it| it.guest == server.id).map(|it| it.verb).skip(2).collect();
        assert_eq!(asked, START_RESCUE.host, "{at}: each once, in order");
        let left = eventually("stop-rescue is accepted", async || {
            stack.client.perform(&name, &StopRescue::default()).await.ok()
        })
        .await;
        assert_eq!(stack.ended(left.task.unwrap().id).await.state, TaskState::Succeeded, "{at}");
        assert_eq!(stack.show(&name).await.status, GuestStatus::Running, "{at}");
    }
    stack.finish().await;
    drop(cluster);
}

/// A handler whose client hung up, a step that lost its lease: the connection goes back to the pool as it is, and nobody may take it for
/// long.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_cut_off_lets_go_of_its_locks() {
    let stack = crate::stack(Setup::default()).await;
    let server = stack.server("web1", false).await;
    let pool = db::connect(stack.database_url(), 2).unwrap();
    let mut conn = pool.get().await.unwrap();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let cut_off = conn.transaction::<(), diesel::result::Error, _>(async move |conn| {
        db::guest::lock(conn, server.id).await?;
        let _ = locked.send(());
        std::future::pending().await
    });
    tokio::select! {
        _ = cut_off => panic!("it never ends"),
        _ = is_locked => {}
    }
    drop(conn);
    let mut other = stack.connection().await;
    let touch = "update guests set updated_at = now()";
    other.batch_execute("set lock_timeout = '200ms'").await.unwrap();
    assert!(diesel::sql_query(touch).execute(&mut other).await.is_err(), "the lock is held");
    other.batch_execute("set lock_timeout = '30s'").await.unwrap();
    let freed = tokio::time::timeout(Duration::from_secs(31), diesel::sql_query(touch).execute(&mut other)).await;
    assert_eq!(freed.expect("within the time of the lock"), Ok(1));
    // The connection that the server ended is not given to anybody.
    let mut conn = pool.get().await.unwrap();
    assert!(db::guest::get(&mut conn, server.id).await.unwrap().is_some());
    stack.finish().await;
}
