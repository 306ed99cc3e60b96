//! The client against a peer that speaks QMP as QEMU does, and against peers that do not.

use std::path::PathBuf;
use std::time::Duration;

use qmp::command::{QueryStatus, Quit, SystemPowerdown};
use qmp::{Limits, Qmp, QmpError};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

const GREETING: &str =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 10}}, \"capabilities\": []}}\r\n";

fn limits() -> Limits {
    Limits { connect: Duration::from_secs(5), command: Duration::from_secs(5), line: 4096 }
}

struct Peer {
    _folder: tempfile::TempDir,
    path: PathBuf,
    listener: UnixListener,
}

fn peer() -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let listener = UnixListener::bind(&path).unwrap();
    Peer { _folder: folder, path, listener }
}

struct Line {
    stream: BufReader<UnixStream>,
}

impl Line {
    async fn greet(peer: &Peer) -> Self {
        let (stream, _) = peer.listener.accept().await.unwrap();
        let mut line = Self { stream: BufReader::new(stream) };
        line.send(GREETING).await;
        let (name, id) = line.command().await;
        assert_eq!(name, "qmp_capabilities");
        line.send(&format!("{{\"return\": {{}}, \"id\": {id}}}\r\n")).await;
        line
    }
    async fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    }
    async fn command(&mut self) -> (String, u64) {
        let mut text = String::new();
        self.stream.read_line(&mut text).await.unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        (value["execute"].as_str().unwrap().into(), value["id"].as_u64().unwrap())
    }
}

#[tokio::test]
async fn replies_find_their_commands_in_any_order_and_events_pass_between() {
    let peer = peer();
    let server = async {
        let mut line = Line::greet(&peer).await;
        let first = line.command().await;
        let second = line.command().await;
        let (status, button) = if first.0 == "query-status" { (first.1, second.1) } else { (second.1, first.1) };
        line.send("{\"event\": \"FROM_THE_FUTURE\", \"data\": {\"x\": {}}, \"timestamp\": {\"seconds\": 1}}\n").await;
        line.send(&json!({"id": button, "error": {"class": "GenericError", "desc": "no button"}}).to_string()).await;
        line.send("\n").await;
        line.send(&json!({"return": {"running": true, "status": "running", "new": 1}, "id": status}).to_string()).await;
        line.send("\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n").await;
    };
    let client = async {
        let (qmp, mut events) = Qmp::connect(&peer.path, limits()).await.unwrap();
        assert_eq!(qmp.version(), "10.0.2");
        let (status, button) = tokio::join!(qmp.execute(QueryStatus {}), qmp.execute(SystemPowerdown {}));
        assert_eq!(status.unwrap().status, "running");
        let Err(QmpError::Refused { command, desc, .. }) = button else { panic!("not refused: {button:?}") };
        assert_eq!((command, desc.as_str()), ("system_powerdown", "no button"));
        assert_eq!(events.recv().await.unwrap().name, "FROM_THE_FUTURE");
        assert_eq!(events.recv().await.unwrap().reason(), Some("guest-reset"));
        assert!(events.recv().await.is_none(), "the end of the connection ends the events");
        qmp.closed().await;
        assert!(matches!(qmp.execute(Quit {}).await, Err(QmpError::Closed)));
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_command_in_flight_ends_with_the_connection() {
    let peer = peer();
    let server = async {
        let mut line = Line::greet(&peer).await;
        assert_eq!(line.command().await.0, "quit");
    };
    let client = async {
        let (qmp, _events) = Qmp::connect(&peer.path, limits()).await.unwrap();
        assert!(matches!(qmp.execute(Quit {}).await, Err(QmpError::Closed)));
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn silence_is_limited() {
    let peer = peer();
    // A second client of a real QEMU sees exactly this: it is connected, and nothing comes.
    let quick = Limits { connect: Duration::from_millis(50), ..limits() };
    let error = Qmp::connect(&peer.path, quick).await.err().unwrap();
    assert!(matches!(error, QmpError::TimedOut { what: "the greeting", .. }), "{error}");
    let (_first, _) = peer.listener.accept().await.unwrap();

    let server = async {
        let mut line = Line::greet(&peer).await;
        let (_, late) = line.command().await;
        let (_, id) = line.command().await;
        line.send(&format!("{{\"return\": {{}}, \"id\": {late}}}\n{{\"return\": {{}}, \"id\": {id}}}\n")).await;
        line
    };
    let client = async {
        let brief = Limits { command: Duration::from_millis(100), ..limits() };
        let (qmp, _events) = Qmp::connect(&peer.path, brief).await.unwrap();
        assert!(matches!(qmp.execute(QueryStatus {}).await, Err(QmpError::TimedOut { what: "query-status", .. })));
        qmp.execute(SystemPowerdown {}).await.expect("a late reply to another command is not taken for ours");
        qmp
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn garbage_and_endless_lines_close_the_connection() {
    for bad in ["not json\n".to_owned(), "x".repeat(5000)] {
        let peer = peer();
        let server = async {
            let mut line = Line::greet(&peer).await;
            line.send(&bad).await;
            line
        };
        let client = async {
            let (qmp, mut events) = Qmp::connect(&peer.path, limits()).await.unwrap();
            qmp.closed().await;
            assert!(events.recv().await.is_none());
            assert!(matches!(qmp.execute(QueryStatus {}).await, Err(QmpError::Closed)));
        };
        tokio::join!(server, client);
    }
}

#[tokio::test]
async fn nobody_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = Qmp::connect(&folder.path().join("none"), limits()).await.err().unwrap();
    assert!(matches!(error, QmpError::Connect { .. }), "{error}");
}
