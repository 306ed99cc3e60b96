//! Tasks over REST: what is shown of them, cancel of a parent, what an administrator does to blocked ones, the archive.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use host_sim::{Behaviour, Pace, Verb};
use serde_json::{Value, json};
use testing::{Stack, Web, eventually};
use types::GuestStatus;

async fn get(web: &Web, path: &str) -> Value {
    let (status, answer) = web.send(web.request("GET", path)).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn post(web: &Web, path: &str, body: Value) -> (u16, Value) {
    web.send(web.request("POST", path).json(&body)).await
}

async fn ended(web: &Web, id: &str) -> Value {
    eventually("the task ends", async || {
        let task = get(web, &format!("/tasks/{id}")).await["task"].clone();
        (task["is_complete"] == true).then_some(task)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_is_shown_with_its_children_and_both_are_archived_together() {
    let mut setup = testing::Setup::default();
    setup.config.heartbeat.interval_s = 1;
    let stack = Stack::start_with(setup).await;
    for name in ["web1", "web2"] {
        stack.server(name, false).await;
    }
    let web = stack.web().await;
    let (status, answer) = post(&web, "/servers/start-rescue", json!({"ids": ["web1", "web2"]})).await;
    assert_eq!(status, 202, "{answer}");
    let id = answer["task"]["id"].as_str().unwrap().to_owned();
    let parent = ended(&web, &id).await;
    assert_eq!((&parent["state"], &parent["children_total"]), (&json!("succeeded"), &json!(2)), "{parent}");
    let mut names: Vec<_> =
        parent["children"].as_array().unwrap().iter().map(|c| c["obj_name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["web1", "web2"]);
    let list = get(&web, &format!("/tasks?parent={id}&task_name.0=StartRescueTask&is_complete=true")).await;
    assert_eq!(list["total"], 2);
    let child = list["tasks"][0].clone();
    let stages = child["stages"].as_array().unwrap();
    assert!(
        stages.len() >= 5 && stages.iter().all(|s| s["started_at"].is_string() && s["ended_at"].is_string()),
        "{child}"
    );
    let of_server = get(&web, "/servers/web1/tasks").await;
    assert!(of_server["server"]["tasks"].as_array().unwrap().iter().any(|t| t["task_name"] == "StartRescueTask"));

    // Archived by age: the whole family, as it was.
    let mut conn = stack.connection().await;
    assert_eq!(task_engine::archive(&mut conn, Duration::from_secs(3600), 100).await.unwrap(), 0);
    conn.batch_execute(&format!(
        "update tasks set ended_at = ended_at - interval '31 days' where '{id}' in (id::text, parent_id::text)"
    ))
    .await
    .unwrap();
    let moved = task_engine::archive(&mut conn, Duration::from_secs(30 * 24 * 3600), 100).await.unwrap();
    assert_eq!(moved, 1, "children are not counted");
    let (status, _) = web.send(web.request("GET", &format!("/tasks/{id}"))).await;
    assert_eq!(status, 404);
    let archived = get(&web, &format!("/archivedtasks/{id}")).await["archivedtask"].clone();
    assert_eq!(archived["children"], parent["children"]);
    assert_eq!(archived["stages"], parent["stages"]);
    let kept = get(&web, &format!("/archivedtasks?parent={id}&obj_id=web1")).await;
    assert_eq!(
        (&kept["total"], kept["archivedtasks"][0]["stages"].as_array().unwrap().len()),
        (&json!(1), stages.len())
    );
    drop(conn);
    stack.finish().await;
}

/// A family whose parent is asked to cancel: children that have not begun do not begin.
#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_parent_reaches_its_children() {
    let stack = Stack::start().await;
    for name in ["web1", "web2", "web3"] {
        stack.server(name, false).await;
    }
    let web = stack.web().await;
    stack.host.on(host_sim::Verb::PrepareRescue, host_sim::Behaviour::pace(host_sim::Pace::HeldBefore));
    let (_, answer) =
        post(&web, "/servers/start-rescue", json!({"ids": ["web1", "web2", "web3"], "max_parallel": 2})).await;
    let id = answer["task"]["id"].as_str().unwrap().to_owned();
    stack.host.wait_held(host_sim::Verb::PrepareRescue).await;
    let (status, answer) = post(&web, &format!("/tasks/{id}/cancel"), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["task"]["cancel_requested"], true, "{answer}");
    let asked = get(&web, &format!("/tasks?parent={id}")).await;
    assert!(
        asked["tasks"].as_array().unwrap().iter().all(|t| t["cancel_requested"] == true || t["is_complete"] == true)
    );
    stack.host.behave();
    stack.host.release_all();
    let parent = ended(&web, &id).await;
    assert!(parent["children_total"].as_i64().unwrap() < 3, "the third never began: {parent}");
    for name in ["web1", "web2", "web3"] {
        eventually("the server is back", async || (stack.show(name).await.status == GuestStatus::Ready).then_some(()))
            .await;
    }
    let (status, answer) = post(&web, &format!("/tasks/{id}/cancel"), json!({})).await;
    assert_eq!((status, &answer["class"]), (409, &json!("InvalidStatusError")));
    stack.finish().await;
}

/// What this version can't read is parked; an administrator lets it go on, or gives it up, and the server can be used again.
#[tokio::test(flavor = "multi_thread")]
async fn blocked_tasks_are_retried_and_abandoned() {
    let stack = Stack::start().await;
    let web = stack.web().await;
    post(&web, "/projects", json!({"name": "p1"})).await;
    post(&web, "/users", json!({"name": "ann", "password": "correct horse"})).await;
    post(&web, "/projects/p1/join", json!({"users": ["ann"], "roles": ["project_owner"]})).await;
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "correct horse"}}}}});
    let answer = web.http.post(format!("{}/v3/auth/tokens", web.base)).json(&body).send().await.unwrap();
    let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let ann = Web { http: web.http.clone(), base: web.base.clone(), token: token.into() };
    let (status, created) = post(&ann, "/servers", serde_json::to_value(Stack::body("web1", false)).unwrap()).await;
    assert_eq!(status, 202, "{created}");
    ended(&web, created["task"]["id"].as_str().unwrap()).await;

    // Stands at a stage, and then its saved form is one of another version.
    stack.host.on(host_sim::Verb::StartGuest, host_sim::Behaviour::pace(host_sim::Pace::HeldBefore));
    let mut conn = stack.connection().await;
    for (round, verb) in ["retry", "abandon"].into_iter().enumerate() {
        let (status, started) = post(&ann, "/servers/web1/start", json!({})).await;
        assert_eq!(status, 202, "{started}");
        let id = started["task"]["id"].as_str().unwrap().to_owned();
        stack.host.wait_held(host_sim::Verb::StartGuest).await;
        let (status, answer) = post(&web, &format!("/tasks/{id}/{verb}"), json!({})).await;
        assert_eq!((status, &answer["class"]), (409, &json!("InvalidStatusError")), "only blocked ones: {answer}");
        // Its way back is at an end as far as the engine can tell.
        conn.batch_execute(&format!(
            "update tasks set state = 'blocked', lease_until = null,
                last_error = '{{\"count\": 1, \"error\": {{\"kind\": \"permanent\", \"message\": \"can''t be read\"}}}}' where id = '{id}'"
        ))
        .await
        .unwrap();
        let blocked = get(&web, "/tasks?state=blocked&obj_id=web1").await;
        assert_eq!((&blocked["total"], &blocked["tasks"][0]["last_error"]), (&json!(1), &json!("can't be read")));
        // Its owner sees it, but the service is somebody else's to mend.
        let (status, answer) = post(&ann, &format!("/tasks/{id}/{verb}"), json!({})).await;
        assert_eq!((status, &answer["class"]), (403, &json!("ForbiddenError")), "{answer}");
        let (status, answer) = post(&web, &format!("/tasks/{id}/{verb}"), json!({})).await;
        assert_eq!(status, 200, "{answer}");
        stack.host.release_all();
        let task = ended(&web, &id).await;
        let server = stack.show("web1").await;
        if round == 0 {
            assert_eq!((&task["state"], server.status), (&json!("succeeded"), GuestStatus::Running), "{task}");
            let (_, stop) = post(&ann, "/servers/web1/stop", json!({"is_force": true})).await;
            ended(&web, stop["task"]["id"].as_str().unwrap()).await;
        } else {
            assert_eq!((&task["state"], server.status), (&json!("failed"), GuestStatus::StartFailed), "{task}");
            assert!(task["cause"].as_str().unwrap().contains("abandoned by an administrator"), "{task}");
            assert_eq!(get(&web, "/events?obj_id=web1&action=abandon_task&new_status=start_failed").await["total"], 1);
        }
    }
    // It can be left again.
    stack.host.behave();
    stack.host.release_all();
    let (status, started) = post(&ann, "/servers/web1/start", json!({})).await;
    assert_eq!(status, 202, "{started}");
    assert_eq!(ended(&web, started["task"]["id"].as_str().unwrap()).await["state"], "succeeded");
    stack.finish().await;
}

/// What a host says of a download stands in the task while the download is at work, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_seen_in_its_task() {
    let stack = Stack::start().await;
    let server = stack.server("web1", false).await;
    let web = stack.web().await;
    let says = |bytes| Behaviour { pace: Pace::HeldBefore, bytes, ..Behaviour::default() };
    stack.host.on(Verb::PrepareRescue, says(Some((1_000_000, 4_000_000))));
    let (status, begun) = post(&web, "/servers/web1/start-rescue", json!({})).await;
    assert_eq!(status, 202, "{begun}");
    let path = format!("/tasks/{}", begun["task"]["id"].as_str().unwrap());
    let bytes = async |wanted: u64| {
        eventually(&format!("{wanted} bytes are seen"), async || {
            let task = get(&web, &path).await["task"].clone();
            (task["progress"]["bytes"] == wanted).then_some(task)
        })
        .await
    };
    let first = bytes(1_000_000).await;
    assert_eq!((&first["stage"], &first["progress"]["bytes_total"]), (&json!("prepare_rescue"), &json!(4_000_000)));
    // The host is asked again by itself.
    stack.host.on(Verb::PrepareRescue, says(Some((3_000_000, 4_000_000))));
    let second = bytes(3_000_000).await;
    assert!(second["progress"]["at"].as_str() > first["progress"]["at"].as_str(), "{first} {second}");
    let listed = get(&web, &format!("/tasks?obj_id={}&is_complete=false", server.id)).await;
    assert_eq!(listed["tasks"][0]["progress"]["bytes"], 3_000_000, "{listed}");
    stack.host.release_all();
    let done = ended(&web, begun["task"]["id"].as_str().unwrap()).await;
    assert_eq!((&done["state"], &done["progress"]), (&json!("succeeded"), &Value::Null), "{done}");
    stack.finish().await;
}
