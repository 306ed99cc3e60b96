//! As Tempest asks of Nova: `test_server_rescue.py`, `test_server_rescue_negative.py`.

use host_sim::{Behaviour, Verb};
use serde_json::{Value, json};
use testing::eventually;
use types::operation::{Failure, FailureCode};

use crate::Cloud;

#[tokio::test(flavor = "multi_thread")]
async fn rescue_and_unrescue_an_instance() {
    let cloud = Cloud::new().await;
    cloud.server("web1", true).await;
    // A report of the host that was under way when the server was started may be shown for a moment.
    let before = eventually("its power is known", async || {
        Some(cloud.show("web1").await).filter(|server| server["power_state"] == "running")
    })
    .await;
    let answer = cloud.verb("web1", "start-rescue", json!({"password": "generate"})).await;
    let password = answer["rescue_session"]["password"].as_str().expect("the password, this once").to_owned();
    assert!(password.len() >= 12);
    let in_rescue = cloud.show("web1").await;
    assert_eq!((&in_rescue["status"], &in_rescue["rescue_mode"]), (&json!("rescue"), &json!(true)));
    for path in ["/servers/web1", "/servers/web1/rescue", "/events?limit=100", "/tasks?limit=100"] {
        assert!(!cloud.get(path).await.to_string().contains(&password), "{path} shows the password");
    }
    cloud.verb("web1", "stop-rescue", json!({})).await;
    let after = cloud.show("web1").await;
    for key in ["status", "power_state", "rescue_mode", "disks", "nics", "vcpu_count", "vmem_size", "host", "metadata"]
    {
        assert_eq!(after[key], before[key], "{key}");
    }
    cloud.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rescue_of_a_paused_a_missing_a_rescued_server() {
    let cloud = Cloud::new().await;
    cloud.server("web1", true).await;
    cloud.verb("web1", "suspend", json!({})).await;
    let why = cloud.refused("POST", "/servers/web1/start-rescue", json!({}), 409).await;
    assert!(why.contains("force"), "it says how to do it all the same: {why}");
    cloud.verb("web1", "resume", json!({})).await;
    for ident in ["nosuch", "01a20a0f-30c2-7668-8c13-8b72c6dd3ed7"] {
        let why = cloud.refused("POST", &format!("/servers/{ident}/start-rescue"), json!({}), 404).await;
        assert!(why.contains(ident), "{why}");
        cloud.refused("POST", &format!("/servers/{ident}/stop-rescue"), json!({}), 404).await;
    }
    let why = cloud.refused("POST", "/servers/web1/stop-rescue", json!({}), 409).await;
    assert!(why.contains("running") && why.contains("start-rescue"), "{why}");
    cloud.verb("web1", "start-rescue", json!({})).await;
    cloud.refused("POST", "/servers/web1/start-rescue", json!({}), 409).await;
    cloud.stack.finish().await;
}

/// What was in its memory is lost, as it was told; afterwards it boots.
#[tokio::test(flavor = "multi_thread")]
async fn rescue_of_a_paused_server_with_force() {
    let cloud = Cloud::new().await;
    cloud.server("web1", true).await;
    cloud.verb("web1", "suspend", json!({})).await;
    cloud.verb("web1", "start-rescue", json!({"force": true})).await;
    assert_eq!(cloud.status("web1").await, "rescue");
    let session = cloud.session("web1").await;
    // A paused guest can't answer to a request to stop.
    assert_eq!((&session["stop_how"], &session["prior_status"]), (&json!("quit"), &json!("running")), "{session}");
    let events = cloud.get("/events?limit=100&obj_id=web1&action=start_rescue").await.to_string();
    assert!(events.contains("what was in its memory is lost"), "{events}");
    cloud.verb("web1", "stop-rescue", json!({})).await;
    let server = cloud.show("web1").await;
    assert_eq!((&server["status"], &server["power_state"]), (&json!("running"), &json!("running")));
    cloud.stack.finish().await;
}

/// Nova's rescue of a server whose base image was deleted. Here a disk is a copy of its image and needs it no more; what can be gone is the
/// disk's own file, and the host says so before anything is touched.
#[tokio::test(flavor = "multi_thread")]
async fn rescue_of_a_server_whose_disk_is_gone() {
    let cloud = Cloud::new().await;
    cloud.create("web1", true, json!([{"image": "base.qcow2", "size": 100}])).await;
    let before = cloud.show("web1").await;
    let id = before["id"].as_str().expect("an id").parse().expect("an id");
    let desc = cloud.stack.host.guest(id).expect("its host has it").desc;
    let did = cloud.stack.host.executions().len();
    // As a host says it of a file that it does not find.
    let message = "disk 0 is missing: /var/lib/lifeboat/host/disks/d0".to_owned();
    let failure = Failure { code: FailureCode::Disk, message: message.clone(), evidence: vec![] };
    cloud.stack.host.once(Verb::PreflightRescue, Behaviour::failing(failure));
    let (answer, succeeded) = cloud.done("POST", "/servers/web1/start-rescue", json!({})).await;
    assert!(!succeeded, "{answer}");
    let task = answer["task"]["id"].as_str().expect("a task");
    let task = cloud.get(&format!("/tasks/{task}")).await["task"].clone();
    let session = cloud.session("web1").await;
    for told in [&task["cause"], &session["cause"]] {
        assert!(told.as_str().is_some_and(|cause| cause.contains(&message)), "it says what is missing: {told}");
    }
    assert_eq!(session["state"], "failed");
    let after = cloud.show("web1").await;
    for key in ["status", "power_state", "rescue_mode", "rescue_session_id", "disks"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(cloud.stack.host.guest(id).expect("its host has it").desc, desc);
    let did: Vec<Verb> = cloud.stack.host.executions()[did..].iter().map(|it| it.verb).collect();
    assert_eq!(did, [Verb::PreflightRescue], "nothing was touched");
    cloud.verb("web1", "start-rescue", json!({})).await;
    cloud.stack.finish().await;
}

/// Nova refuses a reboot in rescue. Here a rescue system may be restarted: the server stays in rescue, and has to prove itself anew.
#[tokio::test(flavor = "multi_thread")]
async fn reboot_of_a_rescued_server_stays_in_rescue() {
    let cloud = Cloud::new().await;
    cloud.server("web1", true).await;
    cloud.verb("web1", "start-rescue", json!({})).await;
    let first = cloud.session("web1").await;
    cloud.verb("web1", "restart", json!({})).await;
    let second = cloud.session("web1").await;
    assert_eq!((&second["id"], &second["is_ready"]), (&first["id"], &json!(true)));
    assert_eq!(second["boot"].as_u64(), first["boot"].as_u64().map(|boot| boot + 1));
    assert_eq!(cloud.status("web1").await, "rescue");
    cloud.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescued_server_is_not_taken_apart() {
    let cloud = Cloud::new().await;
    cloud.create("web1", true, json!([{"size": 100}, {"size": 50}])).await;
    cloud.create("web2", false, json!([{"size": 100}, {"size": 50}])).await;
    let disk = |server: &Value| server["disks"][1]["id"].as_str().expect("a second disk").to_owned();
    let spare = disk(&cloud.show("web2").await);
    cloud.verb("web2", "detach-disk", json!({"disk_id": spare})).await;
    cloud.verb("web1", "start-rescue", json!({})).await;
    let own = disk(&cloud.show("web1").await);
    for (verb, body) in [
        ("attach-disk", json!({"disk_id": spare})),
        ("detach-disk", json!({"disk_id": own})),
        ("resize-disk", json!({"disk_id": own, "size": 500})),
        ("change-config", json!({"vcpu_count": 2})),
        ("attach-network", json!({})),
        ("create-snapshot", json!({"name": "s1"})),
        ("suspend", json!({})),
        ("stop", json!({})),
        ("start", json!({})),
    ] {
        let why = cloud.refused("POST", &format!("/servers/web1/{verb}"), body, 409).await;
        assert!(why.contains("rescue") && why.contains("stop-rescue"), "{verb}: {why}");
    }
    // Nova and Ironic delete a server that is in rescue. Here it has to leave first: somebody is at work on its disks.
    let why = cloud.refused("DELETE", "/servers/web1", json!({}), 409).await;
    assert!(why.contains("stop-rescue"), "{why}");
    // There is no rebuild: what would write over the disks can't be asked for at all.
    cloud.refused("POST", "/servers/web1/rebuild", json!({}), 404).await;
    cloud.verb("web1", "stop-rescue", json!({})).await;
    cloud.verb("web1", "attach-disk", json!({"disk_id": spare})).await;
    cloud.stack.finish().await;
}

/// `ServerStableDeviceRescueTest`: the same devices, in the same order, whatever their bus, and also one that was attached later.
#[tokio::test(flavor = "multi_thread")]
async fn devices_are_the_same_in_rescue_and_in_the_same_order() {
    let cloud = Cloud::new().await;
    cloud.stack.register_image("agent2", &cloud.stack.image.beside("std", 256, &[])).await;
    let disks = json!([
        {"size": 100, "driver": "virtio"}, {"size": 60, "driver": "scsi"}, {"size": 70, "driver": "ide"}, {"size": 80, "driver": "sata"},
    ]);
    cloud.create("web1", false, disks).await;
    cloud.verb("web1", "attach-disk", json!({"size": 90})).await;
    let server = cloud.show("web1").await;
    let devices = |of: &Value| -> Vec<(Value, Value)> {
        let disks = of["disks"].as_array().expect("disks");
        disks.iter().map(|disk| (disk["serial"].clone(), disk["driver"].clone())).collect()
    };
    let before = devices(&server);
    assert_eq!(before.len(), 5);
    let id = server["id"].as_str().expect("an id").parse().expect("an id");
    let desc = cloud.stack.host.guest(id).expect("its host has it").desc;
    cloud.verb("web1", "start-rescue", json!({})).await;
    assert_eq!(devices(&cloud.show("web1").await), before);
    let seen: Vec<Value> =
        cloud.session("web1").await["disks"].as_array().expect("disks").iter().map(|it| it["serial"].clone()).collect();
    assert_eq!(seen, before.iter().map(|(serial, _)| serial.clone()).collect::<Vec<_>>());
    cloud.verb("web1", "stop-rescue", json!({})).await;
    assert_eq!(devices(&cloud.show("web1").await), before);
    assert_eq!(cloud.stack.host.guest(id).expect("its host has it").desc, desc);
    cloud.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rescue_with_an_image_of_ones_choice() {
    let cloud = Cloud::new().await;
    cloud.stack.register_image("agent2", &cloud.stack.image.beside("std", 256, &[])).await;
    cloud.server("web1", true).await;
    let why = cloud.refused("POST", "/servers/web1/start-rescue", json!({"rescue_image": "nosuch"}), 400).await;
    assert!(why.contains("nosuch") && why.contains("agent-list"), "it says where to see those that are: {why}");
    for name in ["small", "std"] {
        cloud.verb("web1", "start-rescue", json!({"rescue_image": name})).await;
        assert_eq!(cloud.session("web1").await["image"]["name"], name);
        cloud.verb("web1", "stop-rescue", json!({})).await;
    }
    cloud.stack.finish().await;
}
