//! Recordings of consoles: listed, played at a terminal, read in a pipe, handed on as they are.

#[path = "program/mod.rs"]
mod program;
#[path = "../../client/tests/region/mod.rs"]
mod region;
#[path = "program/terminal.rs"]
mod terminal;

use std::time::Duration;

use program::Program;
use region::{Answer, Region, SESSION, id_of};
use serde_json::{Value, json};

const ID: &str = "0198c7a6-0000-7000-8000-00000000000c";
const CAST: &str = concat!(
    "{\"version\":2,\"width\":80,\"height\":24,\"title\":\"web1\"}\n",
    "[0.100000, \"o\", \"login: \"]\n",
    "[0.200000, \"o\", \"root\\r\\n\\u001b[31mfsck\\u001b[0m ok\\u0007\"]\n",
    "[7200.000000, \"o\", \"\\r\\nbye\"]\n",
);

fn recording() -> Value {
    json!({
        "id": ID, "server_id": id_of("web1"), "server": "web1", "project": "system", "session_id": SESSION, "user": "ann",
        "source": "192.0.2.7", "started_at": "2026-11-23T10:00:00Z", "ended_at": "2026-11-23T12:00:00Z", "duration_ms": 7_200_000,
        "bytes": 2048, "is_whole": true,
    })
}

async fn with_a_recording() -> Region {
    let (region, recording) = (Region::start().await, recording());
    region.json(
        "GET /consolerecordings",
        200,
        json!({"consolerecordings": [recording], "total": 1, "limit": 20, "offset": 0}),
    );
    region.json(&format!("GET /consolerecordings/{ID}"), 200, json!({"consolerecording": recording}));
    region
        .on(&format!("GET /consolerecordings/{ID}/cast"), Answer::Raw(200, "application/x-asciicast", CAST.to_owned()));
    region
}

#[tokio::test]
async fn recordings_are_listed_and_shown() {
    let region = with_a_recording().await;
    let program = Program::new(&region);
    let listed = program.run(&["consolerecording-list", "--server", "web1", "--session", SESSION]).await;
    assert!(listed.code == 0 && listed.out.contains("| ann ") && listed.out.contains("| 2h00m "), "{listed:?}");
    let target = &region.seen("GET /consolerecordings?")[0].target;
    assert!(target.contains("name=web1") && target.contains("filter.0=session_id.equals"), "{target}");
    let shown = program.run(&["console-recording-show", ID]).await;
    assert!(shown.code == 0 && shown.out.contains(&format!("climc consolerecording-play {ID}")), "{shown:?}");
    region.json(&format!("DELETE /consolerecordings/{ID}"), 200, json!({ "consolerecording": recording() }));
    assert_eq!(program.run(&["consolerecording-delete", ID]).await.code, 0);
}

#[tokio::test]
async fn in_a_pipe_it_is_text_or_the_recording_itself() {
    let region = with_a_recording().await;
    let program = Program::new(&region);
    let text = program.run(&["consolerecording-play", ID]).await;
    assert_eq!((text.code, text.out.as_str(), text.err.as_str()), (0, "login: root\nfsck ok\nbye\n", ""), "{text:?}");
    assert_eq!(program.run(&["consolerecording-play", ID, "-o", "json"]).await.out, CAST);
    let yaml = program.run(&["consolerecording-play", ID, "-o", "yaml"]).await.out;
    assert!(yaml.matches("---\n").count() == 3 && yaml.contains("at: 7200.0"), "{yaml}");
    let missing = program.run(&["consolerecording-play", "nothing"]).await;
    assert!(missing.code == 1 && missing.out.is_empty() && missing.err.contains("not found"), "{missing:?}");
    region.on("GET /consolerecordings/old/cast", Answer::Raw(200, "application/x-asciicast", "{\"version\":1}".into()));
    let old = program.run(&["consolerecording-play", "old"]).await;
    assert!(old.code == 1 && old.err.contains("version 2"), "{old:?}");
}

#[tokio::test]
async fn at_a_terminal_it_is_played_and_the_terminal_left_as_it_was() {
    let region = with_a_recording().await;
    let program = Program::new(&region);
    let (mut person, terminal) = terminal::terminal();
    let args = ["consolerecording-play", ID, "--speed", "10", "--idle-limit", "1"];
    let mut child = terminal::at(&terminal, program.command(&args)).spawn().unwrap();
    let seen = person.sees("the recording is over").await;
    let at = |text: &str| seen.find(text).unwrap_or_else(|| panic!("no {text:?} in {seen:?}"));
    assert!(at("\x1b[31mfsck") < at("bye") && at("bye") < at("\x1b[?1049l"), "{seen:?}");
    // Two hours of silence are no longer than the limit, ten times as fast.
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("it does not end").unwrap();
    assert_eq!(status.code(), Some(0));
}
