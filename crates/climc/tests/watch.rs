//! `watch`: changes in a pipe and at a terminal, over a connection that is lost.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;
#[path = "program/terminal.rs"]
mod terminal;

use std::time::Duration;

use program::Program;
use region::{Answer, Region, TASK, error, server, task};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

fn event(id: u64, name: &str, body: &Value) -> String {
    format!(": a comment\nid: {id}\nevent: {name}\ndata: {body}\n\n")
}

/// A stream that is cut after the first task's start; the next connection tells the rest, and then ends for good with a refusal.
async fn with_changes() -> Region {
    let region = Region::start().await;
    let begun = json!({"task": task(TASK, "waiting", &[("preflight", false, None, false)])});
    let first = [
        event(7, "ready", &json!({})),
        event(8, "server", &json!({"server": server("web1", "start_rescue", "running")})),
        event(9, "task", &begun),
        // Another commit that changes nothing of what a line says.
        event(10, "task", &begun),
    ];
    let done = task(TASK, "succeeded", &[("preflight", true, None, false)]);
    let second = [
        event(11, "server", &json!({"server": server("web1", "rescue", "running")})),
        event(12, "task", &json!({ "task": done })),
        event(13, "error", &json!({"code": 403, "class": "ForbiddenError", "details": "a role is gone"})),
    ];
    region.on("GET /stream", Answer::Raw(200, "text/event-stream", first.concat()));
    region.on("GET /stream", Answer::Raw(200, "text/event-stream", second.concat()));
    let servers = json!({"servers": [server("web1", "ready", "shutoff")], "total": 1, "limit": 1000, "offset": 0});
    region.json("GET /servers", 200, servers);
    region.json("GET /tasks", 200, json!({"tasks": [], "total": 0, "limit": 500, "offset": 0}));
    region
}

#[tokio::test]
async fn in_a_pipe_each_change_is_a_line_and_a_lost_connection_loses_nothing() {
    let region = with_changes().await;
    let ran = Program::new(&region).run(&["watch"]).await;
    let lines: Vec<&str> = ran.out.lines().filter_map(|line| Some(line.split_once("Z  ")?.1)).collect();
    assert_eq!(
        lines,
        [
            "server  web1  start_rescue  power running",
            "task  web1  StartRescueTask  waiting  preflight",
            "server  web1  rescue  power running",
            "task  web1  StartRescueTask  succeeded  preflight",
        ],
        "{ran:?}"
    );
    assert!(ran.code == 1 && ran.err.contains("trying on") && ran.err.contains("answers again"), "{ran:?}");
    assert!(ran.err.contains("a role is gone"), "{ran:?}");
    let asked = region.seen("GET /stream");
    assert!(asked[0].target.contains("resource=servers%2Ctasks"), "{}", asked[0].target);
    assert_eq!((asked[0].header("last-event-id"), asked[1].header("last-event-id")), ("", "10"));
}

#[tokio::test]
async fn every_format_tells_changes() {
    let region = with_changes().await;
    let json = Program::new(&region).run(&["watch", "web1", "-o", "json"]).await;
    let told: Vec<Value> = json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 5, "{json:?}");
    assert_eq!((&told[0]["change"], &told[0]["server"]["status"]), (&json!("server"), &json!("start_rescue")));
    assert!(region.seen("GET /stream")[0].target.contains("id=web1"));
    for (format, part) in [("yaml", "---\nchange: server\n"), ("kv", "change=task\n")] {
        let told = Program::new(&with_changes().await).run(&["watch", "-o", format]).await.out;
        assert!(told.contains(part), "{format}: {told}");
    }
}

#[tokio::test]
async fn what_can_not_begin_is_told_at_once() {
    let region = Region::start().await;
    region.json("GET /stream", 404, error(404, "ResourceNotFoundError", "server web9 not found"));
    let ran = Program::new(&region).run(&["watch", "web9"]).await;
    assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains("web9 not found"), "{ran:?}");
    assert_eq!(region.seen("GET /stream").len(), 1);
}

#[tokio::test]
async fn at_a_terminal_it_is_a_picture_and_ctrl_c_ends_it() {
    let alone = Region::start().await;
    let first = event(7, "ready", &json!({}));
    // After it the service is away, and the picture says so.
    alone.on("GET /stream", Answer::Raw(200, "text/event-stream", first));
    alone.on("GET /stream", Answer::Cut);
    alone.json(
        "GET /servers",
        200,
        json!({"servers": [server("web1", "rescue", "running")], "total": 1, "limit": 1000, "offset": 0}),
    );
    alone.json("GET /tasks", 200, json!({"tasks": [], "total": 0, "limit": 500, "offset": 0}));
    let (mut person, terminal) = terminal::terminal();
    let program = Program::new(&alone);
    let mut child = terminal::at(&terminal, program.command(&["watch"])).spawn().unwrap();
    let seen = person.sees("trying on").await;
    assert!(seen.contains("\x1b[?1049h") && seen.contains("1 servers, 1 in rescue"), "{seen:?}");
    // The terminal is not the program's controlling one here: the signal that its Ctrl-C would raise.
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    person.sees("\x1b[?1049l").await;
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it does not end").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_pipe_gets_each_line_at_once() {
    let region = with_changes().await;
    let mut child = Program::new(&region).command(&["watch"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.expect("nothing comes").unwrap();
    assert!(first.unwrap().contains("server  web1"));
}
