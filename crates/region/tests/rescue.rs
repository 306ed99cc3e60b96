//! Rescue, told as stories: region in process, a simulated host, real Postgres.

use api::server::{Password, PowerAfter, Servers, Start, StartRescue, Stop, StopRescue};
use api::task::TaskState;
use host_sim::{Behaviour, Pace, Reply, Reports, Verb};
use testing::{Setup, Stack, eventually};
use types::operation::{Failure, FailureCode};
use types::{GuestStatus, PowerState, SessionState};

fn broken(code: FailureCode) -> Behaviour {
    Behaviour::failing(Failure { code, message: "as the test wants".into(), evidence: vec!["the last line".into()] })
}

async fn start_rescue(stack: &Stack, name: &str) -> api::task::Task {
    let accepted = stack.client.perform(name, &StartRescue::default()).await.expect("start-rescue is accepted");
    stack.ended(accepted.task.expect("a task").id).await
}

async fn stop_rescue(stack: &Stack, name: &str, action: &StopRescue) -> api::task::Task {
    let accepted = stack.client.perform(name, action).await.expect("stop-rescue is accepted");
    stack.ended(accepted.task.expect("a task").id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_rescued_and_goes_back_as_it_was() {
    let stack = Stack::start().await;
    let before = stack.server("web1", true).await;
    let desc = stack.host.guest(before.id).expect("the host has it").desc;

    let action =
        StartRescue { password: Some(Password::Generate), reason: Some("no boot".into()), ..Default::default() };
    let accepted = stack.client.perform("web1", &action).await.unwrap();
    let access = accepted.extra.rescue_session.expect("a session");
    let password = access.password.expect("a password, this once");
    assert_eq!(accepted.resource.status, GuestStatus::StartRescue);
    let task = stack.ended(accepted.task.unwrap().id).await;
    assert_eq!(task.state, TaskState::Succeeded, "{:?}", task.cause);
    let stages: Vec<&str> = task.stages.iter().map(|s| s.stage.as_str()).collect();
    assert_eq!(
        stages,
        ["preflight", "prepare_rescue", "stop_server", "write_desc", "rescue_start_server", "await_ready"]
    );

    let server = stack.show("web1").await;
    assert_eq!(
        (server.status, server.power_state, server.rescue_mode),
        (GuestStatus::Rescue, PowerState::Running, true)
    );
    let session = stack.client.get::<api::rescue::RescueSessions>(&access.id.to_string()).await.unwrap();
    assert_eq!((session.state, session.is_ready), (SessionState::Active, true));
    assert_eq!(session.disks.len(), 1);
    assert!(session.stop_how.is_some() && session.password_shown);

    let task = stop_rescue(&stack, "web1", &StopRescue::default()).await;
    assert_eq!(task.state, TaskState::Succeeded, "{:?}", task.cause);
    let after = stack.show("web1").await;
    assert_eq!((after.status, after.rescue_session_id), (GuestStatus::Running, None));
    assert_eq!(stack.host.guest(before.id).unwrap().desc, desc, "the desc is the one of before");
    let session = stack.client.get::<api::rescue::RescueSessions>(&access.id.to_string()).await.unwrap();
    assert_eq!(session.state, SessionState::Closed);

    assert_eq!(
        stack.story("web1").await,
        [
            "create ok -",
            "create ok running",
            "start_rescue ok start_rescue",
            "start_rescue ok rescue",
            "stop_rescue ok stop_rescue",
            "stop_rescue ok running",
        ]
    );
    no_row_holds(&stack, password.expose()).await;
    stack.finish().await;
}

/// Searches every text, jsonb and bytea column for a secret.
async fn no_row_holds(stack: &Stack, secret: &str) {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::Text)]
        place: String,
    }
    let mut conn = stack.app().pool.get().await.unwrap();
    for table in ["guests", "rescue_sessions", "events", "tasks", "idempotency_keys", "users", "tokens"] {
        let sql = format!("select '{table}' as place from {table} t where position($1 in t::text) > 0");
        let found: Vec<Found> =
            diesel::sql_query(sql).bind::<diesel::sql_types::Text, _>(secret).load(&mut conn).await.unwrap();
        assert!(found.is_empty(), "a secret stands in {}", found[0].place);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_off_is_off_afterwards_unless_asked_otherwise() {
    let stack = Stack::start().await;
    stack.server("off1", false).await;
    assert_eq!(start_rescue(&stack, "off1").await.state, TaskState::Succeeded);
    stop_rescue(&stack, "off1", &StopRescue::default()).await;
    let server = stack.show("off1").await;
    assert_eq!((server.status, server.power_state), (GuestStatus::Ready, PowerState::Shutoff));

    assert_eq!(start_rescue(&stack, "off1").await.state, TaskState::Succeeded);
    stop_rescue(&stack, "off1", &StopRescue { power: Some(PowerAfter::On), ..Default::default() }).await;
    assert_eq!(stack.show("off1").await.status, GuestStatus::Running);
    stack.finish().await;
}

/// Whatever stage fails, the server is back where it was, and the session says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_each_stage_rolls_back() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    let desc = stack.host.guest(server.id).unwrap().desc;
    for verb in [
        Verb::PreflightRescue,
        Verb::PrepareRescue,
        Verb::StopGuest,
        Verb::WriteRescueDesc,
        Verb::StartRescue,
        Verb::AwaitReady,
    ] {
        stack.host.once(verb, broken(FailureCode::Internal));
        let task = start_rescue(&stack, "web1").await;
        assert_eq!(task.state, TaskState::Failed, "{verb}");
        assert_eq!(task.evidence, ["the last line"], "{verb}");
        let server = stack.show("web1").await;
        assert_eq!((server.status, server.rescue_session_id), (GuestStatus::Running, None), "{verb}");
        assert_eq!(server.power_state, PowerState::Running, "{verb}");
        assert_eq!(stack.host.guest(server.id).unwrap().desc, desc, "{verb}");
        let session = stack.client.get::<api::rescue::RescueSessions>("web1").await.unwrap();
        assert_eq!(session.state, SessionState::Failed, "{verb}");
        assert!(session.cause.unwrap().contains("as the test wants"), "{verb}");
        assert_eq!(session.evidence, ["the last line"], "{verb}");
    }
    // And it can be rescued all the same.
    assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Succeeded);
    stop_rescue(&stack, "web1", &StopRescue::default()).await;
    stack.finish().await;
}

/// `start_rescue_failed` is no dead end: each way out of it works.
#[tokio::test(flavor = "multi_thread")]
async fn each_way_out_of_a_failed_start_works() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    for way_out in ["start-rescue", "stop-rescue", "start", "stop"] {
        stack.host.once(Verb::AwaitReady, broken(FailureCode::NotReady));
        stack.host.once(Verb::RestoreDesc, broken(FailureCode::Internal));
        assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Failed);
        assert_eq!(stack.show("web1").await.status, GuestStatus::StartRescueFailed, "before {way_out}");
        let (task, status) = match way_out {
            "start-rescue" => (start_rescue(&stack, "web1").await, GuestStatus::Rescue),
            "stop-rescue" => (stop_rescue(&stack, "web1", &StopRescue::default()).await, GuestStatus::Running),
            "start" => {
                let accepted = stack.client.perform("web1", &Start {}).await.unwrap();
                (stack.ended(accepted.task.unwrap().id).await, GuestStatus::Running)
            }
            _ => {
                let accepted = stack.client.perform("web1", &Stop::default()).await.unwrap();
                (stack.ended(accepted.task.unwrap().id).await, GuestStatus::Ready)
            }
        };
        assert_eq!(task.state, TaskState::Succeeded, "{way_out}: {:?}", task.cause);
        assert_eq!(stack.show("web1").await.status, status, "{way_out}");
        if way_out == "start-rescue" {
            stop_rescue(&stack, "web1", &StopRescue::default()).await;
        }
        assert!(stack.host.guest(server.id).unwrap().desc.rescue.is_none(), "{way_out} leaves no rescue section");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_out_of_a_failed_stop_works() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    for way_out in ["stop-rescue", "start-rescue", "stop"] {
        assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Succeeded, "before {way_out}");
        stack.host.once(Verb::RestoreDesc, broken(FailureCode::Internal));
        assert_eq!(stop_rescue(&stack, "web1", &StopRescue::default()).await.state, TaskState::Failed);
        assert_eq!(stack.show("web1").await.status, GuestStatus::StopRescueFailed, "before {way_out}");
        let task = match way_out {
            "stop-rescue" => stop_rescue(&stack, "web1", &StopRescue::default()).await,
            "start-rescue" => {
                assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Succeeded);
                stop_rescue(&stack, "web1", &StopRescue::default()).await
            }
            _ => {
                let accepted = stack.client.perform("web1", &Stop::default()).await.unwrap();
                let task = stack.ended(accepted.task.unwrap().id).await;
                let accepted = stack.client.perform("web1", &Start {}).await.unwrap();
                stack.ended(accepted.task.unwrap().id).await;
                task
            }
        };
        assert_eq!(task.state, TaskState::Succeeded, "{way_out}: {:?}", task.cause);
        assert_eq!(stack.show("web1").await.status, GuestStatus::Running, "{way_out}");
        let open = stack.client.get::<api::rescue::RescueSessions>("web1").await.unwrap();
        assert!(open.ended_at.is_some(), "{way_out} leaves no session open");
        assert!(stack.host.guest(server.id).unwrap().desc.rescue.is_none(), "{way_out}");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_rescue_gets_409_and_changes_nothing() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    stack.host.on(Verb::AwaitReady, Behaviour::pace(Pace::HeldBefore));
    let first = stack.client.perform("web1", &StartRescue::default()).await.unwrap();
    let operation = stack.host.wait_held(Verb::AwaitReady).await;
    let refused = stack.client.perform("web1", &StartRescue::default()).await.err().expect("refused");
    assert_eq!(refused.status(), Some(409), "{refused}");
    stack.host.release(operation);
    assert_eq!(stack.ended(first.task.unwrap().id).await.state, TaskState::Succeeded);
    let refused = stack.client.perform("web1", &StartRescue::default()).await.err().expect("refused");
    assert_eq!(refused.status(), Some(409), "{refused}");
    assert!(refused.to_string().contains("stop-rescue"), "the way out is named: {refused}");
    stack.host.behave();
    stop_rescue(&stack, "web1", &StopRescue::default()).await;
    stack.finish().await;
}

/// Region is killed while each stage is at work; a new one goes on from there, and nothing is done twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_region_goes_on_where_it_was() {
    let mut stack = Stack::start().await;
    stack.server("web1", true).await;
    for verb in [
        Verb::PreflightRescue,
        Verb::PrepareRescue,
        Verb::StopGuest,
        Verb::WriteRescueDesc,
        Verb::StartRescue,
        Verb::AwaitReady,
    ] {
        stack.host.on(verb, Behaviour::pace(Pace::HeldBefore));
        let accepted = stack.client.perform("web1", &StartRescue::default()).await.unwrap();
        let operation = stack.host.wait_held(verb).await;
        stack.kill_region().await;
        stack.host.behave();
        stack.host.release(operation);
        stack.start_region().await;
        let task = stack.ended(accepted.task.unwrap().id).await;
        assert_eq!(task.state, TaskState::Succeeded, "{verb}: {:?}", task.cause);
        assert_eq!(stack.host.executed(operation), 1, "{verb} was done once");
        assert_eq!(stack.show("web1").await.status, GuestStatus::Rescue, "{verb}");
        stop_rescue(&stack, "web1", &StopRescue::default()).await;
        assert_eq!(stack.show("web1").await.status, GuestStatus::Running, "{verb}");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_and_strange_reports_do_no_harm() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    stack.host.rule(None, Some(server.id), None, Behaviour::reply(Reply::Lost));
    assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Succeeded);
    stack.host.behave();
    stack.host.rule(None, Some(server.id), None, Behaviour::reports(Reports::Twice));
    assert_eq!(stop_rescue(&stack, "web1", &StopRescue::default()).await.state, TaskState::Succeeded);
    stack.host.behave();
    // No report at all: region asks.
    stack.host.rule(Some(Verb::PrepareRescue), Some(server.id), None, Behaviour::reports(Reports::Never));
    assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Succeeded);
    stack.host.behave();
    assert_eq!(stop_rescue(&stack, "web1", &StopRescue::default()).await.state, TaskState::Succeeded);
    for execution in stack.host.executions() {
        assert_eq!(stack.host.executed(execution.operation), 1);
    }
    stack.finish().await;
}

/// Reports move the power state, never the status of a server in rescue; pollers see no step back.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_report_never_moves_a_rescue_status() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    assert_eq!(start_rescue(&stack, "web1").await.state, TaskState::Succeeded);
    stack.host.set_power(server.id, PowerState::Shutoff);
    let seen = eventually("the power state arrives", async || {
        Some(stack.show("web1").await).filter(|s| s.power_state == PowerState::Shutoff)
    })
    .await;
    assert_eq!(seen.status, GuestStatus::Rescue);
    stop_rescue(&stack, "web1", &StopRescue::default()).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_inside_rescue_is_not_ready_until_proven_again() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    start_rescue(&stack, "web1").await;
    for ready in [false, true] {
        stack.host.reboot_rescue(server.id, ready);
        eventually("the session follows", async || {
            let session = stack.client.get::<api::rescue::RescueSessions>("web1").await.ok()?;
            (session.boot >= 2 && session.is_ready == ready).then_some(())
        })
        .await;
    }
    stop_rescue(&stack, "web1", &StopRescue::default()).await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_knows_is_checked_before_anything_is_touched() {
    let stack = Stack::start_with(Setup { no_agent: true, ..Setup::default() }).await;
    stack.server("web1", true).await;
    let refused = |action: StartRescue| {
        let client = stack.client.clone();
        async move { client.perform("web1", &action).await.err().expect("refused") }
    };
    let error = refused(StartRescue::default()).await;
    assert!(error.to_string().contains("Baremetal agent not found"), "{error}");
    stack.register_agent("agent1").await;
    let error = refused(StartRescue { rescue_image: Some("huge".into()), ..Default::default() }).await;
    assert!(error.status() == Some(400) && error.to_string().contains("huge"), "{error}");
    let error = refused(StartRescue { qemu_version: Some("1.0".into()), ..Default::default() }).await;
    assert!(error.status() == Some(400) && error.to_string().contains("10.0.2"), "{error}");
    let error = refused(StartRescue { ttl: Some(1), ..Default::default() }).await;
    assert!(error.status() == Some(400) && error.to_string().contains("300 to 2592000"), "{error}");
    let server = stack.show("web1").await;
    assert_eq!((server.status, server.task), (GuestStatus::Running, None));
    assert_eq!(stack.story("web1").await, ["create ok -", "create ok running"]);
    let disable = api::baremetal::DisableAgent {};
    stack.client.perform("agent1", &disable).await.unwrap();
    let error = refused(StartRescue::default()).await;
    assert!(error.to_string().contains("Baremetal agent not found"), "{error}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_when_its_time_is_up() {
    let mut config = region::Config::default();
    config.heartbeat.interval_s = 1;
    let stack = Stack::start_with(Setup { config, ..Setup::default() }).await;
    stack.server("web1", true).await;
    start_rescue(&stack, "web1").await;
    let mut conn = stack.app().pool.get().await.unwrap();
    let shorten = "update rescue_sessions set expires_at = now() - interval '1 second'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(shorten), &mut conn).await.unwrap();
    eventually("it leaves rescue", async || {
        Some(stack.show("web1").await).filter(|s| s.status == GuestStatus::Running && s.task.is_none())
    })
    .await;
    assert!(stack.story("web1").await.contains(&"stop_rescue ok running".to_owned()));
    drop(conn);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_start_goes_its_way_back() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    stack.host.on(Verb::AwaitReady, Behaviour::pace(Pace::HeldBefore));
    let accepted = stack.client.perform("web1", &StartRescue::default()).await.unwrap();
    let task = accepted.task.unwrap().id;
    let operation = stack.host.wait_held(Verb::AwaitReady).await;
    stack.client.perform(&task.to_string(), &api::task::Cancel {}).await.unwrap();
    let task = stack.ended(task).await;
    assert_eq!(task.state, TaskState::Cancelled);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    // The late outcome of the given-up stage changes nothing.
    stack.host.release(operation);
    stack.host.wait_ended(operation).await;
    stack.host.wait_reported(operation).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_server_is_gone_and_its_name_is_free() {
    let stack = Stack::start().await;
    let server = stack.server("web1", false).await;
    let deleted = stack.client.delete::<Servers>("web1").await.unwrap();
    stack.ended(deleted.task.unwrap().id).await;
    assert!(stack.client.get::<Servers>("web1").await.err().unwrap().is_not_found());
    assert!(stack.host.guest(server.id).is_none());
    stack.server("web1", false).await;
    stack.finish().await;
}

/// The morning when many machines broke in the same way.
#[tokio::test(flavor = "multi_thread")]
async fn many_servers_are_rescued_under_one_task() {
    let stack = Stack::start().await;
    for n in 0..5 {
        stack.server(&format!("web{n}"), n != 4).await;
    }
    stack.server("db1", true).await;
    let web = stack.web().await;
    // One is in rescue already, one fails: the others must not suffer.
    assert_eq!(start_rescue(&stack, "web0").await.state, TaskState::Succeeded);
    let broken_one = stack.show("web1").await;
    stack.host.rule(Some(Verb::PrepareRescue), Some(broken_one.id), None, broken(FailureCode::Download));
    let body = serde_json::json!({"filter": ["name.startswith('web')"], "max_parallel": 2, "options": {"reason": "all broken"}});
    let (status, answer) = web.send(web.request("POST", "/servers/start-rescue").json(&body)).await;
    assert_eq!(status, 202, "{answer}");
    let parent = answer["task"]["id"].as_str().unwrap().parse().unwrap();
    let task = stack.ended(parent).await;
    assert_eq!(task.state, TaskState::Failed);
    assert!(
        task.cause.as_ref().unwrap().contains("3 of 5 are in rescue; 1 failed, 1 could not begin, 0 were not begun"),
        "{task:?}"
    );
    assert!(task.evidence[0].contains("'web0' is in rescue"), "{:?}", task.evidence);
    for (name, status) in [
        ("web1", GuestStatus::Running),
        ("web2", GuestStatus::Rescue),
        ("web4", GuestStatus::Rescue),
        ("db1", GuestStatus::Running),
    ] {
        assert_eq!(stack.show(name).await.status, status, "{name}");
    }
    let (_, children) = web.send(web.request("GET", &format!("/tasks?parent_task_id={parent}"))).await;
    assert_eq!(children["total"], 4);
    let (status, answer) =
        web.send(web.request("POST", "/servers/start-rescue").json(&serde_json::json!({"ids": ["nosuch"]}))).await;
    assert_eq!((status, &answer["class"]), (404, &serde_json::json!("ResourceNotFoundError")));
    let (status, _) =
        web.send(web.request("POST", "/servers/start-rescue").json(&serde_json::json!({"ids": []}))).await;
    assert_eq!(status, 400);
    let (status, answer) = web.send(web.request("POST", "/servers/fly-away").json(&serde_json::json!({}))).await;
    assert_eq!((status, &answer["class"]), (404, &serde_json::json!("ActionNotFoundError")));
    stack.finish().await;
}

/// Two at once, and no more once two have failed: who fails makes room for another, until there were enough.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_a_few_are_rescued_at_once_and_no_more_once_enough_have_failed() {
    let stack = Stack::start().await;
    for n in 0..5 {
        stack.server(&format!("web{n}"), true).await;
    }
    let failing = Behaviour { pace: Pace::HeldBefore, ..broken(FailureCode::Download) };
    stack.host.on(Verb::PrepareRescue, failing);
    let web = stack.web().await;
    let body = serde_json::json!({"filter": ["name.startswith('web')"], "max_parallel": 2, "abort_on_failures": 2});
    let (status, answer) = web.send(web.request("POST", "/servers/start-rescue").json(&body)).await;
    assert_eq!(status, 202, "{answer}");
    let batch: types::TaskId = answer["task"]["id"].as_str().unwrap().parse().unwrap();
    for ended in 0..2 {
        let held = eventually("two are at work", async || Some(stack.host.held()).filter(|held| held.len() == 2)).await;
        let children = stack.client.get::<api::task::Tasks>(&batch.to_string()).await.unwrap().children;
        let live = children.iter().filter(|child| !child.state.has_ended()).count();
        assert_eq!((live, children.len()), (2, ended + 2));
        stack.host.release(held[0].operation);
        eventually("one of them has failed", async || {
            let children = stack.client.get::<api::task::Tasks>(&batch.to_string()).await.ok()?.children;
            (children.iter().filter(|child| child.state.has_ended()).count() > ended).then_some(())
        })
        .await;
    }
    stack.host.release_all();
    let task = stack.ended(batch).await;
    assert_eq!((task.state, task.children.len()), (TaskState::Failed, 3));
    let cause = task.cause.unwrap();
    assert!(cause.contains("0 of 5 are in rescue; 3 failed, 0 could not begin, 2 were not begun"), "{cause}");
    for n in 0..5 {
        assert_eq!(stack.show(&format!("web{n}")).await.status, GuestStatus::Running, "web{n}");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_explained_extended_and_counted() {
    let mut config = region::Config::default();
    config.rescue.max_per_project = 1;
    let stack = Stack::start_with(Setup { config, ..Setup::default() }).await;
    stack.server("web1", true).await;
    stack.server("web2", true).await;
    let web = stack.web().await;
    stack.host.once(Verb::AwaitReady, broken(FailureCode::NotReady));
    start_rescue(&stack, "web1").await;
    let (_, told) = web.send(web.request("GET", "/rescuesessions/web1/explain")).await;
    let told = &told["rescuesession"];
    assert_eq!((&told["state"], &told["evidence"][0]), (&"failed".into(), &"the last line".into()), "{told}");
    assert!(told["cause"].as_str().unwrap().starts_with("await_ready: "), "{told}");
    assert!(told["what_next"].as_str().unwrap().contains("climc server-start-rescue web1"), "{told}");

    start_rescue(&stack, "web1").await;
    let before = stack.client.get::<api::rescue::RescueSessions>("web1").await.unwrap();
    stack.client.perform(&before.id.to_string(), &api::rescue::Extend { ttl: 7 * 24 * 3600 }).await.unwrap();
    let after = stack.client.get::<api::rescue::RescueSessions>("web1").await.unwrap();
    assert!(after.expires_at > before.expires_at);
    let refused = stack.client.perform("web2", &StartRescue::default()).await.err().unwrap();
    assert_eq!(refused.status(), Some(429), "{refused}");
    stop_rescue(&stack, "web1", &StopRescue::default()).await;
    assert!(stack.client.perform(&before.id.to_string(), &api::rescue::Extend { ttl: 300 }).await.is_err());
    assert_eq!(start_rescue(&stack, "web2").await.state, TaskState::Succeeded);

    for (detail, key) in [
        ("status", "power_state"),
        ("tasks", "tasks"),
        ("disks", "disks"),
        ("metadata", "metadata"),
        ("desc", "desc_sha256"),
        ("rescue", "rescue_session"),
    ] {
        let (status, told) = web.send(web.request("GET", &format!("/servers/web2/{detail}"))).await;
        assert!(status == 200 && !told["server"][key].is_null(), "{detail}: {status} {told}");
    }
    stack.finish().await;
}
