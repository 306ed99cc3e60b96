use api::server::{Reset, Restart, Resume, StartRescue, Stop, StopRescue, Suspend, SyncStatus};
use api::task::TaskState;
use host_sim::Verb;
use testing::{Stack, eventually};
use types::{GuestStatus, PowerState};

use crate::{done, fails, refused, run, state};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stands_still_and_goes_on() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    done(&stack, "web1", &Suspend {}).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Suspended, PowerState::Paused));

    let (code, details) = refused(&stack, "web1", &Stop::default()).await;
    assert!(code == 409 && details.contains("resume it"), "{details}");
    let (code, details) = refused(&stack, "web1", &StartRescue::default()).await;
    assert!(code == 409 && details.contains("force"), "{details}");
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Suspended, PowerState::Paused), "nothing was changed");

    done(&stack, "web1", &Resume {}).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Running, PowerState::Running));
    done(&stack, "web1", &Suspend {}).await;
    done(&stack, "web1", &Stop { is_force: true, ..Stop::default() }).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Ready, PowerState::Shutoff));
    assert_eq!(
        stack.story("web1").await[2..],
        [
            "suspend ok suspending",
            "suspend ok suspend",
            "resume ok resuming",
            "resume ok running",
            "suspend ok suspending",
            "suspend ok suspend",
            "stop ok stopping",
            "stop ok ready",
        ]
    );
    stack.finish().await;
}

/// What was in its memory is lost, and that is said; afterwards it boots, as if it had been running.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_server_is_rescued_by_force_only() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    done(&stack, "web1", &Suspend {}).await;
    done(&stack, "web1", &StartRescue { force: true, ..StartRescue::default() }).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    let mut conn = stack.connection().await;
    let session = db::session::latest_of(&mut conn, guest).await.unwrap().unwrap();
    assert_eq!(session.prior_status, GuestStatus::Running);
    assert_eq!(session.stop_how.map(|how| how.to_string()).as_deref(), Some("quit"), "it can't hear the power button");
    let query = api::ListQuery { obj_id: Some("web1".into()), limit: 100, ..Default::default() };
    let events = stack.client.list::<api::event::Events>(&query).await.unwrap().data;
    assert!(events.iter().any(|e| e.action == "start_rescue" && e.notes.contains("memory is lost")), "{events:?}");
    done(&stack, "web1", &StopRescue::default()).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Running, PowerState::Running));
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_is_one_task_and_says_where_it_failed() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let task = done(&stack, "web1", &Restart::default()).await;
    let stages: Vec<&str> = task.stages.iter().map(|s| s.stage.as_str()).collect();
    assert_eq!(stages, ["stop_server", "start_server"]);
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Running, PowerState::Running));

    fails(&stack, guest, &[Verb::StartGuest]);
    let task = run(&stack, "web1", &Restart::default()).await;
    assert_eq!(task.state, TaskState::Failed);
    assert_eq!(stack.show("web1").await.status, GuestStatus::StartFailed);
    done(&stack, "web1", &Restart::default()).await;

    fails(&stack, guest, &[Verb::StopGuest]);
    run(&stack, "web1", &Restart::default()).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::StopFailed);
    done(&stack, "web1", &Restart { is_force: true, timeout_secs: None }).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Running, PowerState::Running));
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_and_reset_in_rescue_stay_in_rescue() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    done(&stack, "web1", &StartRescue::default()).await;
    let session = stack.show("web1").await.rescue_session_id.expect("a session").to_string();
    let session = async || stack.client.get::<api::rescue::RescueSessions>(&session).await.unwrap();
    assert_eq!((session().await.boot, session().await.is_ready), (1, true));

    let task = done(&stack, "web1", &Restart::default()).await;
    let stages: Vec<&str> = task.stages.iter().map(|s| s.stage.as_str()).collect();
    assert_eq!(stages, ["stop_rescue_system", "rescue_start_server", "await_ready"]);
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Rescue, PowerState::Running));
    assert_eq!((session().await.boot, session().await.is_ready), (2, true));

    done(&stack, "web1", &Reset {}).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    assert_eq!(stack.host.guest(guest).unwrap().resets, 1);
    assert!(!session().await.is_ready, "not before it has proven itself again");
    stack.host.alter(guest, |guest| guest.ready = true);
    eventually("it is ready again", async || Some(session().await).filter(|s| s.is_ready && s.boot == 3)).await;

    // A restart that fails leaves it in rescue, and the ways on work.
    fails(&stack, guest, &[Verb::StartRescue]);
    let task = run(&stack, "web1", &Restart::default()).await;
    assert_eq!(task.state, TaskState::Failed);
    let server = stack.show("web1").await;
    assert_eq!(server.status, GuestStatus::Rescue);
    assert!(server.status_reason.is_some_and(|why| why.contains("as the test wants")));
    done(&stack, "web1", &Restart::default()).await;
    done(&stack, "web1", &StopRescue::default()).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Running, PowerState::Running));
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncstatus_asks_the_host_now() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    stack.host.set_mute(true);
    stack.host.set_power(guest, PowerState::Shutoff);
    done(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Ready, PowerState::Shutoff));
    stack.host.set_power(guest, PowerState::Paused);
    done(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Suspended, PowerState::Paused));
    // What its host has of it counts too.
    stack.host.alter(guest, |guest| guest.desc.memory_mib = 700);
    done(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(stack.show("web1").await.vmem_size, 700);
    stack.host.set_power(guest, PowerState::Running);
    done(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Running, PowerState::Running));

    done(&stack, "web1", &StartRescue::default()).await;
    stack.host.set_power(guest, PowerState::Shutoff);
    done(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(state(&stack, "web1").await, (GuestStatus::Rescue, PowerState::Shutoff), "it stays in rescue");
    stack.host.set_mute(false);
    stack.finish().await;
}

/// A host that does not know the server: it is said, and nothing else is changed.
#[tokio::test(flavor = "multi_thread")]
async fn syncstatus_of_a_server_that_its_host_lost() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    fails(&stack, guest, &[Verb::RestoreDesc]);
    let task = run(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(task.state, TaskState::Failed);
    let server = stack.show("web1").await;
    assert_eq!(server.status, GuestStatus::Running);
    assert!(server.status_reason.is_some_and(|why| why.contains("does not say")), "why is told");
    stack.finish().await;
}
