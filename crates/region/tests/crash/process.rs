//! Real processes: `kill -9`, and a stop that lasts longer than the lease.

use std::path::Path;
use std::time::{Duration, Instant};

use api::server::{StartRescue, StopRescue};
use api::task::TaskState;
use host_sim::{Behaviour, Pace, Reply, Verb};
use testing::{RegionProcess, Setup, Stack, eventually};
use types::{GuestId, GuestStatus, OperationId, TaskId};

use crate::story::START_RESCUE;

const LEASE: Duration = Duration::from_secs(2);

/// Cargo builds it before this test.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_region"))
}

/// A server that is on, and no region in this process.
async fn stage() -> (Stack, GuestId) {
    let mut config = region::Config::default();
    config.tasks.lease_s = LEASE.as_secs() as u32;
    let mut stack = crate::stack(Setup { config, ..Setup::default() }).await;
    let server = stack.server("web1", true).await;
    stack.kill_region().await;
    (stack, server.id)
}

/// The host holds this request and does not answer it: region's step stands in the middle, with a lease.
async fn in_the_middle(stack: &Stack, guest: GuestId, verb: Verb) -> (TaskId, OperationId) {
    let held = Behaviour { pace: Pace::HeldBefore, reply: Reply::AtEnd, ..Behaviour::default() };
    stack.host.rule(Some(verb), Some(guest), Some(1), held);
    let accepted = stack.client.perform("web1", &StartRescue::default()).await.expect("start-rescue is accepted");
    let operation = stack.host.wait_held(verb).await;
    (accepted.task.expect("a task").id, operation)
}

async fn row(stack: &Stack, task: TaskId) -> task_engine::TaskRow {
    task_engine::get(&mut stack.connection().await, task.uuid()).await.unwrap().expect("the task is there")
}

fn once(stack: &Stack, guest: GuestId) {
    let all = stack.host.executions();
    let asked: Vec<Verb> = all.iter().filter(|it| it.guest == guest).map(|it| it.verb).skip(2).collect();
    assert_eq!(asked, START_RESCUE.host, "each once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_9_another_process_goes_on() {
    let (stack, guest) = stage().await;
    let doomed = RegionProcess::start(program(), stack.config(), stack.folder(), "doomed").await;
    let (task, operation) = in_the_middle(&stack, guest, Verb::StartRescue).await;
    let owned = row(&stack, task).await;
    assert!(owned.worker.is_some_and(|worker| worker.starts_with(&format!("{}-", doomed.pid()))), "it works on it");
    doomed.kill();
    let killed = Instant::now();
    stack.host.release(operation);
    stack.host.wait_ended(operation).await;
    let heir = RegionProcess::start(program(), stack.config(), stack.folder(), "heir").await;
    let served = Instant::now();
    let ended = stack.ended(task).await;
    assert_eq!(ended.state, TaskState::Succeeded, "{:?}\n{}", ended.cause, heir.log());
    // The lease, a look for due tasks, and the rest of the task on a busy machine.
    let limit = LEASE.max(served - killed) + Duration::from_secs(45);
    assert!(killed.elapsed() < limit, "it stood still for {:?}", killed.elapsed());
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    once(&stack, guest);
    let left = stack.client.perform("web1", &StopRescue::default()).await.expect("accepted");
    assert_eq!(stack.ended(left.task.unwrap().id).await.state, TaskState::Succeeded);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    drop(heir);
    stack.finish().await;
}

/// The old owner knows nothing of the time that has passed, and its step ends well: too late.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_was_stopped_for_longer_than_its_lease_saves_nothing() {
    let (stack, guest) = stage().await;
    let old = RegionProcess::start(program(), stack.config(), stack.folder(), "old").await;
    let (task, operation) = in_the_middle(&stack, guest, Verb::StartRescue).await;
    old.freeze();
    let mut config = stack.config().clone();
    config.http.listen = "127.0.0.1:0".into();
    config.grpc.listen = "127.0.0.1:0".into();
    let new = RegionProcess::start(program(), &config, stack.folder(), "new").await;
    stack.host.set_region(new.grpc.clone());
    eventually("the lease is another's", async || {
        let worker = row(&stack, task).await.worker.unwrap_or_default();
        (worker.starts_with(&format!("{}-", new.pid())) || row(&stack, task).await.generation > 1).then_some(())
    })
    .await;
    stack.host.release(operation);
    let client = stack.client_at(&new.http);
    let ended = eventually("the task ends", async || {
        client.get::<api::task::Tasks>(&task.to_string()).await.ok().filter(|task| task.is_complete)
    })
    .await;
    assert_eq!(ended.state, TaskState::Succeeded, "{:?}\n{}", ended.cause, new.log());
    let before = row(&stack, task).await;
    old.thaw();
    let refusals = ["the claim is gone", "lost the claim", "the lease ran out"];
    eventually("the old owner gives up", async || refusals.iter().any(|it| old.log().contains(it)).then_some(())).await;
    assert_eq!(row(&stack, task).await, before, "not a single column");
    assert_eq!(client.get::<api::server::Servers>("web1").await.unwrap().status, GuestStatus::Rescue);
    assert_eq!(stack.host.executed(operation), 1);
    once(&stack, guest);
    // And it is of use again.
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    drop((old, new));
    stack.finish().await;
}
