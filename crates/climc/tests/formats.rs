//! Every format on every command: what a program reads is data, whatever the command.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;

use program::Program;
use region::{Region, TASK, id_of, server, task};
use serde_json::{Value, json};

/// Every list, and where it is read.
const LISTS: &[(&str, &str)] = &[
    ("server-list", "servers"),
    ("server-snapshot-list", "snapshots"),
    ("disk-list", "disks"),
    ("rescue-session-list", "rescuesessions"),
    ("rescue-image-list", "rescueimages"),
    ("consolerecording-list", "consolerecordings"),
    ("region-task-list", "tasks"),
    ("archived-task-list", "archivedtasks"),
    ("event-list", "events"),
    ("action-list", "actions"),
    ("host-list", "hosts"),
    ("agent-list", "baremetalagents"),
    ("domain-list", "domains"),
    ("user-list", "users"),
    ("project-list", "projects"),
    ("role-list", "roles"),
    ("policy-list", "policies"),
];

#[tokio::test]
async fn lists_in_every_format() {
    let region = Region::start().await;
    for (_, plural) in LISTS {
        let empty = json!({ *plural: [], "total": 0, "limit": 20, "offset": 0 });
        region.json(&format!("GET /{plural}"), 200, empty);
    }
    let program = Program::new(&region);
    let help = program.run(&["help"]).await.out;
    let named = help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for command in named.filter(|name| name.ends_with("-list") && !matches!(*name, "profile-list" | "permission-list"))
    {
        assert!(LISTS.iter().any(|(known, _)| *known == command), "{command} is not tried");
    }
    for (command, plural) in LISTS {
        let json = program.run(&[command, "-o", "json"]).await;
        assert!(json.code == 0 && json.err.is_empty() && json.json()[plural] == json!([]), "{command}: {json:?}");
        let yaml = program.run(&[command, "-o", "yaml"]).await;
        assert!(yaml.code == 0 && yaml.out.contains(&format!("{plural}: []")), "{command}: {yaml:?}");
        let kv = program.run(&[command, "-o", "kv"]).await;
        assert!(kv.code == 0 && kv.out.is_empty(), "{command}: {kv:?}");
        let table = program.run(&[command, "-o", "table"]).await;
        assert!(table.code == 0 && table.out.starts_with("+--"), "{command}: {table:?}");
    }
}

#[tokio::test]
async fn what_has_no_columns_of_its_own_is_a_table_too() {
    let region = Region::start().await;
    let metadata = json!({"server": {"metadata": {"owner": "me", "team": "shop"}}});
    region.json("GET /servers/web1/metadata", 200, metadata);
    let desc = json!({"server": {"desc": {"name": "web1", "disks": [{"index": 0}], "vnc": null}}});
    region.json("GET /servers/web1/desc", 200, desc);
    let program = Program::new(&region);
    let table = program.run(&["server-metadata", "web1"]).await.out;
    assert!(table.contains("| owner | me    |"), "{table}");
    assert_eq!(program.run(&["server-metadata", "web1", "-o", "json"]).await.json()["team"], "shop");
    let table = program.run(&["server-desc", "web1"]).await.out;
    assert!(table.contains("| disks.0.index | 0 "), "{table}");
    assert!(program.run(&["server-desc", "web1", "-o", "kv"]).await.out.contains("disks.0.index=0\n"));
}

#[tokio::test]
async fn what_a_verb_answers_is_read_the_same_way_in_each_format() {
    let region = Region::start().await;
    let accepted = json!({
        "server": server("web1", "stopping", "running"), "task": {"id": TASK, "task_name": "StopTask", "stage": "stop"},
    });
    region.json("POST /servers/web1/stop", 202, accepted);
    region.json(
        &format!("GET /tasks/{TASK}"),
        200,
        json!({"task": task(TASK, "succeeded", &[("stop", true, None, false)])}),
    );
    region.json(&format!("GET /servers/{}", id_of("web1")), 200, json!({"server": server("web1", "ready", "shutoff")}));
    let program = Program::new(&region);
    let stop = ["server-stop", "web1", "--wait", "-o"];
    let json: Value = program.run(&[&stop[..], &["json"]].concat()).await.json();
    assert_eq!(
        (&json["ok"], &json["result"], &json["server"]["status"]),
        (&json!(true), &json!("done"), &json!("ready"))
    );
    let yaml = program.run(&[&stop[..], &["yaml"]].concat()).await.out;
    assert!(yaml.contains("result: done") && yaml.contains("status: ready"), "{yaml}");
    let kv = program.run(&[&stop[..], &["kv"]].concat()).await.out;
    assert!(kv.contains("result=done\n") && kv.contains("server.status=ready\n"), "{kv}");
}
