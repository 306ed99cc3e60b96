//! As Ironic's state machine and its Tempest plugin ask of rescue: `rescue`, `rescuewait`, `rescuefail`, `unrescuefail`, abort.

use diesel_async::RunQueryDsl;
use host_sim::{Behaviour, Pace, Verb};
use region::Config;
use serde_json::json;

use crate::Cloud;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_calls_back_fails_and_is_back_as_it_was() {
    let cloud = Cloud::new().await;
    cloud.server("node1", true).await;
    cloud.breaks(Verb::AwaitReady);
    cloud.fails("node1", "start-rescue").await;
    // Ironic stands in rescuefail. Here the way back is part of the task: a status that fails is left for what could not be taken back.
    let server = cloud.show("node1").await;
    assert_eq!((&server["status"], &server["power_state"]), (&json!("running"), &json!("running")));
    let session = cloud.session("node1").await;
    assert_eq!(session["state"], "failed");
    assert!(session["cause"].as_str().is_some_and(|cause| cause.contains("broken")), "{session}");
    cloud.stack.finish().await;
}

/// `rescue_callback_timeout`: nobody says anything, and the time that is configured passes. A host gives up by itself; region does a minute
/// later, should the host be silent too. The minute is taken off the task's clock.
#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_the_call_back_times_out() {
    let mut config = Config::default();
    config.rescue.ready_timeout_s = 1;
    let cloud = Cloud::with(config).await;
    cloud.server("node1", true).await;
    cloud.stack.host.on(Verb::AwaitReady, Behaviour::pace(Pace::HeldBefore));
    let (status, answer) = cloud.ask("POST", "/servers/node1/start-rescue", json!({})).await;
    assert_eq!(status, 202, "{answer}");
    let task = answer["task"]["id"].as_str().expect("a task").to_owned();
    let operation = cloud.stack.host.wait_held(Verb::AwaitReady).await;
    let earlier = format!(
        "update tasks set stage_started = stage_started - interval '60 seconds', stage_deadline = stage_deadline - interval '60 seconds'
            where id = '{task}' and stage_name = 'await_ready' and stage_deadline - stage_started = interval '61 seconds'"
    );
    let mut conn = cloud.stack.connection().await;
    let moved = diesel::sql_query(earlier).execute(&mut conn).await.expect("an update");
    assert_eq!(moved, 1, "its limit is that of the configuration, and a minute");
    assert_eq!(cloud.ended(&task).await, "failed");
    let told = cloud.get(&format!("/tasks/{task}")).await["task"]["cause"].to_string();
    assert!(told.contains("await_ready did not end in time"), "{told}");
    let server = cloud.show("node1").await;
    assert_eq!((&server["status"], &server["power_state"]), (&json!("running"), &json!("running")));
    let session = cloud.session("node1").await;
    assert_eq!((&session["state"], &session["is_ready"]), (&json!("failed"), &json!(false)));
    assert!(session["cause"].as_str().is_some_and(|cause| cause.contains("await_ready")), "{session}");
    assert_eq!(cloud.stack.host.executed(operation), 0, "it never called back");
    cloud.stack.host.behave();
    cloud.verb("node1", "start-rescue", json!({})).await;
    cloud.stack.finish().await;
}

/// rescuefail: rescue again, unrescue, and also back to work or off.
#[tokio::test(flavor = "multi_thread")]
async fn ways_out_of_a_failed_rescue() {
    let cloud = Cloud::new().await;
    cloud.server("node1", true).await;
    for (way, status) in
        [("start-rescue", "rescue"), ("stop-rescue", "running"), ("start", "running"), ("stop", "ready")]
    {
        cloud.stuck_going_in("node1").await;
        cloud.verb("node1", way, json!({})).await;
        assert_eq!(cloud.status("node1").await, status, "{way}");
        if status == "rescue" {
            cloud.verb("node1", "stop-rescue", json!({})).await;
        }
    }
    cloud.stack.finish().await;
}

/// unrescuefail: unrescue again, rescue again; deleted once it is off.
#[tokio::test(flavor = "multi_thread")]
async fn ways_out_of_a_failed_unrescue() {
    let cloud = Cloud::new().await;
    cloud.server("node1", true).await;
    for (way, status) in [("stop-rescue", "running"), ("start-rescue", "rescue"), ("stop", "ready")] {
        cloud.stuck_going_out("node1").await;
        cloud.verb("node1", way, json!({})).await;
        assert_eq!(cloud.status("node1").await, status, "{way}");
        if status == "rescue" {
            cloud.verb("node1", "stop-rescue", json!({})).await;
        }
    }
    assert!(cloud.done("DELETE", "/servers/node1", json!({})).await.1);
    let (code, _) = cloud.ask("GET", "/servers/node1", json!({})).await;
    assert_eq!(code, 404);
    cloud.stack.finish().await;
}

/// `abort` in rescuewait.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_ramdisk_can_be_aborted() {
    let cloud = Cloud::new().await;
    cloud.server("node1", true).await;
    cloud.stack.host.on(Verb::AwaitReady, Behaviour { pace: Pace::HeldBefore, ..Behaviour::default() });
    let (status, answer) = cloud.ask("POST", "/servers/node1/start-rescue", json!({})).await;
    assert_eq!(status, 202, "{answer}");
    let task = answer["task"]["id"].as_str().expect("a task").to_owned();
    cloud.stack.host.wait_held(Verb::AwaitReady).await;
    assert_eq!(cloud.status("node1").await, "start_rescue");
    let (status, answer) = cloud.ask("POST", &format!("/tasks/{task}/cancel"), json!({})).await;
    assert!(status < 300, "{status} {answer}");
    cloud.stack.host.behave();
    assert_ne!(cloud.ended(&task).await, "succeeded");
    assert_eq!(cloud.status("node1").await, "running");
    assert!(!cloud.session("node1").await["ended_at"].is_null());
    cloud.stack.finish().await;
}

/// `NodeLocked`.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_reserved_is_left_alone() {
    let cloud = Cloud::new().await;
    cloud.server("node1", true).await;
    cloud.stack.host.on(Verb::PrepareRescue, Behaviour { pace: Pace::HeldBefore, ..Behaviour::default() });
    let (_, answer) = cloud.ask("POST", "/servers/node1/start-rescue", json!({})).await;
    let task = answer["task"]["id"].as_str().expect("a task").to_owned();
    let operation = cloud.stack.host.wait_held(Verb::PrepareRescue).await;
    for verb in ["start-rescue", "stop-rescue", "stop", "restart"] {
        let (status, answer) = cloud.ask("POST", &format!("/servers/node1/{verb}"), json!({})).await;
        assert_eq!(status, 409, "{verb}: {answer}");
        let why = answer["details"].as_str().unwrap_or_default();
        assert!(why.contains("task"), "it says to wait for its task: {why}");
    }
    cloud.stack.host.release(operation);
    assert_eq!(cloud.ended(&task).await, "succeeded");
    cloud.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_none_is_refused() {
    let cloud = Cloud::new().await;
    cloud.server("node1", true).await;
    for bad in [json!(""), json!("secret"), json!("$6$\n"), json!("$6$salt$x\nroot:!"), json!(7), json!({})] {
        let why = cloud.refused("POST", "/servers/node1/start-rescue", json!({"password": bad}), 400).await;
        assert!(why.contains("password") && !why.contains("secret"), "{bad}: {why}");
    }
    cloud.stack.finish().await;
}
