//! Automatic repair as a caller of REST sees it. The rescue system is simulated: its fstab names a device that is gone, and the server's own
//! system asks for a login once that is repaired.

#[path = "identity/actors.rs"]
mod actors;

use actors::Actors;
use api::ErrorClass;
use api::rescue::{Examined, RescueSessions};
use api::server::{AutoEnd, AutoRepaired, RescueRepair, StartRescue, StopRescue};
use api::task::{Abandon, Cancel, Task, TaskState, Tasks};
use diesel_async::SimpleAsyncConnection;
use host_sim::{Behaviour, Execution, Pace, Verb, patient};
use serde_json::json;
use testing::{Stack, eventually};
use types::operation::{Failure, FailureCode};
use types::status::{OverlayEnd, RescueNetwork};
use types::{DiskMode, GuestId, GuestStatus, SessionState, TaskId};

fn auto() -> RescueRepair {
    RescueRepair { auto: true, ..RescueRepair::default() }
}

async fn repaired(stack: &Stack) -> Task {
    let accepted = stack.client.perform("web1", &auto()).await.unwrap();
    stack.ended(accepted.task.expect("a task").id).await
}

fn told(task: &Task) -> AutoRepaired {
    serde_json::from_value(task.result.clone().expect("a result")).unwrap()
}

async fn examined(stack: &Stack, session: &str) -> Examined {
    serde_json::from_value(stack.client.detail::<RescueSessions>(session, "diagnosis").await.unwrap()).unwrap()
}

async fn refused(stack: &Stack, action: &RescueRepair) -> (u16, String) {
    match stack.client.perform("web1", action).await {
        Err(client::Error::Api(error)) => (error.status, error.details),
        other => panic!("it was not refused: {}", other.is_ok()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_boot_is_back_with_one_request() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let task = repaired(&stack).await;
    assert_eq!((task.state, task.task_name.as_str()), (TaskState::Succeeded, "RescueAutoRepairTask"));
    let told = told(&task);
    assert_eq!(told.end, AutoEnd::Repaired);
    assert_eq!((told.found, told.left), (vec!["fstab_missing_device".to_owned()], vec![]));
    assert_eq!((told.fixed, told.sign.as_deref()), (vec![patient::FIX.to_owned()], Some("sim login:")));

    let server = stack.show("web1").await;
    assert_eq!(server.status, GuestStatus::Running);
    assert!(stack.host.guest(guest).unwrap().mended, "it is committed");
    let web = stack.web().await;
    let (_, list) = web.send(web.request("GET", "/rescuesessions?server=web1")).await;
    let session = &list["rescuesessions"][0];
    assert_eq!((session["state"].as_str(), session["overlay"].as_str()), (Some("closed"), Some("commit")), "{session}");
    let kept = examined(&stack, session["id"].as_str().unwrap()).await;
    assert_eq!((kept.repairs.len(), kept.trials.len()), (1, 1));
    assert_eq!(kept.trials[0].report.sign.as_deref(), Some("sim login:"));
    let story = stack.story("web1").await;
    let of_it: Vec<_> = story
        .iter()
        .filter(|line| line.starts_with("rescue_repair"))
        .map(|it| it.rsplit(" ").next().unwrap())
        .collect();
    assert_eq!(of_it, ["-", "rescue", "stop_rescue", "stop_rescue", "-"], "{story:?}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_help_is_thrown_away_and_the_server_is_in_rescue_with_the_evidence() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", false).await.id;
    let failure = Failure {
        code: FailureCode::Boot,
        message: "the server did not ask for a login".into(),
        evidence: vec!["Kernel panic".into()],
    };
    stack.host.once(Verb::ConfirmBoot, Behaviour::failing(failure));
    let task = repaired(&stack).await;
    assert_eq!((task.state, told(&task).end), (TaskState::Failed, AutoEnd::NotConfirmed));
    assert_eq!(task.evidence, ["Kernel panic"]);
    assert!(task.cause.unwrap().contains("did not ask for a login"));
    let server = stack.show("web1").await;
    assert_eq!(server.status, GuestStatus::Rescue);
    assert!(!stack.host.guest(guest).unwrap().mended, "what was written is set aside");
    let session = stack.client.get::<RescueSessions>("web1").await.unwrap();
    assert_eq!((session.state, session.is_ready, session.boot), (SessionState::Active, true, 2));
    let kept = examined(&stack, "web1").await;
    assert!(kept.trials[0].report.cause.as_deref().unwrap().contains("did not ask"), "{:?}", kept.trials);
    assert_eq!(kept.trials[0].report.console, ["Kernel panic"]);

    // From there it can be tried again; what the rescue was entered for is over then.
    let task = repaired(&stack).await;
    assert_eq!((task.state, told(&task).end), (TaskState::Succeeded, AutoEnd::Repaired));
    assert_eq!(stack.show("web1").await.status, GuestStatus::Ready, "as it was before");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_server_goes_back_as_it_was_unless_its_owner_brought_it_there() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    assert_eq!(told(&repaired(&stack).await).end, AutoEnd::Repaired);
    let task = repaired(&stack).await;
    assert_eq!((task.state, told(&task).end), (TaskState::Succeeded, AutoEnd::Healthy));
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);

    let overlay = StartRescue { disk_mode: Some(DiskMode::Overlay), ..StartRescue::default() };
    let task = stack.client.perform("web1", &overlay).await.unwrap().task.unwrap();
    stack.ended(task.id).await;
    assert_eq!(told(&repaired(&stack).await).end, AutoEnd::Healthy);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_safe_can_be_done_the_owner_finds_in_rescue_what_is_wrong() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    stack.host.set_unsafe(guest, true);
    let task = repaired(&stack).await;
    assert_eq!((task.state, told(&task).end), (TaskState::Failed, AutoEnd::NotRepaired));
    assert!(task.cause.as_deref().unwrap().contains("fstab_missing_device"), "{:?}", task.cause);
    assert_eq!(told(&task).found, ["fstab_missing_device"]);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    let kept = examined(&stack, "web1").await;
    assert_eq!(kept.diagnosis.expect("what was found").findings[0].code, "fstab_missing_device");
    assert!(kept.repairs.is_empty() && kept.trials.is_empty());
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_that_is_watched_can_be_given_up() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    stack.host.once(Verb::ConfirmBoot, Behaviour::pace(Pace::HeldBefore));
    let task = stack.client.perform("web1", &auto()).await.unwrap().task.unwrap().id;
    eventually("the server's own system is tried", async || {
        let session = stack.client.get::<RescueSessions>("web1").await.ok()?;
        (session.state == SessionState::Confirming && !session.is_ready).then_some(())
    })
    .await;
    // Nobody else gets in between.
    let error = stack.client.perform("web1", &StopRescue::default()).await.err().unwrap();
    assert_eq!(error.class(), Some(ErrorClass::InvalidStatus));
    eventually("the boot is awaited", async || {
        let task = stack.client.get::<Tasks>(&task.to_string()).await.unwrap();
        (task.stage == "confirm_boot" && task.state == TaskState::Waiting).then_some(())
    })
    .await;
    stack.client.perform(&task.to_string(), &Cancel {}).await.unwrap();
    assert_eq!(stack.ended(task).await.state, TaskState::Cancelled);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_before_anything_is_touched() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    for (action, word) in [
        (RescueRepair { fix: vec!["x".into()], ..auto() }, "name some, or give auto"),
        (RescueRepair { dry_run: true, ..auto() }, "auto has none"),
        (RescueRepair { max_wait: Some(1), ..auto() }, "30 to 3600"),
        (RescueRepair { max_wait: Some(60), fix: vec!["x".into()], ..RescueRepair::default() }, "for auto alone"),
        (RescueRepair { ssh_keys: vec!["x".into()], ..auto() }, "public key"),
    ] {
        let (status, details) = refused(&stack, &action).await;
        assert!(status == 400 && details.contains(word), "{status} {details}");
    }
    let by_hand = RescueRepair { fix: vec!["x".into()], ..RescueRepair::default() };
    let (status, details) = refused(&stack, &by_hand).await;
    assert!(status == 409 && details.contains("start-rescue with disk_mode overlay"), "{details}");
    let task = stack.client.perform("web1", &StartRescue::default()).await.unwrap().task.unwrap();
    stack.ended(task.id).await;
    let (status, details) = refused(&stack, &auto()).await;
    assert!(status == 409 && details.contains("disk mode rw"), "{details}");
    assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue);

    // A boot without network would say nothing about the server as it is otherwise.
    stack.server("web2", true).await;
    let cut_off = StartRescue {
        disk_mode: Some(DiskMode::Overlay),
        network: Some(RescueNetwork::None),
        ..StartRescue::default()
    };
    let task = stack.client.perform("web2", &cut_off).await.unwrap().task.unwrap();
    stack.ended(task.id).await;
    match stack.client.perform("web2", &auto()).await {
        Err(client::Error::Api(error)) => {
            assert!(error.status == 409 && error.details.contains("without network"), "{}", error.details);
        }
        other => panic!("it was not refused: {}", other.is_ok()),
    }
    assert_eq!(stack.show("web2").await.status, GuestStatus::Rescue);
    stack.finish().await;
}

/// It is made of a way in and a way out: who may not take them may not have them taken.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_begin_or_end_a_rescue_may_not_have_it_done() {
    let actors = Actors::start().await;
    actors.post("/projects", json!({"name": "p1"})).await;
    let ann = actors.user("ann", "p1", "project_owner").await;
    let body = serde_json::to_value(Stack::body("web1", true)).unwrap();
    let (_, created) = ann.send(ann.request("POST", "/servers").json(&body)).await;
    actors.stack.ended(created["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    let cases = [("start-rescue", "stop-rescue"), ("stop-rescue", "start-rescue"), ("restart", "")];
    for (n, (also, lacks)) in cases.into_iter().enumerate() {
        let role = format!("repairer{n}");
        actors.post("/roles", json!({"name": role})).await;
        let mut perform = json!({"*": "allow"});
        if !lacks.is_empty() {
            perform = json!({"*": "deny", "rescue-repair": "allow"});
            perform[also] = json!("allow");
        }
        let rules = json!({"compute": {"servers": {"get": "allow", "perform": perform}}});
        actors.post("/policies", json!({"name": role, "scope": "project", "roles": [role], "rules": rules})).await;
        let eve = actors.user(&format!("eve{n}"), "p1", &role).await;
        let before = actors.stack.story("web1").await;
        let asked =
            eve.request("POST", "/servers/web1/rescue-repair").json(&json!({"auto": true, "reason": "it hangs"}));
        let (status, answer) = eve.send(asked).await;
        if lacks.is_empty() {
            assert_eq!(status, 202, "{answer}");
            let task = actors.stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
            assert_eq!(told(&task).end, AutoEnd::Repaired);
            let (_, events) = ann.send(ann.request("GET", "/events?obj_id=web1&action=rescue_repair")).await;
            assert!(events.to_string().contains("automatically: it hangs"), "{events}");
        } else {
            assert_eq!(status, 403, "{answer}");
            assert!(answer["details"].as_str().unwrap().contains(lacks), "{answer}");
            assert_eq!(actors.stack.story("web1").await, before, "nothing was begun");
        }
    }
    actors.stack.finish().await;
}

/// The way into rescue, as a part of the repair, stands where nobody can go on: given up, it says so of the server, which has its ways out.
#[tokio::test(flavor = "multi_thread")]
async fn a_way_in_that_is_given_up_leaves_the_server_with_a_way_out() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    stack.host.once(Verb::StartRescue, Behaviour::pace(Pace::HeldBefore));
    let repair = stack.client.perform("web1", &auto()).await.unwrap().task.unwrap().id;
    stack.host.wait_held(Verb::StartRescue).await;
    let enter = stack.client.get::<Tasks>(&repair.to_string()).await.unwrap().children[0].id;
    let mut conn = stack.connection().await;
    conn.batch_execute(&format!(
        "update tasks set state = 'blocked', lease_until = null,
            last_error = '{{\"count\": 1, \"error\": {{\"kind\": \"permanent\", \"message\": \"can''t be read\"}}}}' where id = '{enter}'"
    ))
    .await
    .unwrap();
    stack.client.perform(&enter.to_string(), &Abandon {}).await.unwrap();
    stack.host.release_all();
    let task = stack.ended(repair).await;
    assert_eq!(task.state, TaskState::Failed, "{:?}", task.cause);
    assert_eq!(stack.show("web1").await.status, GuestStatus::StartRescueFailed);
    let leave = StopRescue { overlay: Some(OverlayEnd::Discard), ..StopRescue::default() };
    let task = stack.client.perform("web1", &leave).await.unwrap().task.unwrap();
    assert_eq!(stack.ended(task.id).await.state, TaskState::Succeeded);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    stack.finish().await;
}

/// Three broke, one of them is not to be had back, one is in a status that can't be repaired.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_repaired_under_one_task_that_tells_of_each() {
    let stack = Stack::start().await;
    let mut ids = Vec::new();
    for name in ["web1", "web2", "web3", "db1"] {
        ids.push(stack.server(name, true).await.id);
    }
    let lost = Failure { code: FailureCode::Boot, message: "it gave up".into(), evidence: vec!["panic".into()] };
    stack.host.rule(Some(Verb::ConfirmBoot), Some(ids[1]), Some(1), Behaviour::failing(lost));
    let leave = StopRescue { overlay: Some(OverlayEnd::Discard), ..StopRescue::default() };
    let rw = stack.client.perform("web3", &StartRescue::default()).await.unwrap().task.unwrap();
    stack.ended(rw.id).await;

    let web = stack.web().await;
    let ask = async |body: serde_json::Value| web.send(web.request("POST", "/servers/rescue-repair").json(&body)).await;
    let (status, answer) = ask(json!({ "filter": ["name.startswith('web')"], "options": {} })).await;
    assert!(status == 400 && answer["details"].as_str().unwrap().contains("options.auto"), "{answer}");
    let body = json!({ "filter": ["name.startswith('web')"], "max_parallel": 2, "options": { "auto": true } });
    let (status, answer) = ask(body).await;
    assert_eq!(status, 202, "{answer}");
    let id: types::TaskId = serde_json::from_value(answer["task"]["id"].clone()).unwrap();
    let task = stack.ended(id).await;
    assert_eq!((task.state, task.task_name.as_str()), (TaskState::Failed, "BatchRescueRepairTask"));
    assert!(task.cause.as_deref().unwrap().contains("1 of 3 are repaired"), "{:?}", task.cause);
    assert!(task.evidence.iter().any(|line| line.contains("disk mode rw")), "{:?}", task.evidence);
    let mut ends: Vec<_> = task
        .children
        .iter()
        .map(|child| {
            let told: AutoRepaired = serde_json::from_value(child.result.clone().unwrap()).unwrap();
            (child.obj_name.clone().unwrap(), told.end)
        })
        .collect();
    ends.sort();
    assert_eq!(ends, [("web1".to_owned(), AutoEnd::Repaired), ("web2".to_owned(), AutoEnd::NotConfirmed)]);
    let statuses = [("web1", GuestStatus::Running), ("web2", GuestStatus::Rescue), ("db1", GuestStatus::Running)];
    for (name, status) in statuses {
        assert_eq!(stack.show(name).await.status, status, "{name}");
    }
    let task = stack.client.perform("web2", &leave).await.unwrap().task.unwrap();
    assert_eq!(stack.ended(task.id).await.state, TaskState::Succeeded);
    stack.finish().await;
}

/// Begins a repair of five servers, of which each waits for its login prompt until it is let go.
async fn five(stack: &Stack, limits: serde_json::Value) -> (Vec<GuestId>, TaskId) {
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(stack.server(&format!("web{n}"), true).await.id);
    }
    stack.host.on(Verb::ConfirmBoot, Behaviour::pace(Pace::HeldBefore));
    let lost = Failure { code: FailureCode::Boot, message: "it gave up".into(), evidence: vec![] };
    let lost = Behaviour { pace: Pace::HeldBefore, ..Behaviour::failing(lost) };
    stack.host.rule(Some(Verb::ConfirmBoot), Some(ids[0]), None, lost);
    let web = stack.web().await;
    let mut body = json!({ "ids": ids, "options": { "auto": true } });
    body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let (status, answer) = web.send(web.request("POST", "/servers/rescue-repair").json(&body)).await;
    assert_eq!(status, 202, "{answer}");
    (ids, answer["task"]["id"].as_str().unwrap().parse().unwrap())
}

/// Until so many wait for their login prompt; which.
async fn waiting(stack: &Stack, count: usize) -> Vec<Execution> {
    let what = format!("{count} wait for their login prompt");
    eventually(&what, async || Some(stack.host.held()).filter(|held| held.len() == count)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_no_more_are_at_work_than_were_asked_for() {
    let stack = Stack::start().await;
    let (_, batch) = five(&stack, json!({ "max_parallel": 2 })).await;
    for ended in 0..4 {
        let held = waiting(&stack, 2).await;
        let children = stack.client.get::<Tasks>(&batch.to_string()).await.unwrap().children;
        let live = children.iter().filter(|child| !child.state.has_ended()).count();
        assert_eq!((live, children.len()), (2, ended + 2), "another begins when one ends, not before");
        stack.host.release(held[0].operation);
        eventually("it has ended", async || {
            let children = stack.client.get::<Tasks>(&batch.to_string()).await.ok()?.children;
            assert!(children.iter().filter(|child| !child.state.has_ended()).count() <= 2);
            (children.iter().filter(|child| child.state.has_ended()).count() > ended).then_some(())
        })
        .await;
    }
    stack.host.release(waiting(&stack, 1).await[0].operation);
    let cause = stack.ended(batch).await.cause.unwrap();
    assert!(cause.contains("4 of 5 are repaired") && cause.contains("1 failed"), "{cause}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_no_more_are_begun_once_enough_have_failed() {
    let stack = Stack::start().await;
    let (ids, batch) = five(&stack, json!({ "max_parallel": 2, "abort_on_failures": 1 })).await;
    let (lost, good): (Vec<_>, Vec<_>) = waiting(&stack, 2).await.into_iter().partition(|it| it.guest == ids[0]);
    stack.host.release(lost[0].operation);
    eventually("one has failed", async || {
        let children = stack.client.get::<Tasks>(&batch.to_string()).await.ok()?.children;
        children.iter().any(|child| child.state == TaskState::Failed).then_some(())
    })
    .await;
    stack.host.release(good[0].operation);
    let task = stack.ended(batch).await;
    assert_eq!((task.state, task.children.len()), (TaskState::Failed, 2));
    let cause = task.cause.unwrap();
    assert!(cause.contains("1 of 5") && cause.contains("1 failed, 0 could not begin, 3 were not begun"), "{cause}");
    let of_rescue = |guest| stack.host.executions().iter().any(|it| it.guest == guest && it.verb == Verb::StartRescue);
    assert_eq!(ids.iter().map(|id| of_rescue(*id)).collect::<Vec<_>>(), [true, true, false, false, false]);
    stack.finish().await;
}
