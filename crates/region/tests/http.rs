//! The contract at the wire: bad input, log-in, idempotency. Everything is sent as bytes, nothing through the typed client.

use api::server::StartRescue;
use serde_json::{Value, json};
use testing::Stack;

/// Each line: method, path, body, status, class, a part of the details.
type Case<'a> = (&'a str, &'a str, &'a str, u16, &'a str, &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_answered_clearly_and_changes_nothing() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let web = stack.web().await;
    let long = format!(r#"{{"name":"{}","disks":[{{"size":1}}]}}"#, "a".repeat(64));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let cases: &[Case] = &[
        ("GET", "/servers/nosuch", "", 404, "ResourceNotFoundError", "server 'nosuch' not found"),
        ("GET", "/nothing/here/at/all", "", 404, "ResourceNotFoundError", "openapi.json"),
        ("POST", "/servers/nosuch/start", "{}", 404, "ResourceNotFoundError", "nosuch"),
        ("POST", "/servers/web1/fly", "{}", 404, "ActionNotFoundError", "'fly'"),
        ("GET", "/servers/web1/fly", "", 404, "ActionNotFoundError", "'fly'"),
        ("PUT", "/servers", "{}", 405, "MethodNotAllowedError", "Allow"),
        ("DELETE", "/servers", "", 405, "MethodNotAllowedError", "Allow"),
        ("GET", "/servers?limit=-1", "", 400, "InputParameterError", "limit: '-1'"),
        ("GET", "/servers?limit=x", "", 400, "InputParameterError", "limit"),
        ("GET", "/servers?offset=-2", "", 400, "InputParameterError", "offset"),
        ("GET", "/servers?status=flying", "", 400, "InputParameterError", "allowed are creating"),
        ("GET", "/servers?order_by=evil;drop", "", 400, "InputParameterError", "unknown column 'evil;drop'"),
        ("GET", "/servers?filter=name.in('a", "", 400, "InputParameterError", "column.op(values)"),
        ("GET", "/servers?filter=evil.in('a')", "", 400, "InputParameterError", "unknown column 'evil'"),
        ("GET", "/servers?filter.0=name.grep('a')", "", 400, "InputParameterError", "unknown operator 'grep'"),
        ("GET", "/servers?search=%ff", "", 400, "InputParameterError", "UTF-8"),
        ("GET", "/tasks?is_complete=maybe", "", 400, "InputParameterError", "is_complete"),
        ("GET", "/tasks/nosuch", "", 404, "ResourceNotFoundError", "task"),
        ("GET", "/events/99999999", "", 404, "ResourceNotFoundError", "event"),
        ("POST", "/servers", "", 400, "InputParameterError", "missing"),
        ("POST", "/servers", "{", 400, "InputParameterError", "not JSON"),
        ("POST", "/servers", "[]", 400, "InputParameterError", "an array"),
        ("POST", "/servers", &deep, 400, "InputParameterError", "not JSON"),
        ("POST", "/servers", r#"{"server":7}"#, 400, "InputParameterError", "a number"),
        ("POST", "/servers", r#"{"name":"x"}"#, 400, "InputParameterError", "disks"),
        ("POST", "/servers", r#"{"name":7,"disks":[]}"#, 400, "InputParameterError", "name: "),
        ("POST", "/servers", r#"{"name":"a\u0000b","disks":[{"size":1}]}"#, 400, "InputParameterError", "U+0000"),
        ("POST", "/servers", &long, 400, "InputParameterError", "1 to 63"),
        (
            "POST",
            "/servers",
            r#"{"name":"x","disks":[{"size":1}],"vcpu_count":0}"#,
            400,
            "InputParameterError",
            "vcpu_count",
        ),
        (
            "POST",
            "/servers",
            r#"{"name":"x","disks":[{"size":1}],"vmem_size":99999999}"#,
            400,
            "InputParameterError",
            "vmem_size",
        ),
        ("POST", "/servers", r#"{"name":"x","disks":[{"size":1}],"vmem_size":4000000}"#, 507, "OutOfResource", "MiB"),
        (
            "POST",
            "/servers",
            r#"{"name":"x","disks":[{"size":1}],"prefer_host":"nosuch"}"#,
            404,
            "ResourceNotFoundError",
            "host",
        ),
        (
            "POST",
            "/servers",
            r#"{"name":"x","disks":[{"image":"../etc/passwd"}]}"#,
            400,
            "InputParameterError",
            "image",
        ),
        (
            "POST",
            "/servers",
            r#"{"name":"x","disks":[{"size":1}],"hypervisor":"esxi"}"#,
            400,
            "InputParameterError",
            "allowed are kvm",
        ),
        ("POST", "/servers", r#"{"name":"web1","disks":[{"size":1}]}"#, 409, "DuplicateResourceError", "web1"),
        ("POST", "/servers/web1/start-rescue", r#"{"disk_mod":"ro"}"#, 400, "InputParameterError", "disk_mode"),
        (
            "POST",
            "/servers/web1/start-rescue",
            r#"{"disk_mode":"RW"}"#,
            400,
            "InputParameterError",
            "allowed are rw, ro, overlay",
        ),
        (
            "POST",
            "/servers/web1/start-rescue",
            r#"{"server":{"password":"hunter2"}}"#,
            400,
            "InputParameterError",
            "generate",
        ),
        ("POST", "/servers/web1/start-rescue", r#"{"ssh_keys":["nonsense"]}"#, 400, "InputParameterError", "ssh_keys"),
        ("POST", "/servers/web1/stop-rescue", "{}", 409, "InvalidStatusError", "Allowed now: start, start-rescue, "),
        ("POST", "/servers/web1/stop", "{}", 409, "InvalidStatusError", "stop needs server status to be running"),
        ("POST", "/servers/web1/stop", r#"{"timeout_secs":"soon"}"#, 409, "InvalidStatusError", "running"),
        ("GET", "/servers/web1/console", "", 400, "InputParameterError", "WebSocket"),
        ("POST", "/v3/auth/tokens", "{}", 400, "InputParameterError", "auth"),
    ];
    for (method, path, body, status, class, details) in cases {
        let request = web.request(method, path).header("content-type", "application/json").body((*body).to_owned());
        let (got, answer) = web.send(request).await;
        let shown = format!("{method} {path} {}: {got} {answer}", body.chars().take(80).collect::<String>());
        assert_eq!(got, *status, "{shown}");
        assert_eq!(answer["class"], *class, "{shown}");
        assert_eq!(answer["code"], *status, "{shown}");
        assert!(answer["details"].as_str().unwrap().contains(details), "{shown}");
        assert!(!answer["request_id"].as_str().unwrap().is_empty() && answer["time"].is_string(), "{shown}");
        assert!(!answer.to_string().contains("hunter2"), "{shown}");
    }
    let (status, answer) =
        web.send(web.request("POST", "/servers").header("content-type", "text/plain").body("x")).await;
    assert_eq!((status, &answer["class"]), (415, &json!("UnsupportedMediaTypeError")));
    let huge = "x".repeat(10 * 1024 * 1024);
    let (status, answer) = web.send(web.request("POST", "/servers").body(huge)).await;
    assert_eq!((status, &answer["class"]), (413, &json!("PayloadTooLargeError")));

    let (_, servers) = web.send(web.request("GET", "/servers")).await;
    assert_eq!(servers["total"], 1);
    assert_eq!(stack.story("web1").await, ["create ok -", "create ok ready"]);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_token() {
    let stack = Stack::start().await;
    let base = stack.base_url();
    let http = reqwest::Client::new();
    for row in region::http::router::verbs() {
        let plural = row.rule.resource;
        let (method, path) = match row.verb {
            "list" => ("GET", format!("/{plural}")),
            "get" => ("GET", format!("/{plural}/x")),
            "create" => ("POST", format!("/{plural}")),
            "delete" => ("DELETE", format!("/{plural}/x")),
            "update" => ("PATCH", format!("/{plural}/x")),
            verb => ("POST", format!("/{plural}/x/{verb}")),
        };
        for token in [None, Some("nonsense"), Some("")] {
            let mut request = http.request(method.parse().unwrap(), format!("{base}{path}"));
            if let Some(token) = token {
                request = request.header("x-auth-token", token);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 401, "{method} {path} {token:?}");
        }
    }
    for (user, password) in [("admin", "wrong"), ("nobody", "wrong"), ("", "")] {
        let body = json!({"auth": {"identity": {"methods": ["password"],
            "password": {"user": {"name": user, "password": password}}}}});
        let answer = http.post(format!("{base}/v3/auth/tokens")).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["details"], "the user name or the password is wrong");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_the_same_key_acts_once_and_tells_no_secret() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let web = stack.web().await;
    let send = |key: &str, body: Value| {
        let request = web.request("POST", "/servers/web1/start-rescue").header("idempotency-key", key).json(&body);
        web.send(request)
    };
    let (status, first) = send("k1", json!({"password": "generate"})).await;
    assert_eq!(status, 202, "{first}");
    let password = first["rescue_session"]["password"].as_str().expect("shown once").to_owned();
    let (status, repeat) = send("k1", json!({"password": "generate"})).await;
    assert_eq!(status, 202);
    assert_eq!(repeat["task"], first["task"]);
    assert_eq!(repeat["rescue_session"]["password_shown"], true);
    assert!(!repeat.to_string().contains(&password));
    let (status, other) = send("k1", json!({"password": "none"})).await;
    assert_eq!((status, &other["class"]), (409, &json!("ConflictError")));
    let task: api::task::TaskBrief = serde_json::from_value(first["task"].clone()).unwrap();
    stack.ended(task.id).await;
    let (_, tasks) = web.send(web.request("GET", "/tasks?task_name.0=StartRescueTask")).await;
    assert_eq!(tasks["total"], 1);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_ordered_and_paged_in_the_database() {
    let stack = Stack::start().await;
    for (name, memory) in [("web1", 512), ("web2", 1024), ("db_1", 2048), ("dbx1", 256)] {
        let body = api::server::ServerCreate { vmem_size: memory, ..Stack::body(name, false) };
        let created = stack.client.create::<api::server::Servers>(&body).await.unwrap();
        stack.ended(created.task.unwrap().id).await;
    }
    let web = stack.web().await;
    for (query, names) in [
        ("order_by=name&order=asc", &["db_1", "dbx1", "web1", "web2"] as &[_]),
        ("order_by=name&order=desc&limit=2&offset=1", &["web1", "dbx1"]),
        ("filter=name.in('web1','db_1')&order_by=name", &["db_1", "web1"]),
        ("filter=name.notin('web1','db_1')&order_by=name", &["dbx1", "web2"]),
        ("filter=name.equals('web1')", &["web1"]),
        ("filter=name.startswith('DB_')", &["db_1"]),
        ("filter=name.endswith('1')&filter=vmem_size.lt(600)&order_by=name", &["dbx1", "web1"]),
        ("filter.0=name.equals('web1')&filter.1=vmem_size.ge(2000)&filter_any=true&order_by=name", &["db_1", "web1"]),
        ("filter=name.like('db%25')&order_by=name", &["db_1", "dbx1"]),
        ("filter=vmem_size.between(512,1024)&order_by=vmem_size", &["web1", "web2"]),
        ("filter=rescue_session_id.isnotnull()", &[]),
        ("filter=rescue_session_id.isnull()&limit=1&order_by=name", &["db_1"]),
        ("filter=created_at.gt('2100-01-01')", &[]),
        ("filter=name.equals('x'' or ''1''=''1')", &[]),
        ("search=B_1", &["db_1"]),
        ("search=web&status.0=ready&status.1=running&order_by=name", &["web1", "web2"]),
        ("host=host1&vmem_size=256", &["dbx1"]),
        ("name=web", &[]),
    ] {
        let (status, list) = web.send(web.request("GET", &format!("/servers?{}", query.replace(' ', "%20")))).await;
        assert_eq!(status, 200, "{query}: {list}");
        let got: Vec<&str> = list["servers"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert_eq!(got, names, "{query}");
    }
    let (_, list) = web.send(web.request("GET", "/servers?field.0=name&field.1=status&limit=1&name=web1")).await;
    assert_eq!(list["servers"][0], json!({"name": "web1", "status": "ready"}));
    let (_, list) = web
        .send(
            web.request("GET", "/tasks?obj_id.0=web1&obj_type.0=server&is_complete=true&task_name.0=ServerCreateTask"),
        )
        .await;
    assert_eq!((&list["total"], &list["tasks"][0]["obj_name"]), (&json!(1), &json!("web1")));
    for (path, total) in [
        ("/events?obj_id=web1&success=true", 2),
        ("/hosts?enabled=true&zone=default", 1),
        ("/baremetalagents?search=agent", 1),
        ("/rescuesessions?server_id=web1", 0),
    ] {
        let (status, list) = web.send(web.request("GET", path)).await;
        assert_eq!((status, &list["total"]), (200, &json!(total)), "{path}: {list}");
    }
    stack.finish().await;
}

/// The answers that upstream's own command line reads.
#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_shape_of_the_contract() {
    let stack = Stack::start().await;
    let server = stack.server("web1", false).await;
    let web = stack.web().await;
    let (status, list) =
        web.send(web.request("GET", "/servers?details=false&limit=1&offset=0&name=web1&junk.0=1")).await;
    assert_eq!((status, &list["total"], &list["limit"], &list["offset"]), (200, &json!(1), &json!(1), &json!(0)));
    assert_eq!(list["servers"][0]["id"], server.id.to_string());
    let (_, none) = web.send(web.request("GET", "/servers?name=web")).await;
    assert_eq!(none["servers"], json!([]));
    let (_, one) = web.send(web.request("GET", &format!("/servers/{}", server.id))).await;
    assert_eq!(one["server"]["name"], "web1");

    let request = web
        .request("POST", "/servers/web1/start-rescue")
        .json(&json!({"server": {"auto_prepaid": true, "qemu_version": "10.0.2"}}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    let (location, id) =
        (answer.headers()["location"].to_str().unwrap().to_owned(), answer.headers()["x-request-id"].clone());
    assert!(!id.is_empty());
    let body: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/tasks/{}", body["task"]["id"].as_str().unwrap()));
    assert_eq!(body["task"]["task_name"], "StartRescueTask");
    let brief: api::task::TaskBrief = serde_json::from_value(body["task"].clone()).unwrap();
    stack.ended(brief.id).await;

    let (_, events) = web.send(web.request("GET", "/events?obj_type.0=server&obj_id.0=web1&limit=20")).await;
    assert!(events["events"].as_array().unwrap().len() >= 3);
    let (status, warned) =
        web.send(web.request("POST", "/servers/web1/stop-rescue").json(&json!({"server": {"surprise": 1}}))).await;
    assert_eq!(status, 400, "an unknown key of a rescue verb: {warned}");
    let accepted = stack.client.perform("web1", &api::server::StopRescue::default()).await.unwrap();
    stack.ended(accepted.task.unwrap().id).await;
    let (status, warned) = web.send(web.request("POST", "/servers/web1/start").json(&json!({"surprise": 1}))).await;
    assert_eq!((status, &warned["warnings"][0]), (202, &json!("unknown key 'surprise' was ignored")));
    let brief: api::task::TaskBrief = serde_json::from_value(warned["task"].clone()).unwrap();
    stack.ended(brief.id).await;
    assert!(stack.client.perform("web1", &StartRescue::default()).await.is_ok());
    let (_, ready) = web.send(web.request("GET", "/servers/web1")).await;
    let task = ready["server"]["task"]["id"].as_str().unwrap().parse().unwrap();
    stack.ended(task).await;
    stack.finish().await;
}
