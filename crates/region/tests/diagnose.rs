//! Diagnosis and repair as a caller of REST sees them. The rescue system is simulated: its fstab names a device that is gone.

use api::action::Action;
use api::rescue::Examined;
use api::server::{RescueDiagnose, RescueRepair, Servers, StartRescue, Stop, StopRescue};
use api::task::{Task, TaskState};
use diesel_async::RunQueryDsl;
use host_sim::{Behaviour, Verb, patient};
use testing::{Stack, eventually};
use types::diagnosis::{FixState, Severity};
use types::operation::{Failure, FailureCode};
use types::status::OverlayEnd;
use types::{DiskMode, GuestStatus};

async fn done<A>(stack: &Stack, action: &A) -> Task
where
    A: Action<On = Servers>,
{
    let accepted = stack.client.perform("web1", action).await.unwrap_or_else(|error| panic!("{}: {error}", A::NAME));
    stack.ended(accepted.task.expect("a task").id).await
}

async fn refused<A>(stack: &Stack, action: &A) -> (u16, String)
where
    A: Action<On = Servers>,
{
    match stack.client.perform("web1", action).await {
        Err(client::Error::Api(error)) => (error.status, error.details),
        other => panic!("{} was not refused: {}", A::NAME, other.is_ok()),
    }
}

async fn examined(stack: &Stack) -> Examined {
    let web = stack.web().await;
    let (status, told) = web.send(web.request("GET", "/rescuesessions/web1/diagnosis")).await;
    assert_eq!(status, 200, "{told}");
    serde_json::from_value(told["rescuesession"].clone()).unwrap()
}

fn repair(code: &str, dry_run: bool) -> RescueRepair {
    RescueRepair { fix: vec![code.into()], dry_run, ..RescueRepair::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_diagnosed_repaired_beside_its_disks_and_diagnosed_again() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let overlay = StartRescue { disk_mode: Some(DiskMode::Overlay), ..StartRescue::default() };
    assert_eq!(done(&stack, &overlay).await.state, TaskState::Succeeded);
    let nothing = examined(&stack).await;
    assert!(nothing.diagnosis.is_none() && nothing.repairs.is_empty());

    let task = done(&stack, &RescueDiagnose {}).await;
    assert_eq!((task.state, task.task_name.as_str()), (TaskState::Succeeded, "RescueDiagnoseTask"));
    let found = examined(&stack).await.diagnosis.expect("a diagnosis").findings;
    assert_eq!((found[0].code.as_str(), found[0].severity), ("fstab_missing_device", Severity::Critical));
    let fix = &found[0].fixes[0].code;

    // A dry run says what it would change, and changes nothing.
    assert_eq!(done(&stack, &repair(fix, true)).await.state, TaskState::Succeeded);
    assert!(!stack.host.guest(guest).unwrap().mended);
    assert_eq!(done(&stack, &repair(fix, false)).await.state, TaskState::Succeeded);
    assert!(stack.host.guest(guest).unwrap().mended);
    assert_eq!(done(&stack, &RescueDiagnose {}).await.state, TaskState::Succeeded);
    let after = examined(&stack).await;
    assert!(after.diagnosis.expect("the latest").findings.is_empty());
    let runs: Vec<_> = after.repairs.iter().map(|it| (it.report.dry_run, it.report.fixes[0].state)).collect();
    assert_eq!(runs, [(true, FixState::Done), (false, FixState::Done)]);
    assert_eq!(after.repairs[1].report.changes[0].path, "/etc/fstab");
    assert_eq!(after.repairs[1].user, "admin");

    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    let commit = StopRescue { overlay: Some(OverlayEnd::Commit), ..StopRescue::default() };
    assert_eq!(done(&stack, &commit).await.state, TaskState::Succeeded);
    // What was found stays with the session.
    assert_eq!(examined(&stack).await.repairs.len(), 2);
    let story = stack.story("web1").await;
    assert_eq!(story.iter().filter(|line| line.starts_with("rescue_diagnose ok")).count(), 4, "{story:?}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_taken_back_or_not_be_asked_is_refused() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let (status, details) = refused(&stack, &RescueDiagnose {}).await;
    assert!(status == 409 && details.contains("start-rescue"), "{details}");

    assert_eq!(done(&stack, &StartRescue::default()).await.state, TaskState::Succeeded);
    let (status, details) = refused(&stack, &repair(patient::FIX, false)).await;
    assert!(status == 409 && details.contains("disk_mode overlay"), "{details}");
    assert_eq!(done(&stack, &repair(patient::FIX, true)).await.state, TaskState::Succeeded);
    for (fix, word) in
        [(vec![], "1 to 32"), (vec!["rm -rf".into()], "no code of a fix"), (vec!["x".into(); 33], "1 to 32")]
    {
        let (status, details) = refused(&stack, &RescueRepair { fix, dry_run: true, ..RescueRepair::default() }).await;
        assert!(status == 400 && details.contains(word), "{details}");
    }

    // The rescue system could not do it: the server stays in rescue, and says why.
    let failure =
        Failure { code: FailureCode::Verb, message: "diagnose: no disk".into(), evidence: vec!["sda".into()] };
    stack.host.once(Verb::RunInRescue, Behaviour::failing(failure));
    let task = done(&stack, &RescueDiagnose {}).await;
    assert_eq!((task.state, task.evidence), (TaskState::Failed, vec!["sda".to_owned()]));
    assert!(task.cause.unwrap().contains("no disk"));
    let server = stack.show("web1").await;
    assert_eq!(server.status, GuestStatus::Rescue);
    // A rescue system that was powered off is asked for nothing.
    assert_eq!(done(&stack, &StopRescue::default()).await.state, TaskState::Succeeded);
    assert_eq!(done(&stack, &Stop::default()).await.state, TaskState::Succeeded);
    assert_eq!(refused(&stack, &RescueDiagnose {}).await.0, 409);
    stack.finish().await;
}

/// Each end that a session is given is told once, some minutes before.
#[tokio::test(flavor = "multi_thread")]
async fn those_inside_are_told_that_their_session_ends() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let soon = StartRescue { ttl: Some(400), ..StartRescue::default() };
    assert_eq!(done(&stack, &soon).await.state, TaskState::Succeeded);
    // Who came for minutes knows it; who is there for an hour may have forgotten.
    let sql = "update rescue_sessions set started_at = started_at - interval '1 hour'";
    diesel::sql_query(sql).execute(&mut stack.connection().await).await.unwrap();
    let notices = || stack.host.guest(guest).unwrap().notices;
    eventually("the first notice", async || (notices().len() == 1).then_some(())).await;
    assert!(notices()[0].contains("climc server-rescue-extend web1"), "{:?}", notices());

    let extend = async |ttl| stack.client.perform("web1", &api::rescue::Extend { ttl }).await.unwrap();
    extend(3600).await;
    extend(500).await;
    eventually("a notice of the new end", async || (notices().len() == 2).then_some(())).await;
    // The notice's task may still hold the server for a moment.
    let leave = async || stack.client.perform("web1", &StopRescue::default()).await.ok()?.task;
    let task = eventually("stop-rescue", leave).await;
    assert_eq!(stack.ended(task.id).await.state, TaskState::Succeeded);
    assert_eq!(notices().len(), 2);
    stack.finish().await;
}
