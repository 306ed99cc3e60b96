//! A host that answers late, twice, out of order or never; one that falls over; and requests that arrive when nobody wants them any more.

use std::time::Duration;

use api::server::StartRescue;
use api::task::TaskState;
use futures::future::join_all;
use host_sim::{Behaviour, Pace, Reply, Reports, Verb};
use proto::host::v1 as pb;
use proto::host::v1::host_service_client::HostServiceClient;
use testing::{Setup, Stack, eventually};
use tonic::Code;
use types::operation::OperationHeader;
use types::{GuestId, GuestStatus, OperationId, TaskId};

use crate::story::START_RESCUE;

/// What start-rescue asks of a host.
const STAGES: &[Verb] = START_RESCUE.host;

async fn servers(stack: &Stack, what: &str) -> Vec<(Verb, String, GuestId)> {
    let created = STAGES.iter().map(async |verb| {
        let name = format!("{what}-{verb}");
        let server = stack.server(&name, true).await;
        (*verb, name, server.id)
    });
    join_all(created).await
}

async fn start(stack: &Stack, name: &str) -> TaskId {
    let accepted = stack.client.perform(name, &StartRescue::default()).await.expect("start-rescue is accepted");
    accepted.task.expect("a task").id
}

/// In rescue, and each of the host's operations was carried out once.
async fn in_rescue(stack: &Stack, name: &str, guest: GuestId, task: TaskId, at: &str) {
    let task = stack.ended(task).await;
    assert_eq!(task.state, TaskState::Succeeded, "{at}: {:?}", task.cause);
    assert_eq!(stack.show(name).await.status, GuestStatus::Rescue, "{at}");
    let all = stack.host.executions();
    let asked: Vec<Verb> = all.iter().filter(|it| it.guest == guest).map(|it| it.verb).skip(2).collect();
    assert_eq!(asked, STAGES, "{at}: each once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_repeated_lost_and_missing_answers_do_no_harm_at_any_stage() {
    let stack = crate::stack(Setup::default()).await;
    let soon = Duration::from_millis(300);
    let unavailable = Reply::Refuse(Code::Unavailable);
    let strange = [
        ("late", None, Behaviour { pace: Pace::After(soon), reply: Reply::AtEnd, ..Behaviour::default() }),
        ("lost", None, Behaviour::reply(Reply::Lost)),
        ("lost-late", None, Behaviour { pace: Pace::After(soon), reply: Reply::Lost, ..Behaviour::default() }),
        ("twice", None, Behaviour::reports(Reports::Twice)),
        ("never", None, Behaviour { pace: Pace::After(soon), reports: Reports::Never, ..Behaviour::default() }),
        // The reply holds the outcome; the report comes when region is long at other stages.
        ("overtaken", None, Behaviour { pace: Pace::Inline, reports: Reports::Held, ..Behaviour::default() }),
        ("refused", Some(3), Behaviour::reply(unavailable)),
    ];
    for (what, times, behaviour) in strange {
        let servers = servers(&stack, what).await;
        let rescued = servers.iter().map(async |(verb, name, guest)| {
            stack.host.rule(Some(*verb), Some(*guest), times, behaviour.clone());
            let task = start(&stack, name).await;
            in_rescue(&stack, name, *guest, task, name).await;
        });
        join_all(rescued).await;
        stack.host.behave();
        if behaviour.reports == Reports::Held {
            for (_, name, guest) in &servers {
                let ours = stack.host.executions().into_iter().filter(|it| it.guest == *guest);
                for execution in ours {
                    stack.host.release_report(execution.operation);
                    stack.host.wait_reported(execution.operation).await;
                }
                let server = stack.show(name).await;
                assert_eq!(
                    (server.status, server.task),
                    (GuestStatus::Rescue, None),
                    "{name}: a late report moves nothing"
                );
            }
        }
        for (_, name, _) in &servers {
            let left = stack.client.perform(name, &api::server::StopRescue::default()).await.expect("accepted");
            assert_eq!(stack.ended(left.task.unwrap().id).await.state, TaskState::Succeeded);
            let off = stack.client.perform(name, &api::server::Stop::default()).await.expect("accepted");
            stack.ended(off.task.unwrap().id).await;
            // Room for the next.
            let gone = stack.client.delete::<api::server::Servers>(name).await.expect("accepted");
            stack.ended(gone.task.unwrap().id).await;
        }
    }
    stack.finish().await;
}

/// A request that is never answered is given up after its deadline, and sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_never_answered_is_sent_again() {
    let stack = crate::stack(Setup::default()).await;
    let servers = servers(&stack, "mute").await;
    let rescued = servers.iter().map(async |(verb, name, guest)| {
        let mute =
            Behaviour { pace: Pace::HeldBefore, reply: Reply::AtEnd, reports: Reports::Never, ..Behaviour::default() };
        stack.host.rule(Some(*verb), Some(*guest), Some(1), mute);
        let task = start(&stack, name).await;
        let operation = eventually("it is held", async || {
            stack.host.held().into_iter().find(|it| it.guest == *guest).map(|it| it.operation)
        })
        .await;
        // The second request is answered with "pending"; then the row waits, without a lease.
        eventually("it is sent again", async || {
            let row = row(&stack, task).await;
            (row.state == "waiting").then_some(())
        })
        .await;
        stack.host.release(operation);
        in_rescue(&stack, name, *guest, task, name).await;
    });
    join_all(rescued).await;
    stack.finish().await;
}

async fn row(stack: &Stack, task: TaskId) -> task_engine::TaskRow {
    task_engine::get(&mut stack.connection().await, task.uuid()).await.unwrap().expect("the task is there")
}

/// The agent of the host ends at each stage, before and after its work is done, and is started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_falls_over_at_any_stage_goes_on() {
    let stack = crate::stack(Setup::default()).await;
    for (verb, name, guest) in servers(&stack, "fallen").await {
        stack.host.rule(Some(verb), Some(guest), Some(1), Behaviour::pace(Pace::HeldBefore));
        let task = start(&stack, &name).await;
        stack.host.wait_held(verb).await;
        stack.host.crash();
        stack.host.restart().await.unwrap();
        in_rescue(&stack, &name, guest, task, &name).await;
    }
    stack.finish().await;
}

/// The network delivers a request when the way back has begun: the host has seen a higher sequence by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_arrives_after_the_way_back_began_is_refused() {
    let stack = crate::stack(Setup::default()).await;
    let touching = [Verb::StopGuest, Verb::WriteRescueDesc, Verb::StartRescue, Verb::AwaitReady];
    for (verb, name, guest) in servers(&stack, "delayed").await.into_iter().filter(|(verb, ..)| touching.contains(verb))
    {
        // On its way for so long that region has to believe it lost.
        stack.host.rule(Some(verb), Some(guest), None, Behaviour::reply(Reply::Refuse(Code::Unavailable)));
        let task = start(&stack, &name).await;
        let stage = eventually("region tries", async || {
            let row = row(&stack, task).await;
            row.last_error().is_some_and(|last| last.count >= 2).then_some(row)
        })
        .await;
        stack.host.behave();
        stack.host.rule(Some(verb), Some(guest), Some(1), Behaviour::reply(Reply::Refuse(Code::FailedPrecondition)));
        let ended = stack.ended(task).await;
        assert_eq!(ended.state, TaskState::Failed, "{name}");
        let before = stack.host.guest(guest).unwrap();

        let header = OperationHeader {
            id: OperationId::from_uuid(stage.operation),
            guest,
            sequence: stage.sequence.unsigned_abs(),
            task,
            request_id: String::new(),
        };
        let session = stack.client.get::<api::rescue::RescueSessions>(&name).await.unwrap();
        let refused = send(&stack, verb, header, &session).await;
        assert_eq!(refused.code(), Code::FailedPrecondition, "{name}: {refused}");
        assert!(refused.message().contains("too late"), "{name}: {refused}");
        assert_eq!(stack.host.executed(OperationId::from_uuid(stage.operation)), 0, "{name}");
        let after = stack.host.guest(guest).unwrap();
        assert_eq!((after.power, after.desc), (before.power, before.desc), "{name}");
        assert_eq!(stack.show(&name).await.status, GuestStatus::Running, "{name}");
    }
    stack.finish().await;
}

/// The request as region would have sent it.
async fn send(
    stack: &Stack,
    verb: Verb,
    header: OperationHeader,
    session: &api::rescue::RescueSession,
) -> tonic::Status {
    let mut host = HostServiceClient::connect(stack.host.endpoint()).await.unwrap();
    let operation = Some(header.into());
    let session_id = session.id.to_string();
    let image = Some(pb::RescueImage {
        name: session.image.name.clone(),
        version: session.image.version.clone(),
        serial: 1,
        kernel: Some(session.image.kernel.clone().into()),
        initramfs: Some(session.image.initramfs.clone().into()),
        cmdline: String::new(),
        min_memory_mib: 192,
    });
    let disk_mode = "rw".to_owned();
    let answer = match verb {
        Verb::StopGuest => host.stop_guest(pb::StopGuestRequest { operation, timeout_s: 60, force: false }).await,
        Verb::WriteRescueDesc => {
            let qemu_version = String::new();
            let request = pb::WriteRescueDescRequest {
                operation,
                session_id,
                image,
                disk_mode,
                qemu_version,
                network: String::new(),
            };
            host.write_rescue_desc(request).await
        }
        Verb::StartRescue => {
            let request = pb::StartRescueRequest {
                operation,
                session_id,
                ssh_keys: vec![],
                password_hash: String::new(),
                fresh_overlays: false,
            };
            host.start_rescue(request).await
        }
        Verb::AwaitReady => host.await_ready(pb::AwaitReadyRequest { operation, session_id, timeout_s: 60 }).await,
        other => panic!("{other} changes nothing of a guest"),
    };
    answer.expect_err("refused")
}
