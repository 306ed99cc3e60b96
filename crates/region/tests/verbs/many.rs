use serde_json::{Value, json};
use testing::{Stack, Web};
use types::{GuestStatus, TaskId};

async fn create(web: &Web, body: Value) -> (u16, Value) {
    web.send(web.request("POST", "/servers").json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_are_made_by_one_request() {
    let stack = Stack::start().await;
    stack.server("web-2", false).await;
    let web = stack.web().await;
    let body = json!({ "server": { "name": "web", "count": 3, "vmem_size": 128, "disks": [{ "size": 100 }] } });
    let (code, answer) = create(&web, body).await;
    assert_eq!(code, 202, "{answer}");
    let rows = answer["servers"].as_array().unwrap();
    let statuses: Vec<i64> = rows.iter().map(|row| row["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [200, 409, 200], "one has a name that is taken, the others are made: {answer}");
    assert_eq!(rows[1]["body"]["class"], "DuplicateResourceError");
    assert!(rows[1]["body"]["details"].as_str().unwrap().contains("web-2"));
    for (row, name) in [(&rows[0], "web-1"), (&rows[2], "web-3")] {
        assert_eq!(row["body"]["name"], name);
        let task: TaskId = row["body"]["task"]["id"].as_str().unwrap().parse().unwrap();
        stack.ended(task).await;
        assert_eq!(stack.show(name).await.status, GuestStatus::Ready);
    }

    // Where none can be made, there is one answer to all.
    let (code, answer) =
        create(&web, json!({ "name": "web", "count": 3, "vmem_size": 4_000_000, "disks": [{ "size": 100 }] })).await;
    assert_eq!((code, &answer["class"]), (507, &json!("OutOfResource")), "{answer}");
    for (body, part) in [
        (json!({ "name": "x", "count": 101, "disks": [{ "size": 1 }] }), "1 to 100"),
        (json!({ "name": "x", "count": 0, "disks": [{ "size": 1 }] }), "1 to 100"),
        (json!({ "name": "a".repeat(62), "count": 2, "disks": [{ "size": 1 }] }), "too long"),
        (
            json!({ "name": "x", "count": 2, "disks": [{ "size": 1 }], "nets": [{ "mac": "52:54:00:00:00:01" }] }),
            "one server",
        ),
    ] {
        let (code, answer) = create(&web, body).await;
        assert_eq!(code, 400, "{answer}");
        assert!(answer["details"].as_str().unwrap().contains(part), "{answer}");
    }
    stack.finish().await;
}
