//! What upstream's own command line sends, byte for byte, against a real region with a simulated host; and what it must find in each answer.
//!
//! [`LINES`] is the contract, in the order in which a person would type: each line is sent, its status and its shape are checked, and the task
//! that it begins is waited for. What does not fit in a line stands below it. `wire`: the socket.

mod wire;

use api::list::ListQuery;
use api::task::{TaskState, Tasks};
use futures::future::join_all;
use serde_json::Value;
use testing::{Stack, eventually};
use wire::{Answer, Wire};

/// What an answer must look like.
enum Shape {
    /// `{"servers": [...], "total", "limit", "offset"}` with so many rows at least.
    List(&'static str, usize),
    /// The same of a log, which goes on by marker.
    Log(&'static str, usize),
    /// `{"server": {...}}` with these keys.
    One(&'static str, &'static [&'static str]),
    /// The same, and a task that was begun.
    Begun(&'static str),
    /// A flat error of this class whose details hold this.
    Error(&'static str, &'static str),
}
use Shape::{Begun, Error, List, Log, One};

const SERVER: &[&str] =
    &["id", "name", "status", "power_state", "vcpu_count", "vmem_size", "hypervisor", "host", "created_at"];
const TASK: &[&str] = &["id", "task_name", "stage", "is_complete", "obj_type", "obj_id", "created_at"];
const HOST: &[&str] = &["id", "name", "host_status", "enabled", "cpu_count", "mem_size"];
const AGENT: &[&str] = &["id", "name", "status", "enabled", "manager_uri", "zone"];
const EVENT: &[&str] = &["id", "obj_type", "obj_id", "obj_name", "action", "notes", "user", "ops_time"];
const ACTION: &[&str] = &[
    "id",
    "obj_type",
    "obj_id",
    "obj_name",
    "action",
    "success",
    "severity",
    "user",
    "tenant",
    "ops_time",
    "start_time",
];
const DISK: &[&str] = &["id", "size", "status"];

/// Keys of a row of a list.
fn keys(plural: &str) -> &'static [&'static str] {
    match plural {
        "servers" => SERVER,
        "tasks" | "archivedtasks" => TASK,
        "hosts" => HOST,
        "baremetalagents" => AGENT,
        "events" => EVENT,
        "actions" => ACTION,
        "disks" => DISK,
        other => panic!("no keys are known of {other}"),
    }
}

/// Request line, body, status, shape. `{server}`, `{task}`, `{event}` stand for ids that lines before have shown.
const LINES: &[(&str, &str, u16, Shape)] = &[
    ("GET /servers?details=false&limit=20&offset=0&summary_stats=false", "", 200, List("servers", 0)),
    // With everything that its server-create sends beside what we know; disks and nets by index.
    (
        "POST /servers",
        r#"{"server":{"auto_prepaid_recycle":false,"auto_renew":false,"auto_start":false,"auto_switch_to_backup_on_host_down":false,"backup":false,"count":1,"deploy_telegraf":false,"description":"Größe 大 🛟","disable_delete":false,"disks":[{"auto_reset":false,"boot_index":-1,"driver":"scsi","index":0,"medium":"ssd","os_arch":"x86_64","size":100}],"eip_bw":0,"enable_cloud_init":false,"enable_memclean":false,"fake_create":false,"hypervisor":"kvm","is_system":false,"name":"web1","nets":[{"bw_limit":0,"exit":false,"index":0,"private":false,"require_teaming":false}],"os_type":"Linux","public_ip_bw":0,"reset_password":false,"resource_type":"shared","shutdown_behavior":"stop","suggestion":false,"vcpu_count":1,"vdi":"vnc","vga":"std","vmem_size":512}}"#,
        202,
        Begun("server"),
    ),
    (
        "GET /servers?details=false&filter.0=name.contains%28%27web%27%29&limit=20&offset=0&order_by.0=name&status.0=ready&status.1=running&summary_stats=false",
        "",
        200,
        List("servers", 1),
    ),
    ("GET /servers?filter.0=name.contains('web')&limit=0", "", 200, List("servers", 1)),
    ("GET /servers?status=ready&status=running", "", 200, List("servers", 1)),
    (
        "GET /servers?details=true&name=web1&limit=1&brand.0=x&scope=system&pending_delete=false",
        "",
        200,
        List("servers", 1),
    ),
    ("GET /servers/web1", "", 200, One("server", SERVER)),
    ("GET /servers/{server}", "", 200, One("server", SERVER)),
    ("GET /servers/web%31", "", 200, One("server", SERVER)),
    ("GET /servers/web1/status", "", 200, One("server", &["status"])),
    ("GET /servers/web1/tasks", "", 200, One("server", &["tasks"])),
    ("GET /servers/web1/disks", "", 200, One("server", &["disks"])),
    ("GET /servers/web1/metadata", "", 200, One("server", &["metadata"])),
    ("GET /servers/web1%2Fstatus", "", 404, Error("ResourceNotFoundError", "web1/status")),
    ("GET /servers/%E5%A4%A7", "", 404, Error("ResourceNotFoundError", "大")),
    ("GET /servers/nosuch", "", 404, Error("ResourceNotFoundError", "nosuch")),
    ("PUT /servers/web1", r#"{"server":{"description":"front"}}"#, 200, One("server", SERVER)),
    ("POST /servers/web1/start", r#"{"server":{}}"#, 202, Begun("server")),
    ("POST /servers/web1/stop", r#"{"server":{"is_force":true,"timeout_secs":30}}"#, 202, Begun("server")),
    ("POST /servers/web1/start", "{}", 202, Begun("server")),
    (
        "POST /servers/web1/start-rescue",
        r#"{"server":{"auto_prepaid":true,"disk_mod":"ro"}}"#,
        400,
        Error("InputParameterError", "disk_mode"),
    ),
    (
        "POST /servers/web1/start-rescue",
        r#"{"server":{"auto_prepaid":true,"qemu_version":"10.0.2"}}"#,
        202,
        Begun("server"),
    ),
    ("POST /servers/web1/start-rescue", r#"{"server":{}}"#, 409, Error("InvalidStatusError", "stop-rescue")),
    ("GET /servers?details=false&limit=20&offset=0&status.0=rescue&summary_stats=false", "", 200, List("servers", 1)),
    ("POST /servers/{server}/stop-rescue", r#"{"server":{}}"#, 202, Begun("server")),
    ("POST /servers/web1/start-rescue", r#"{"server":{}}"#, 202, Begun("server")),
    ("POST /servers/web1/stop-rescue", "{}", 202, Begun("server")),
    ("POST /servers/web1/nonsense", "{}", 404, Error("ActionNotFoundError", "nonsense")),
    (
        "GET /tasks?is_complete=true&obj_id.0={server}&obj_type.0=server&stage.0=preflight&task_name.0=StartRescueTask",
        "",
        200,
        List("tasks", 0),
    ),
    (
        "GET /tasks?is_complete=true&limit=20&obj_id.0=web1&obj_type.0=server&task_name.0=StartRescueTask",
        "",
        200,
        Log("tasks", 2),
    ),
    ("GET /tasks/{task}", "", 200, One("task", TASK)),
    ("POST /tasks/{task}/cancel", "{}", 409, Error("InvalidStatusError", "ended")),
    ("GET /archivedtasks?details=false&limit=20&obj_id.0=web1&obj_type.0=server", "", 200, Log("archivedtasks", 0)),
    ("GET /events?limit=20&obj_id.0={server}&obj_type.0=server", "", 200, Log("events", 5)),
    (
        "GET /events?action.0=start_rescue&limit=20&obj_id.0=web1&obj_type.0=server&order=asc&since=2020-01-01T00:00:00Z",
        "",
        200,
        Log("events", 2),
    ),
    ("GET /actions?limit=20&obj_id.0=web1&obj_type.0=server", "", 200, Log("actions", 5)),
    (
        "GET /actions?action.0=start_rescue&limit=1&obj_id.0=web1&obj_type.0=server&paging_order=DESC",
        "",
        200,
        Log("actions", 1),
    ),
    ("GET /actions/{event}", "", 200, One("action", ACTION)),
    ("GET /hosts?details=true&limit=20&offset=0", "", 200, List("hosts", 1)),
    ("GET /hosts/host1", "", 200, One("host", HOST)),
    ("POST /hosts/host1/disable", "{}", 200, One("host", HOST)),
    ("POST /hosts/host1/enable", "{}", 200, One("host", HOST)),
    ("POST /hosts/host1/ping", "{}", 200, One("host", HOST)),
    ("GET /baremetalagents?details=false&limit=20", "", 200, List("baremetalagents", 1)),
    ("GET /baremetalagents/agent1", "", 200, One("baremetalagent", AGENT)),
    ("POST /baremetalagents/agent1/disable", "{}", 200, One("baremetalagent", AGENT)),
    ("POST /baremetalagents/agent1/enable", "{}", 200, One("baremetalagent", AGENT)),
    ("GET /disks?details=false&limit=20&server_id.0={server}", "", 200, List("disks", 1)),
    ("GET /disks?server_id.0=web1", "", 200, List("disks", 1)),
    ("GET /nothing", "", 404, Error("ResourceNotFoundError", "nothing")),
    ("POST /servers/web1/stop", r#"{"server":{}}"#, 202, Begun("server")),
    ("DELETE /servers/web1?delete_snapshots=true&override_pending_delete=true", "", 202, Begun("server")),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_the_contract_is_answered_in_its_shape() {
    let stack = Stack::start().await;
    let wire = log_in(&stack).await;
    let (mut server, mut task, mut event) = (String::new(), String::new(), String::new());
    for (line, body, status, shape) in LINES {
        let line = line.replace("{server}", &server).replace("{task}", &task).replace("{event}", &event);
        let answer = wire.send(&line, body).await;
        let shown = format!("{line} {body}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.status, *status, "{shown}");
        let json = check(&answer, shape, &shown);
        match shape {
            Begun(word) => {
                server = json[word]["id"].as_str().unwrap().to_owned();
                task = json["task"]["id"].as_str().unwrap().to_owned();
                assert_eq!(answer.header("location"), Some(&*format!("/tasks/{task}")), "{shown}");
                let ended = stack.ended(task.parse().unwrap()).await;
                assert_eq!(ended.state, TaskState::Succeeded, "{line}: {:?}", ended.cause);
            }
            Log("events" | "actions", 1..) => {
                event = json.as_object().unwrap().values().find_map(|rows| rows.get(0)).unwrap()["id"].to_string()
            }
            _ => {}
        }
    }
    stack.finish().await;
}

/// Checks what the other end reads, and hands the body back.
fn check(answer: &Answer, shape: &Shape, shown: &str) -> Value {
    let json = answer.json();
    assert_eq!(answer.header("content-type"), Some("application/json"), "{shown}");
    let full = |object: &Value, keys: &[&str]| {
        for key in keys {
            assert!(object.get(key).is_some(), "'{key}' is missing: {shown}");
        }
    };
    match shape {
        List(plural, least) | Log(plural, least) => {
            let rows = json[plural].as_array().unwrap_or_else(|| panic!("no array: {shown}"));
            assert!(rows.len() >= *least, "too few rows: {shown}");
            rows.iter().for_each(|row| full(row, keys(plural)));
            full(&json, &["total", "limit"]);
            assert!(json["limit"].as_i64().unwrap() > 0, "{shown}");
            if let Log(..) = shape
                && rows.len() as i64 == json["limit"].as_i64().unwrap()
            {
                full(&json, &["next_marker", "marker_field", "marker_order"]);
            }
            if let List(..) = shape {
                full(&json, &["offset"]);
            }
        }
        One(word, wanted) => full(&json[word], wanted),
        Begun(word) => {
            full(&json[word], SERVER);
            full(&json["task"], &["id", "task_name", "stage"]);
        }
        Error(class, part) => {
            assert_eq!((&json["class"], &json["code"]), (&Value::from(*class), &Value::from(answer.status)), "{shown}");
            assert!(json["details"].as_str().unwrap().contains(part), "{shown}");
            full(&json, &["time"]);
            assert!(json.get("error").is_none(), "an error is flat: {shown}");
            // Raw UTF-8, so that no half of a pair of surrogates ever stands alone.
            assert!(String::from_utf8_lossy(&answer.body).contains(part), "{shown}");
        }
    }
    json
}

/// `{OS_AUTH_URL}/auth/tokens`, by password.
async fn log_in(stack: &Stack) -> Wire {
    let address = stack.base_url().trim_start_matches("http://").to_owned();
    let wire = Wire { address, token: String::new() };
    let body = r#"{"auth":{"context":{"source":"cli"},"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"Default"},"name":"admin","password":"{password}"}}},"scope":{"project":{"name":"system"}}}}"#;
    let answer = wire.send("POST /v3/auth/tokens", &body.replace("{password}", &stack.password())).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let token = answer.header("x-subject-token").expect("a token").to_owned();
    Wire { token, ..wire }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_tells_all_that_the_other_end_reads() {
    let stack = Stack::start().await;
    let wire = log_in(&stack).await;
    let identity = |methods: &str, scope: &str| {
        format!(r#"{{"auth":{{"context":{{"source":"cli"}},"identity":{{{methods}}}{scope}}}}}"#)
    };
    let password = format!(
        r#""methods":["password"],"password":{{"user":{{"domain":{{"name":"Default"}},"name":"admin","password":"{}"}}}}"#,
        stack.password()
    );
    let token = format!(r#""methods":["token"],"token":{{"id":"{}"}}"#, wire.token);
    let system = r#","scope":{"project":{"name":"system"}}"#;
    let by_domain = r#","scope":{"project":{"domain":{"id":"default"},"name":"system"}}"#;
    for (methods, scope) in
        [(&password, system), (&password, ""), (&password, by_domain), (&token, system), (&token, "")]
    {
        let anybody = Wire { token: String::new(), address: wire.address.clone() };
        let answer = anybody.send("POST /v3/auth/tokens", &identity(methods, scope)).await;
        let shown = format!("{scope}: {answer:?}");
        assert!((200..300).contains(&answer.status), "{shown}");
        assert!(answer.header("x-subject-token").is_some_and(|token| !token.is_empty()), "{shown}");
        let token = &answer.json()["token"];
        for time in ["expires_at", "issued_at"] {
            assert!(token[time].as_str().unwrap().ends_with('Z'), "{time}: {shown}");
        }
        for (pointer, wanted) in [
            ("/user/name", "admin"),
            ("/user/domain/id", "default"),
            ("/user/domain/name", "Default"),
            ("/project/name", "system"),
            ("/project/domain/name", "Default"),
        ] {
            assert_eq!(token.pointer(pointer), Some(&Value::from(wanted)), "{pointer}: {shown}");
        }
        assert!(
            ["/user/id", "/project/id", "/roles/0/id", "/roles/0/name", "/methods/0"]
                .iter()
                .all(|key| token.pointer(key).is_some_and(Value::is_string)),
            "{shown}"
        );
        let catalog = token["catalog"].as_array().unwrap();
        let entry =
            |kind: &str| catalog.iter().find(|e| e["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {shown}"));
        let compute = entry("compute_v2")["endpoints"].as_array().unwrap();
        for interface in ["internal", "public"] {
            let endpoint = compute
                .iter()
                .find(|e| e["interface"] == interface)
                .unwrap_or_else(|| panic!("no {interface}: {shown}"));
            assert_eq!(endpoint["url"], format!("http://{}", wire.address), "without a slash at its end: {shown}");
            assert!(endpoint["region_id"].is_string() && endpoint["region_id"] == endpoint["region"], "{shown}");
        }
        assert!(entry("identity")["endpoints"].is_array() && entry("log")["endpoints"].is_array(), "{shown}");
    }
    let validated = wire.send_with("GET /v3/auth/tokens", "", &[("X-Subject-Token", &wire.token)]).await;
    assert_eq!((validated.status, &validated.json()["token"]["user"]["name"]), (200, &Value::from("admin")));
    let nobody = Wire { token: "stale".into(), ..wire };
    let refused = nobody.send("GET /servers?limit=20", "").await;
    assert_eq!(refused.status, 401);
    check(&refused, &Error("UnauthorizedError", "log in"), "a stale token");
    stack.finish().await;
}

/// Keys that are none of ours are accepted and named; but never in a verb of rescue. (That one is in [`LINES`].)
#[tokio::test(flavor = "multi_thread")]
async fn what_is_ignored_is_named() {
    let stack = Stack::start().await;
    let wire = log_in(&stack).await;
    let create = LINES.iter().find(|(line, ..)| *line == "POST /servers").unwrap();
    let answer = wire.send(create.0, create.1).await;
    let json = answer.json();
    let warnings: Vec<&str> = json["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect();
    let sent: Value = serde_json::from_str(create.1).unwrap();
    let known =
        ["auto_start", "count", "description", "disks", "hypervisor", "name", "nets", "vcpu_count", "vmem_size"];
    let unknown: Vec<&String> =
        sent["server"].as_object().unwrap().keys().filter(|key| !known.contains(&key.as_str())).collect();
    assert!(unknown.len() >= 15, "{unknown:?}");
    for key in unknown {
        assert!(warnings.iter().any(|w| w.contains(&format!("'{key}'"))), "'{key}' in {warnings:?}");
    }
    assert!(!warnings.iter().any(|w| known.iter().any(|key| w.contains(&format!("'{key}'")))), "{warnings:?}");
    // As it was sent: raw UTF-8, also beyond the first plane.
    assert!(String::from_utf8(answer.body).unwrap().contains("Größe 大 🛟"));
    stack.ended(json["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    stack.finish().await;
}

/// Sixty at once, and logs by marker to their end: page by page, as `--paging-marker` does it.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_and_page_by_page() {
    const MANY: usize = 60;
    let stack = Stack::start().await;
    let wire = log_in(&stack).await;
    let body = r#"{"count":60,"server":{"auto_start":false,"count":60,"disks":[{"index":0,"size":10}],"hypervisor":"kvm","name":"many","vcpu_count":1,"vmem_size":192}}"#;
    let made = wire.send("POST /servers", body).await;
    let json = made.json();
    let servers = json["servers"].as_array().unwrap_or_else(|| panic!("{json}"));
    assert_eq!(servers.len(), MANY);
    let names: Vec<&str> = servers
        .iter()
        .map(|one| {
            // Only 200 is success there, and the body is the server itself.
            assert!(one["status"] == 200 && one["body"]["id"].is_string(), "{one}");
            one["body"]["name"].as_str().unwrap_or_else(|| panic!("{one}"))
        })
        .collect();
    idle(&stack).await;

    let answers = join_all(names.iter().map(async |name| {
        let answer = wire.send(&format!("POST /servers/{name}/start-rescue"), r#"{"server":{}}"#).await;
        (name, answer)
    }))
    .await;
    for (name, answer) in answers {
        assert_eq!((answer.status, &answer.json()["server"]["name"]), (202, &Value::from(*name)), "{answer:?}");
    }
    idle(&stack).await;
    let rescued =
        wire.send("GET /servers?details=false&limit=100&offset=0&status.0=rescue&summary_stats=false", "").await.json();
    assert_eq!(rescued["total"], MANY, "{rescued}");

    for (log, word) in [("events", "events"), ("actions", "actions"), ("tasks", "tasks")] {
        let (mut ids, mut marker) = (Vec::new(), String::new());
        loop {
            let page = wire.send(&format!("GET /{log}?limit=25{marker}"), "").await.json();
            ids.extend(page[word].as_array().unwrap().iter().map(|row| row["id"].to_string()));
            let Some(next) = page["next_marker"].as_str() else { break };
            assert!(page["marker_field"].is_string() && page["marker_order"].is_string(), "{page}");
            marker = format!("&paging_marker={}", next.replace('+', "%2B"));
        }
        let distinct: std::collections::HashSet<&String> = ids.iter().collect();
        assert!(
            ids.len() >= 2 * MANY && distinct.len() == ids.len(),
            "{log}: {} rows, {} of them distinct",
            ids.len(),
            distinct.len()
        );
    }
    // Large enough to be worth packing; the other end names anything and understands gzip alone.
    let asked = wire.send_with("GET /servers?limit=100", "", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!(asked.header("content-encoding"), Some("gzip"));
    assert_eq!(asked.json()["servers"].as_array().unwrap().len(), MANY);
    let any = wire.send("GET /servers?limit=100", "").await;
    assert!(matches!(any.header("content-encoding"), None | Some("gzip")), "{:?}", any.header("content-encoding"));
    stack.finish().await;
}

/// Until no task is at work.
async fn idle(stack: &Stack) {
    let query = ListQuery { is_complete: Some(false), ..ListQuery::default() };
    eventually("all tasks end", async || (stack.client.list::<Tasks>(&query).await.ok()?.total == 0).then_some(()))
        .await;
}
