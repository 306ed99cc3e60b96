//! Hosts: silent ones, rebooted ones, what is on them and what should not be.

use api::server::{StartRescue, StopRescue, Suspend};
use api::task::TaskState;
use db::census::Count;
use host_sim::{Behaviour, Pace, Verb};
use proto::region::v1 as pb;
use proto::region::v1::host_upcall_service_client::HostUpcallServiceClient;
use serde_json::{Value, json};
use testing::{Setup, Stack, Web, eventually};
use types::operation::GuestReport;
use types::{GuestStatus, PowerState, SessionState};

async fn get(web: &Web, path: &str) -> Value {
    let (status, answer) = web.send(web.request("GET", path)).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// A stack whose host is offline after two seconds of silence.
async fn stack() -> Stack {
    let mut setup = Setup::default();
    setup.config.heartbeat.interval_s = 1;
    setup.config.heartbeat.limit_s = 2;
    Stack::start_with(setup).await
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_a_silent_host_are_unknown_until_it_reports_again() {
    let stack = stack().await;
    let server = stack.server("web1", true).await;
    assert_eq!(server.power_state, PowerState::Running);
    let web = stack.web().await;
    let host = async || get(&web, "/hosts/host1").await["host"].clone();
    assert_eq!((&host().await["host_status"], &host().await["guests_running"]), (&json!("online"), &json!(1)));
    stack.host.set_mute(true);
    let seen = eventually("the host is offline", async || {
        let host = host().await;
        (host["host_status"] == "offline" && host["offline_since"].is_string()).then_some(host)
    })
    .await;
    assert_eq!(seen["guests_running"], 0);
    assert_eq!(get(&web, "/hosts?status.0=offline").await["total"], 1);
    let count = |kind: &str, place: &str, state: &str, many| Count {
        kind: kind.into(),
        place: place.into(),
        state: state.into(),
        many,
    };
    let counts = db::census::counts(&mut stack.connection().await, 2).await.unwrap();
    assert!(counts.contains(&count("host", "default", "offline", 1)), "{counts:?}");
    assert!(counts.contains(&count("agent", "default", "online", 1)), "{counts:?}");
    assert!(counts.contains(&count("overdue", "", "", 0)), "{counts:?}");
    let server = stack.show("web1").await;
    assert_eq!(
        (server.status, server.power_state),
        (GuestStatus::Running, PowerState::Unknown),
        "its status is its own"
    );
    // Nothing new is placed there.
    let body = serde_json::to_value(Stack::body("web2", false)).unwrap();
    let (status, answer) = web.send(web.request("POST", "/servers").json(&body)).await;
    assert!([503, 507].contains(&status), "{status} {answer}");

    stack.host.set_mute(false);
    eventually("the host is online", async || (host().await["offline_since"].is_null()).then_some(())).await;
    eventually("its report counts again", async || {
        (stack.show("web1").await.power_state == PowerState::Running).then_some(())
    })
    .await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    assert_eq!(host_events(&web).await, ["offline", "online"]);
    assert_eq!(stack.story("web1").await.iter().filter(|line| line.starts_with("power_state")).count(), 0);
    stack.finish().await;
}

async fn host_events(web: &Web) -> Vec<String> {
    let events = get(web, "/events?obj_type=host&obj_id=host1&order_by=id&order=asc").await;
    events["events"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap().to_owned()).collect()
}

/// A host that does not say what ran on it: its guests are off, and region says so once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebooted_host_takes_its_guests_along() {
    let stack = stack().await;
    let server = stack.server("web1", true).await;
    let web = stack.web().await;
    let before = get(&web, "/hosts/host1").await["host"]["registered_at"].clone();
    stack.host.crash();
    stack.host.set_power(server.id, PowerState::Shutoff);
    stack.host.restart().await.unwrap();
    eventually("the guest is seen to be off", async || {
        let server = stack.show("web1").await;
        ((server.status, server.power_state) == (GuestStatus::Ready, PowerState::Shutoff)).then_some(())
    })
    .await;
    assert!(stack.story("web1").await.contains(&"power_state ok ready".to_owned()));
    assert_ne!(get(&web, "/hosts/host1").await["host"]["registered_at"], before, "its program started again");
    stack.finish().await;
}

/// A machine that lost power: what ran runs again, what was in rescue is in rescue again with a fresh proof, what was off stays off, and a
/// server that a task is at work on is left to its task.
#[tokio::test(flavor = "multi_thread")]
async fn what_ran_on_a_rebooted_host_comes_back() {
    let stack = stack().await;
    let web = stack.web().await;
    let mut ids = Vec::new();
    for (name, on) in [("runs", true), ("off", false), ("rescued", true), ("paused", true), ("leaving", true)] {
        ids.push(stack.server(name, on).await.id);
    }
    let [runs, off, rescued, paused, leaving] = ids[..] else { unreachable!() };
    for name in ["rescued", "leaving"] {
        let task = stack.client.perform(name, &StartRescue::default()).await.unwrap().task.unwrap().id;
        assert_eq!(stack.ended(task).await.state, TaskState::Succeeded);
    }
    let task = stack.client.perform("paused", &Suspend::default()).await.unwrap().task.unwrap().id;
    assert_eq!(stack.ended(task).await.state, TaskState::Succeeded);
    stack.host.once(Verb::RestoreDesc, Behaviour::pace(Pace::HeldBefore));
    let leaving_task = stack.client.perform("leaving", &StopRescue::default()).await.unwrap().task.unwrap().id;
    stack.host.wait_held(Verb::RestoreDesc).await;
    let began = stack.host.executions().len();

    stack.host.reboot().await.unwrap();
    eventually("what ran runs again", async || {
        let server = stack.show("runs").await;
        ((server.status, server.power_state) == (GuestStatus::Running, PowerState::Running)).then_some(())
    })
    .await;
    assert_eq!(stack.ended(leaving_task).await.state, TaskState::Succeeded);
    assert_eq!(stack.show("leaving").await.status, GuestStatus::Running);
    let session = stack.show("rescued").await.rescue_session_id.expect("it is still in its session").to_string();
    let session = eventually("a fresh proof", async || {
        let session = stack.client.get::<api::rescue::RescueSessions>(&session).await.unwrap();
        (session.is_ready && session.boot == 2).then_some(session)
    })
    .await;
    assert_eq!(session.state, SessionState::Active);
    eventually("the task that asked for it ends", async || stack.show("rescued").await.task.is_none().then_some(()))
        .await;
    assert_eq!(stack.show("rescued").await.status, GuestStatus::Rescue);
    eventually("nothing of the paused one is left", async || {
        (stack.show("paused").await.status == GuestStatus::Ready).then_some(())
    })
    .await;
    assert_eq!(stack.show("off").await.status, GuestStatus::Ready);

    // Nobody waits for a word any more; said again, and started again, nothing more is begun.
    eventually("all is decided", async || {
        ids.iter().all(|id| !stack.host.guest(*id).unwrap().interrupted).then_some(())
    })
    .await;
    stack.host.restart().await.unwrap();
    stack.host.wait_heartbeat().await;
    stack.host.wait_heartbeat().await;
    let starts =
        |guest, verb| stack.host.executions()[began..].iter().filter(|it| it.guest == guest && it.verb == verb).count();
    for (guest, start, rescue) in [(runs, 1, 0), (off, 0, 0), (rescued, 0, 1), (paused, 0, 0), (leaving, 1, 0)] {
        assert_eq!((starts(guest, Verb::StartGuest), starts(guest, Verb::StartRescue)), (start, rescue), "{guest}");
    }
    let told = async |name: &str| {
        let story = stack.story(name).await;
        story.into_iter().filter(|line| line.starts_with("host_rebooted")).collect::<Vec<_>>()
    };
    assert_eq!(told("runs").await, ["host_rebooted ok starting"]);
    assert_eq!(told("rescued").await, ["host_rebooted ok -"]);
    assert!(told("leaving").await.is_empty() && told("off").await.is_empty());
    assert_eq!(host_events(&web).await.iter().filter(|action| *action == "rebooted").count(), 1);
    stack.finish().await;
}

/// A heartbeat that was long on its way tells of a server as it was before the task that has since started it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_last_task_is_not_heard() {
    let stack = stack().await;
    let web = stack.web().await;
    stack.host.wait_heartbeat().await;
    let host_id = get(&web, "/hosts/host1").await["host"]["id"].as_str().unwrap().to_owned();
    let mut host = HostUpcallServiceClient::connect(format!("http://{}", stack.config().grpc.listen)).await.unwrap();
    let mut beat = async |as_of_us, guests: &[GuestReport]| {
        let request = pb::HeartbeatRequest {
            host_id: host_id.clone(),
            guests: guests.iter().cloned().map(Into::into).collect(),
            memory_free_mib: 1 << 14,
            disk_free_mib: 1 << 20,
            protocol: Some(proto::version::OURS.into()),
            as_of_us,
        };
        host.heartbeat(request).await.unwrap().into_inner().now_us
    };
    let before = beat(0, &[]).await;
    let guest = stack.server("web1", true).await.id;
    stack.host.set_mute(true);
    let interrupted = GuestReport {
        guest,
        power: PowerState::Shutoff,
        rescue_session: None,
        rescue_boot: 0,
        rescue_ready: false,
        interrupted: true,
    };
    let after = beat(before, std::slice::from_ref(&interrupted)).await;
    let server = stack.show("web1").await;
    assert_eq!((server.status, server.task), (GuestStatus::Running, None));
    beat(after, &[interrupted]).await;
    assert!(stack.story("web1").await.contains(&"host_rebooted ok starting".to_owned()));
    eventually("it has been started", async || stack.show("web1").await.task.is_none().then_some(())).await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_has_and_region_does_not_know_is_shown_and_left_alone() {
    let stack = stack().await;
    let server = stack.server("web1", false).await;
    let web = stack.web().await;
    let unknown = async || get(&web, "/hosts/host1/unknown-guests").await["host"]["unknown_guests"].clone();
    assert_eq!(unknown().await, json!([]));
    // A guest that nobody asked for: a copy under another id.
    let mut desc = stack.host.guest(server.id).unwrap().desc;
    desc.id = types::GuestId::generate();
    desc.name = "stray".into();
    let stray = desc.id;
    stack.host.insert_guest(desc);
    stack.host.set_power(stray, PowerState::Running);
    let shown = unknown().await;
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
    assert_eq!((&shown[0]["id"], &shown[0]["power_state"]), (&json!(stray), &json!("running")));
    assert!(shown[0]["reason"].as_str().unwrap().contains("no server has this id"));
    // Heartbeats that name it change nothing.
    stack.host.wait_heartbeat().await;
    stack.host.wait_heartbeat().await;
    assert_eq!(stack.host.guest(stray).unwrap().power, PowerState::Running);
    assert_eq!(get(&web, "/servers").await["total"], 1);
    // One that was deleted here while its host kept it.
    let mut conn = stack.connection().await;
    let sql = format!("update guests set deleted_at = now() where id = '{}'", server.id);
    diesel_async::SimpleAsyncConnection::batch_execute(&mut conn, &sql).await.unwrap();
    let shown = unknown().await;
    let kept = shown.as_array().unwrap().iter().find(|guest| guest["id"] == json!(server.id)).unwrap();
    assert_eq!(kept["name"], "web1");
    assert!(kept["reason"].as_str().unwrap().contains("deleted"));

    let (status, answer) = web.send(web.request("POST", "/hosts/host1/ping").json(&json!({}))).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["ping"]["round_trip_ms"].as_f64().unwrap() > 0.0, "{answer}");
    let load = get(&web, "/hosts/host1").await["host"].clone();
    assert_eq!((&load["guests"], &load["mem_promised"], &load["vcpu_promised"]), (&json!(0), &json!(0), &json!(0)));
    stack.host.crash();
    for (method, path) in [("POST", "/hosts/host1/ping"), ("GET", "/hosts/host1/unknown-guests")] {
        let (status, answer) = web.send(web.request(method, path)).await;
        assert_eq!((status, &answer["class"]), (503, &json!("ServiceUnavailableError")), "{path}: {answer}");
        assert!(answer["details"].as_str().unwrap().contains("does not answer"), "{answer}");
    }
    stack.finish().await;
}

/// Versions of the protocol: neighbours work side by side; a host that shares none with region is told what to upgrade, and so is everybody
/// who looks at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_another_age_is_refused_with_what_to_upgrade() {
    use proto::version::{OURS, Range};
    let stack = stack().await;
    let web = stack.web().await;
    let host = async || get(&web, "/hosts/host1").await["host"].clone();
    let program = host().await["version"].clone();
    let works = async |protocol: Option<Range>| {
        stack.host.set_protocol(protocol);
        stack.host.restart().await.unwrap();
        stack.host.wait_heartbeat().await;
        eventually("it works", async || {
            let host = host().await;
            (host["host_status"] == "online" && host["version"] == program).then_some(())
        })
        .await;
    };
    let (older, newer) = (OURS.oldest, OURS.newest + 1);
    works(Some(Range { oldest: older, newest: newer })).await;
    works(Some(Range { oldest: OURS.newest, newest: newer })).await;
    works(None).await;

    // Its program is replaced while region knows the host: it is refused, whether it registers or goes on with its heartbeats.
    stack.host.set_protocol(Some(Range { oldest: newer, newest: newer }));
    let what = format!("the host speaks protocol {newer}, region {OURS}: upgrade region");
    let seen = eventually("it is offline, and says why", async || {
        let host = host().await;
        (host["host_status"] == "offline" && host["version"].as_str().unwrap().contains(&what)).then_some(host)
    })
    .await;
    assert!(seen["version"].as_str().unwrap().starts_with(program.as_str().unwrap()), "{seen}");
    let (status, answer) = web.send(web.request("GET", "/events?obj_type=host&obj_id=host1&action=incompatible")).await;
    assert_eq!(status, 200);
    let told: Vec<_> =
        answer["events"].as_array().unwrap().iter().filter(|it| it["action"] == "incompatible").collect();
    assert_eq!(told.len(), 1, "however often it asks: {answer}");
    assert!(told[0]["notes"].as_str().unwrap().contains(&what) && told[0]["success"] == false, "{answer}");
    works(Some(OURS)).await;
    stack.finish().await;
}
