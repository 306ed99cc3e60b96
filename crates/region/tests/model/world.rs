//! What is checked: a real region on a real database, and a simulated host with the real ledger. One for all cases; each case has a server
//! of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use api::server::{Restart, Resume, Servers, Start, StartRescue, Stop, StopRescue, Suspend, SyncStatus};
use api::task::TaskState;
use host_sim::{Behaviour, Pace, Reply, Reports};
use ledger::{Begin, Refusal};
use task_engine::schema::tasks::dsl as t;
use testing::Stack;
use types::id::OperationId;
use types::operation::{Failure, FailureCode, OperationHeader};
use types::{GuestId, GuestStatus, PowerState, TaskId};

use crate::reference::{Ask, Power, Server, Step, Trouble};

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// One case's server.
pub struct Case {
    name: String,
    id: GuestId,
    /// What its host had carried out for all servers when the step began.
    since: usize,
}

pub async fn begin(stack: &Stack, reference: &Server) -> Case {
    let name = format!("m{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let id = stack.server(&name, reference.status == GuestStatus::Running).await.id;
    Case { name, id, since: stack.host.executions().len() }
}

/// A fault in the real region, which the comparison has to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sown {
    Nothing,
    /// A session that has ended keeps its credentials.
    CredentialsAreKept,
}

/// Does it to the real ones, and compares with what the model says has come of it.
pub async fn step(stack: &mut Stack, case: &mut Case, expected: &Server, step: &Step, sown: Sown) {
    case.since = stack.host.executions().len();
    match step {
        Step::Ask { what, refuses, trouble } => {
            for verb in refuses {
                let failure = Failure { code: FailureCode::Internal, message: "refused".into(), evidence: vec![] };
                stack.host.rule(Some(*verb), Some(case.id), Some(1), Behaviour::failing(failure));
            }
            ask(stack, case, expected, *what, *trouble, !refuses.is_empty()).await;
            stack.host.behave();
        }
        Step::PowersOff => {
            stack.host.set_power(case.id, PowerState::Shutoff);
            testing::eventually("region hears that the server is off", async || {
                let server = stack.show(&case.name).await;
                (server.power_state == PowerState::Shutoff && server.status == expected.status).then_some(())
            })
            .await;
        }
        Step::LateRequests => late(stack, case),
    }
    if sown == Sown::CredentialsAreKept {
        let ended = "update rescue_sessions set credentials = '{}' where guest_id = $1 and ended_at is not null";
        let mut conn = stack.connection().await;
        let ended = diesel::sql_query(ended).bind::<diesel::sql_types::Uuid, _>(case.id.uuid());
        diesel_async::RunQueryDsl::execute(ended, &mut conn).await.expect("a fault is sown");
    }
    compare(stack, case, expected, step).await;
}

async fn ask(stack: &mut Stack, case: &Case, expected: &Server, what: Ask, trouble: Trouble, refuses: bool) {
    let host = stack.host.clone();
    let rule = |times, behaviour| host.rule(None, Some(case.id), times, behaviour);
    let holds = matches!(trouble, Trouble::HostCrash | Trouble::RegionCrash);
    match trouble {
        // Rules of refusal are for their verbs; the others here are for all, so they may not hide those.
        _ if refuses && trouble != Trouble::RegionCrash => {}
        Trouble::LostReplies => rule(Some(2), Behaviour::reply(Reply::Lost)),
        Trouble::TwoReports => rule(None, Behaviour::reports(Reports::Twice)),
        Trouble::NoReports => rule(None, Behaviour::reports(Reports::Never)),
        Trouble::HostCrash => rule(Some(1), Behaviour::pace(Pace::HeldBefore)),
        Trouble::None | Trouble::RegionCrash => {}
    }
    let accepted = perform(stack, &case.name, what).await;
    let task = match (accepted, expected.taken) {
        (Ok(task), true) => task,
        (Err(error), false) => {
            assert_eq!(error.status(), Some(409), "{what:?}: {error}");
            return;
        }
        (accepted, taken) => panic!("{what:?}: the model says taken: {taken}; region says {accepted:?}"),
    };
    match trouble {
        Trouble::HostCrash if holds && !refuses => {
            testing::eventually("a request is at work", async || {
                host.held().iter().any(|it| it.guest == case.id).then_some(())
            })
            .await;
            host.crash();
            host.restart().await.expect("the host comes back");
        }
        Trouble::RegionCrash => {
            stack.kill_region().await;
            stack.start_region().await;
        }
        _ => {}
    }
    let task = stack.ended(task).await;
    assert_eq!(task.state == TaskState::Succeeded, expected.succeeded, "{what:?}: {:?}", task.cause);
    assert!(task.state != TaskState::Failed || task.cause.is_some(), "a failure says why");
}

async fn perform(stack: &Stack, name: &str, what: Ask) -> Result<TaskId, client::Error> {
    let client = &stack.client;
    let task = match what {
        Ask::Start => client.perform(name, &Start {}).await?.task,
        Ask::Stop => client.perform(name, &Stop::default()).await?.task,
        Ask::Restart => client.perform(name, &Restart::default()).await?.task,
        Ask::Suspend => client.perform(name, &Suspend {}).await?.task,
        Ask::Resume => client.perform(name, &Resume {}).await?.task,
        Ask::StartRescue => client.perform(name, &StartRescue::default()).await?.task,
        Ask::StopRescue => client.perform(name, &StopRescue::default()).await?.task,
        Ask::Sync => client.perform(name, &SyncStatus {}).await?.task,
    };
    Ok(task.expect("a task").id)
}

/// The ledger refuses what is older than what it has seen, and answers what it has carried out from its book.
fn late(stack: &Stack, case: &Case) {
    let ledger = stack.host.ledger();
    let seen = stack.host.executions().into_iter().rev().find(|it| it.guest == case.id).expect("it was created");
    let outcome = ledger.outcome(seen.operation).expect("it has ended");
    let header = |sequence| OperationHeader {
        id: OperationId::generate(),
        guest: case.id,
        sequence,
        task: TaskId::generate(),
        request_id: "late".into(),
    };
    let highest = ledger.highest_sequence(case.id);
    for sequence in [1, highest.saturating_sub(1), highest] {
        let begun = ledger.begin(&header(sequence), "late").expect("the ledger works");
        assert!(matches!(begun, Begin::Refused(Refusal::Sequence { .. })), "{sequence} of {highest}: {begun:?}");
    }
    assert_eq!(ledger.outcome(seen.operation), Some(outcome));
}

async fn compare(stack: &Stack, case: &Case, expected: &Server, step: &Step) {
    let server = stack.show(&case.name).await;
    let at = format!("after {step:?}");
    assert_eq!((server.status, server.task.is_none()), (expected.status, true), "{at}");
    let guest = stack.host.guest(case.id).expect("its host has it");
    let power = match expected.machine.power {
        Power::Off => PowerState::Shutoff,
        Power::On => PowerState::Running,
        Power::Paused => PowerState::Paused,
    };
    assert_eq!((guest.power, guest.desc.rescue.is_some()), (power, expected.machine.rescue), "{at}");
    // Each request was carried out once, in order, and nothing else was.
    let executions = stack.host.executions();
    let ours: Vec<_> = executions[case.since..].iter().filter(|it| it.guest == case.id).collect();
    assert_eq!(ours.iter().map(|it| it.verb).collect::<Vec<_>>(), expected.machine.carried_out, "{at}");
    for execution in ours {
        assert_eq!(stack.host.executed(execution.operation), 1, "{at}: {execution:?}");
    }
    let mut conn = stack.connection().await;
    let session = db::session::latest_of(&mut conn, case.id).await.expect("sessions");
    let open = session.as_ref().is_some_and(|it| it.ended_at.is_none());
    assert_eq!(open, expected.session, "{at}: {session:?}");
    assert_eq!(session.is_some_and(|it| it.credentials.is_some()), expected.session, "{at}: credentials");
    alive(&mut conn, &at).await;
}

async fn alive(conn: &mut db::Conn, at: &str) {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    let alive: Vec<String> = t::tasks.filter(t::ended_at.is_null()).select(t::name).load(conn).await.expect("tasks");
    assert!(alive.is_empty(), "{at}: {alive:?} are alive");
}

/// Its end: from any status it can be left and deleted.
pub async fn end(stack: &Stack, case: &Case) {
    let deleted = async || {
        let server = stack.show(&case.name).await;
        let way = match server.status {
            GuestStatus::Rescue => Some(Ask::StopRescue),
            GuestStatus::Running | GuestStatus::SuspendFailed | GuestStatus::ResumeFailed => Some(Ask::Stop),
            GuestStatus::StartRescueFailed | GuestStatus::StopRescueFailed => Some(Ask::Stop),
            GuestStatus::Suspended => Some(Ask::Resume),
            _ => None,
        };
        match way {
            Some(way) => {
                let task = perform(stack, &case.name, way).await.expect("a way out");
                assert_eq!(stack.ended(task).await.state, TaskState::Succeeded, "{way:?} out of {}", server.status);
                false
            }
            None => {
                let task = stack.client.delete::<Servers>(&case.name).await.expect("it may be deleted").task;
                assert_eq!(stack.ended(task.expect("a task").id).await.state, TaskState::Succeeded);
                true
            }
        }
    };
    while !deleted().await {}
    assert!(stack.host.guest(case.id).is_none());
}
