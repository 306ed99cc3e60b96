//! As MAAS asks of rescue mode: entering from several states, leaving to the state and the power of before, failures on either way, many at once.

use serde_json::{Value, json};
use testing::eventually;

use crate::Cloud;

#[tokio::test(flavor = "multi_thread")]
async fn leaving_rescue_mode_restores_status_and_power() {
    let cloud = Cloud::new().await;
    cloud.server("on", true).await;
    cloud.server("off", false).await;
    for (name, status, power) in [("on", "running", "running"), ("off", "ready", "shutoff")] {
        // Twice: a second rescue does not remember the first.
        for _ in 0..2 {
            cloud.verb(name, "start-rescue", json!({})).await;
            assert_eq!(cloud.session(name).await["prior_status"], status);
            assert_eq!(cloud.show(name).await["power_state"], "running");
            cloud.verb(name, "stop-rescue", json!({})).await;
            let server = cloud.show(name).await;
            assert_eq!((&server["status"], &server["power_state"]), (&json!(status), &json!(power)), "{name}");
        }
    }
    cloud.stack.finish().await;
}

/// "Failed entering rescue mode", "failed exiting rescue mode": each can be tried again until it works, and the state of before is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_way_in_and_out_is_tried_again() {
    let cloud = Cloud::new().await;
    cloud.server("m1", false).await;
    cloud.stuck_going_in("m1").await;
    // What is left of the last time can't be taken away: nothing is begun upon it.
    cloud.breaks(host_sim::Verb::RestoreDesc);
    cloud.fails("m1", "start-rescue").await;
    assert_eq!(cloud.status("m1").await, "start_rescue_failed");
    cloud.stuck_going_out("m1").await;
    cloud.breaks(host_sim::Verb::RestoreDesc);
    cloud.fails("m1", "stop-rescue").await;
    assert_eq!(cloud.status("m1").await, "stop_rescue_failed");
    cloud.verb("m1", "stop-rescue", json!({})).await;
    let server = cloud.show("m1").await;
    assert_eq!((&server["status"], &server["power_state"]), (&json!("ready"), &json!("shutoff")));
    cloud.stack.finish().await;
}

/// Each way leaves an event when it is asked for and one when it has ended, with who, and why it failed.
#[tokio::test(flavor = "multi_thread")]
async fn rescue_mode_is_in_the_events() {
    let cloud = Cloud::new().await;
    cloud.server("m1", true).await;
    cloud.verb("m1", "start-rescue", json!({"reason": "no boot since the update"})).await;
    cloud.breaks(host_sim::Verb::RestoreDesc);
    cloud.fails("m1", "stop-rescue").await;
    cloud.verb("m1", "stop-rescue", json!({})).await;
    let id = cloud.show("m1").await["id"].as_str().expect("an id").to_owned();
    let events = cloud.get(&format!("/events?limit=100&obj_id={id}")).await;
    let mut events: Vec<Value> = events["events"].as_array().expect("events").clone();
    events.reverse();
    let rescue: Vec<&Value> =
        events.iter().filter(|it| it["action"].as_str().is_some_and(|action| action.ends_with("_rescue"))).collect();
    let told: Vec<_> = rescue.iter().map(|it| (it["action"].as_str().unwrap(), it["success"] == true)).collect();
    let expected = [
        ("start_rescue", true),
        ("start_rescue", true),
        ("stop_rescue", true),
        ("stop_rescue", false),
        ("stop_rescue", true),
        ("stop_rescue", true),
    ];
    assert_eq!(told, expected);
    assert!(rescue.iter().all(|it| it["user"] == "admin"), "{rescue:?}");
    assert!(rescue[0].to_string().contains("no boot since the update"), "{}", rescue[0]);
    assert!(rescue[3].to_string().contains("broken"), "{}", rescue[3]);
    cloud.stack.finish().await;
}

/// Many at once: each is answered for itself, and those that can't be rescued do not keep the others from it.
#[tokio::test(flavor = "multi_thread")]
async fn rescue_mode_of_many_machines() {
    let cloud = Cloud::new().await;
    for name in ["m1", "m2", "m3"] {
        cloud.server(name, true).await;
    }
    cloud.verb("m2", "start-rescue", json!({})).await;
    let (answer, _) = cloud.done("POST", "/servers/start-rescue", json!({"filter": ["name.startswith('m')"]})).await;
    for name in ["m1", "m2", "m3"] {
        eventually("it is in rescue", async || (cloud.status(name).await == "rescue").then_some(())).await;
    }
    let task = answer["task"]["id"].as_str().expect("a task");
    let result = cloud.get(&format!("/tasks/{task}")).await["task"].to_string();
    for name in ["m1", "m2", "m3"] {
        assert!(result.contains(name), "the report names {name}: {result}");
    }
    cloud.stack.finish().await;
}
