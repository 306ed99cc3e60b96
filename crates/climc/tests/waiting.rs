//! `--wait` at a terminal: what is drawn, and what Ctrl-C leaves behind.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;
#[path = "program/terminal.rs"]
mod terminal;

use std::time::Duration;

use program::Program;
use region::{Region, TASK, id_of, server, task};
use serde_json::{Value, json};

/// A task that downloads: so many MiB of 8 are there, so many seconds after its beginning.
fn downloading(mib: u64, second: u32) -> Value {
    let mut task = task(TASK, "waiting", &[("preflight", true, None, false), ("prepare_rescue", false, None, false)]);
    task["progress"] = json!({
        "text": "vmlinuz", "bytes": mib << 20, "bytes_total": 8 << 20, "at": format!("2026-11-23T10:00:{second:02}Z"),
    });
    json!({ "task": task })
}

async fn with_a_download() -> Region {
    let region = Region::start().await;
    let accepted = json!({
        "server": server("web1", "start_rescue", "running"),
        "task": {"id": TASK, "task_name": "StartRescueTask", "stage": "preflight"},
    });
    region.json("POST /servers/web1/start-rescue", 202, accepted);
    region.json(
        &format!("GET /servers/{}", id_of("web1")),
        200,
        json!({"server": server("web1", "rescue", "running")}),
    );
    let what = format!("GET /tasks/{TASK}");
    region.json(&what, 200, downloading(2, 2));
    region.json(&what, 200, downloading(4, 3));
    region
}

#[tokio::test]
async fn stages_and_the_download_are_drawn() {
    let region = with_a_download().await;
    let stages = [("preflight", true, None, false), ("prepare_rescue", true, None, false)];
    region.json(&format!("GET /tasks/{TASK}"), 200, json!({"task": task(TASK, "succeeded", &stages)}));
    let program = Program::new(&region);
    let (mut person, terminal) = terminal::terminal();
    let command = program.command(&["server-start-rescue", "web1", "--wait", "--password", "none"]);
    let mut child = terminal::at(&terminal, command).spawn().unwrap();
    let seen = person.sees("updated_at").await;
    for part in [
        "preflight            done in 1.0s",
        "2.0 MiB of 8.0 MiB",
        "[##########----------]  4.0 MiB of 8.0 MiB, 2.0 MiB/s",
        "prepare_rescue       done in 1.0s",
    ] {
        assert!(seen.contains(part), "no {part:?} in {seen:?}");
    }
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn ctrl_c_leaves_the_task_and_says_how_to_go_on() {
    let region = with_a_download().await;
    let program = Program::new(&region);
    let (mut person, terminal) = terminal::terminal();
    let command = program.command(&["server-start-rescue", "web1", "--wait", "--password", "none"]);
    let mut child = terminal::at(&terminal, command).spawn().unwrap();
    person.sees("4.0 MiB of 8.0 MiB").await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let cancel = format!("climc region-task-cancel {TASK}");
    let seen = person.sees(&cancel).await;
    assert!(seen.contains(&format!("climc region-task-show {TASK} --wait")), "{seen:?}");
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it does not end");
    assert_eq!(ended.unwrap().code(), Some(130));
    assert!(region.seen(&format!("POST /tasks/{TASK}")).is_empty(), "nobody asked to cancel it");
}

#[tokio::test]
async fn in_a_pipe_nothing_is_drawn() {
    let region = with_a_download().await;
    let program = Program::new(&region);
    let args = ["server-start-rescue", "web1", "--wait", "--timeout", "1", "--password", "none"];
    let ran = program.with(&[("TERM", "xterm")]).run(&args).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.starts_with("   1.0s  preflight            done in 1.0s\nclimc: "), "{ran:?}");
    assert!(!ran.err.contains(['\x1b', '\r', '#']), "{ran:?}");
}
