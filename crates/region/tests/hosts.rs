//! Hosts: silent ones, rebooted ones, what is on them and what should not be.

use serde_json::{Value, json};
use testing::{Setup, Stack, Web, eventually};
use types::{GuestStatus, PowerState};

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
    let events = get(&web, "/events?obj_type=host&obj_id=host1&order_by=id&order=asc").await;
    let actions: Vec<_> = events["events"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["offline", "online"]);
    assert_eq!(stack.story("web1").await.iter().filter(|line| line.starts_with("power_state")).count(), 0);
    stack.finish().await;
}

/// A machine that lost power: its guests are off, and region says so once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebooted_host_takes_its_guests_along() {
    let stack = stack().await;
    stack.server("web1", true).await;
    let web = stack.web().await;
    let before = get(&web, "/hosts/host1").await["host"]["registered_at"].clone();
    stack.host.reboot().await.unwrap();
    eventually("the guest is seen to be off", async || {
        let server = stack.show("web1").await;
        ((server.status, server.power_state) == (GuestStatus::Ready, PowerState::Shutoff)).then_some(())
    })
    .await;
    assert!(stack.story("web1").await.contains(&"power_state ok ready".to_owned()));
    assert_ne!(get(&web, "/hosts/host1").await["host"]["registered_at"], before, "its program started again");
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
