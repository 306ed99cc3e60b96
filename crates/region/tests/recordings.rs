//! Recordings of consoles of servers in rescue: when there is one, what is in it, who may look, and what is left when a region dies.

#[path = "identity/actors.rs"]
mod actors;
#[path = "identity/client.rs"]
mod client;
#[path = "consoles/socket.rs"]
mod socket;

use std::path::Path;
use std::time::Duration;

use actors::Actors;
use api::server::{ConsoleTicket, StartRescue, StopRescue};
use api::task::TaskState;
use diesel_async::RunQueryDsl;
use region::config::Record;
use serde_json::{Value, json};
use socket::Socket;
use testing::{RegionProcess, Setup, Stack, Web, eventually};
use types::GuestId;
use types::status::ConsoleKind;

const CONSOLE: &str = "/servers/web1/console";
const RECORDED: &str = "[this console is recorded";

fn recording() -> Setup {
    let mut setup = Setup::default();
    setup.config.console.record = Record::Rescue;
    setup
}

async fn start_rescue(stack: &Stack) {
    let accepted = stack.client.perform("web1", &StartRescue::default()).await.expect("accepted");
    assert_eq!(stack.ended(accepted.task.unwrap().id).await.state, TaskState::Succeeded);
}

async fn stop_rescue(stack: &Stack) {
    let accepted = stack.client.perform("web1", &StopRescue::default()).await.expect("accepted");
    assert_eq!(stack.ended(accepted.task.unwrap().id).await.state, TaskState::Succeeded);
}

async fn open(base: &str, web: &Web) -> Socket {
    Socket::open_at(base, CONSOLE, &[("x-auth-token", web.token.expose())]).await.expect("it opens")
}

/// To whoever reads, once somebody does.
async fn print(stack: &Stack, guest: GuestId, text: &str) {
    let printed = async || (stack.host.print(guest, text.as_bytes()).await > 0).then_some(());
    eventually("a reader", printed).await;
}

/// Newest first.
async fn recordings(web: &Web, query: &str) -> Vec<Value> {
    let (status, page) = web.send(web.request("GET", &format!("/consolerecordings?{query}"))).await;
    assert_eq!(status, 200, "{page}");
    page["consolerecordings"].as_array().expect("a list").clone()
}

/// The header, and all that was shown.
async fn cast(web: &Web, id: &Value) -> (Value, String) {
    let path = format!("/consolerecordings/{}/cast", id.as_str().expect("an id"));
    let answer = web.request("GET", &path).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-asciicast");
    let text = answer.text().await.unwrap();
    let (header, lines) = text.split_once('\n').expect("a header");
    let mut shown = String::new();
    let mut last = 0.0;
    for line in lines.lines() {
        let (at, kind, text): (f64, String, String) = serde_json::from_str(line).expect("a line of asciicast");
        assert!(at >= last && kind == "o", "{line}");
        last = at;
        shown += &text;
    }
    (serde_json::from_str(header).expect("a header"), shown)
}

async fn ended(web: &Web) -> Vec<Value> {
    eventually("all recordings end", async || {
        let all = recordings(web, "").await;
        (!all.is_empty() && all.iter().all(|one| one["ended_at"].is_string())).then_some(all)
    })
    .await
}

async fn is_recorded(stack: &Stack, kind: ConsoleKind) -> bool {
    let answer = stack.client.perform("web1", &ConsoleTicket { kind }).await.expect("a ticket");
    answer.extra.console.expect("a ticket").recording
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_is_recorded_its_user_is_told_and_an_auditor_replays_it() {
    let actors = Actors::start_with(recording()).await;
    let (stack, web) = (&actors.stack, &actors.admin);
    let guest = stack.server("web1", true).await.id;
    assert!(!is_recorded(stack, ConsoleKind::Console).await, "it is not in rescue");
    let mut early = open(&web.base, web).await;
    early.until("simulated console").await;
    print(stack, guest, "before the rescue\r\n").await;
    early.until("before the rescue").await;
    start_rescue(stack).await;
    // One that was open before: it is told when it begins.
    early.until(RECORDED).await;
    assert!(is_recorded(stack, ConsoleKind::Console).await);
    assert!(!is_recorded(stack, ConsoleKind::Vnc).await, "a screen is not");
    let mut console = open(&web.base, web).await;
    let first = console.until("simulated console").await;
    assert!(first.trim_start().starts_with(RECORDED), "it comes first: {first}");
    print(stack, guest, "rescue 1€\u{1b}[0m\r\n").await;
    console.until("rescue 1").await;
    // A character in two pieces.
    stack.host.print(guest, &"é".as_bytes()[..1]).await;
    stack.host.print(guest, &[&"é".as_bytes()[1..], b" rescue 2\r\n"].concat()).await;
    console.until("rescue 2").await;
    console.close().await;
    stop_rescue(stack).await;
    early.until("[the recording of this console has ended]").await;
    print(stack, guest, "after the rescue\r\n").await;
    early.until("after the rescue").await;
    early.close().await;

    let all = ended(web).await;
    assert_eq!(all.len(), 2, "{all:?}");
    let session = stack.client.list::<api::rescue::RescueSessions>(&Default::default()).await.unwrap().data[0].id;
    for one in &all {
        assert_eq!(
            (&one["server"], &one["user"], &one["is_whole"]),
            (&json!("web1"), &json!("admin"), &json!(true)),
            "{one}"
        );
        assert_eq!((&one["session_id"], &one["server_id"]), (&json!(session), &json!(guest)), "{one}");
        let (header, shown) = cast(web, &one["id"]).await;
        assert_eq!((&header["version"], &header["title"]), (&json!(2), &json!("web1")));
        assert!(header["width"].is_u64() && header["height"].is_u64() && header["timestamp"].is_u64(), "{header}");
        assert!(shown.contains("rescue 1€\u{1b}[0m\r\n") && shown.contains("é rescue 2"), "{shown}");
        assert!(!shown.contains("before the rescue") && !shown.contains("after the rescue"), "{shown}");
        assert!(one["bytes"].as_u64().unwrap() > 20 && one["duration_ms"].as_u64().is_some(), "{one}");
    }
    for (query, count) in [
        (format!("server_id={guest}"), 2),
        ("server=web1".into(), 2),
        ("server=web2".into(), 0),
        (format!("session_id={session}"), 2),
        (format!("session={}", GuestId::generate()), 0),
        ("filter=user.equals('admin')&limit=1".into(), 1),
    ] {
        assert_eq!(recordings(web, &query).await.len(), count, "{query}");
    }

    // Whose server it is may not look, and does not learn that there is one. An auditor may look, and that is all.
    let auditor = actors.user("eve", "system", "auditor").await;
    let owner = actors.user("ann", "system", "project_owner").await;
    let path = format!("/consolerecordings/{}", all[0]["id"].as_str().unwrap());
    assert_eq!(owner.send(owner.request("GET", "/consolerecordings")).await.0, 403);
    for path in [path.clone(), format!("{path}/cast")] {
        assert_eq!(owner.send(owner.request("GET", &path)).await.0, 404, "{path}");
        assert_eq!(owner.http.get(format!("{}{path}", owner.base)).send().await.unwrap().status().as_u16(), 401);
    }
    assert_eq!(recordings(&auditor, "").await.len(), 2);
    let (_, shown) = cast(&auditor, &all[0]["id"]).await;
    assert!(shown.contains("rescue 1€"));
    assert_eq!(auditor.send(auditor.request("GET", "/servers/web1")).await.0, 200);
    for (method, path) in
        [("POST", "/servers/web1/stop"), ("DELETE", "/servers/web1"), ("POST", "/servers/web1/console-ticket")]
    {
        let (status, answer) = auditor.send(auditor.request(method, path).json(&json!({"kind": "console"}))).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    // Each look is written down.
    let events =
        |query: &str| web.send(web.request("GET", &format!("/events?obj_id=web1&action.0=console_replay{query}")));
    let (_, looked) = events("&user=eve").await;
    let notes = looked["events"][0]["notes"].as_str().unwrap_or_default();
    assert!(looked["total"] == json!(1) && notes.contains(all[0]["id"].as_str().unwrap()), "{looked}");
    assert_eq!(events("").await.1["total"], json!(3));
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_unless_it_is_asked_for() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    start_rescue(&stack).await;
    assert!(!is_recorded(&stack, ConsoleKind::Console).await);
    let web = stack.web().await;
    let mut console = open(&web.base, &web).await;
    print(&stack, guest, "secret\r\n").await;
    let seen = console.until("secret").await;
    assert!(!seen.contains(RECORDED), "{seen}");
    console.close().await;
    assert_eq!(recordings(&web, "").await, Vec::<Value>::new());
    stop_rescue(&stack).await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_has_a_limit_and_an_age() {
    let mut setup = recording();
    setup.config.console.record_max_bytes = 4000;
    let stack = Stack::start_with(setup).await;
    let guest = stack.server("web1", true).await.id;
    start_rescue(&stack).await;
    let web = stack.web().await;
    let mut console = open(&web.base, &web).await;
    console.until("simulated console").await;
    for n in 0..20 {
        print(&stack, guest, &format!("{n} {}\r\n", "x".repeat(990))).await;
    }
    print(&stack, guest, "the end").await;
    console.until("the end").await;
    console.close().await;
    let all = ended(&web).await;
    assert_eq!((all.len(), &all[0]["is_whole"]), (1, &json!(false)), "{all:?}");
    assert!(all[0]["bytes"].as_u64().unwrap() < 4200, "{all:?}");
    let (_, shown) = cast(&web, &all[0]["id"]).await;
    let full = "those of this rescue have reached their limit of size]\r\n";
    assert!(shown.contains("\n1 xxx") && shown.ends_with(full), "{shown}");
    assert!(!shown.contains("\n19 xxx"));
    // Another console of the same rescue has no more than what is left: nobody fills the database by opening one after another.
    let mut again = open(&web.base, &web).await;
    print(&stack, guest, &format!("once more {}", "x".repeat(990))).await;
    again.until("once more").await;
    again.close().await;
    let both = ended(&web).await;
    assert_eq!((both.len(), &both[0]["is_whole"]), (2, &json!(false)), "{both:?}");
    let (_, shown) = cast(&web, &both[0]["id"]).await;
    assert!(shown.ends_with(full) && !shown.contains("once more"), "{shown}");

    let mut conn = stack.connection().await;
    let age = async |conn: &mut db::Conn, days: i64| {
        let before = chrono::Utc::now() - Duration::from_secs(days as u64 * 24 * 3600);
        db::recording::delete_before(conn, before, 10).await.unwrap()
    };
    assert_eq!(age(&mut conn, 1).await, 0, "it is young");
    diesel::sql_query("update console_recordings set started_at = now() - interval '2 days'")
        .execute(&mut conn)
        .await
        .unwrap();
    assert_eq!(age(&mut conn, 1).await, 2);
    let path = format!("/consolerecordings/{}/cast", all[0]["id"].as_str().unwrap());
    assert_eq!(web.send(web.request("GET", &path)).await.0, 404);
    let left = diesel::sql_query("delete from console_recording_chunks").execute(&mut conn).await.unwrap();
    assert_eq!(left, 0, "its chunks are gone with it");
    stop_rescue(&stack).await;
    stack.finish().await;
}

/// What nobody may keep can be erased by an administrator, and that it was is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_can_be_erased_and_the_log_says_by_whom() {
    let actors = Actors::start_with(recording()).await;
    let (stack, web) = (&actors.stack, &actors.admin);
    let guest = stack.server("web1", true).await.id;
    start_rescue(stack).await;
    let mut console = open(&web.base, web).await;
    print(stack, guest, "a password that somebody typed at the wrong prompt\r\n").await;
    console.until("wrong prompt").await;
    let [one] = recordings(web, "").await.try_into().expect("one recording");
    let path = format!("/consolerecordings/{}", one["id"].as_str().unwrap());
    let (status, answer) = web.send(web.request("DELETE", &path)).await;
    assert_eq!((status, &answer["class"]), (409, &json!("InvalidStatusError")), "it goes on: {answer}");
    console.close().await;
    ended(web).await;
    let auditor = actors.user("eve", "system", "auditor").await;
    assert_eq!(auditor.send(auditor.request("DELETE", &path)).await.0, 403, "who looks does not erase");
    let owner = actors.user("ann", "system", "project_owner").await;
    assert_eq!(owner.send(owner.request("DELETE", &path)).await.0, 404);
    assert_eq!(web.send(web.request("DELETE", &path)).await.0, 200);
    assert_eq!(web.send(web.request("DELETE", &path)).await.0, 404);
    assert_eq!(recordings(web, "").await, Vec::<Value>::new());
    let left = diesel::sql_query("delete from console_recording_chunks");
    assert_eq!(left.execute(&mut stack.connection().await).await.unwrap(), 0);
    let (_, events) = web.send(web.request("GET", "/events?obj_id=web1&action.0=console_erase")).await;
    let event = &events["events"][0];
    assert_eq!((&events["total"], &event["user"]), (&json!(1), &json!("admin")), "{events}");
    assert!(event["notes"].as_str().unwrap().contains(one["id"].as_str().unwrap()), "{event}");
    stop_rescue(stack).await;
    actors.stack.finish().await;
}

/// Recordings are the database's: what one replica wrote another shows, also while it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn any_replica_shows_what_another_records() {
    let stack = Stack::start_with(recording()).await;
    let guest = stack.server("web1", true).await.id;
    start_rescue(&stack).await;
    let replica = stack.replica().await;
    let web = stack.web().await;
    let mut console = open(&format!("http://{}", replica.http), &web).await;
    print(&stack, guest, "shown by the other\r\n").await;
    console.until("shown by the other").await;
    let shown = async || {
        let [one] = recordings(&web, "").await.try_into().ok()?;
        cast(&web, &one["id"]).await.1.contains("shown by the other").then_some(one)
    };
    let one = eventually("it is there while it goes on", shown).await;
    assert_eq!(one["ended_at"], Value::Null);
    // A region that stops ends what it records, in order.
    replica.shutdown().await;
    let all = ended(&web).await;
    assert_eq!((&all[0]["id"], &all[0]["is_whole"]), (&one["id"], &json!(true)), "{all:?}");
    stop_rescue(&stack).await;
    stack.finish().await;
}

/// A reader that takes nothing holds up neither the guest nor what is kept of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_reader_misses_is_recorded() {
    const PIECES: usize = 200;
    let stack = Stack::start_with(recording()).await;
    let guest = stack.server("web1", true).await.id;
    start_rescue(&stack).await;
    let web = stack.web().await;
    let mut console = open(&web.base, &web).await;
    console.until(RECORDED).await;
    let piece = format!("{}\r\n", "x".repeat(64 * 1024 - 2));
    for n in 0..PIECES {
        print(&stack, guest, &piece).await;
        if n % 40 == 0 {
            // The database keeps up, as it does with any real serial line.
            let saved = async || {
                let all = recordings(&web, "").await;
                (all[0]["bytes"].as_u64()? >= (n * piece.len()) as u64).then_some(())
            };
            eventually("it is saved", saved).await;
        }
    }
    print(&stack, guest, "the end\r\n").await;
    let seen = console.until("the end").await;
    assert!(seen.contains("bytes of output were missed here]"), "the reader was slow");
    console.close().await;
    let all = ended(&web).await;
    let (_, shown) = cast(&web, &all[0]["id"]).await;
    assert!(shown.contains("the end") && all[0]["is_whole"] == json!(true), "{all:?}");
    assert_eq!(shown.matches('x').count(), PIECES * (piece.len() - 2));
    stop_rescue(&stack).await;
    stack.finish().await;
}

/// `kill -9` in the middle: what was written can be replayed, and the recording does not stay open for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_region_wrote_before_it_died_can_be_replayed() {
    let stack = Stack::start_with(recording()).await;
    let guest = stack.server("web1", true).await.id;
    start_rescue(&stack).await;
    let mut config = stack.config().clone();
    config.http.listen = "127.0.0.1:0".into();
    config.grpc.listen = "127.0.0.1:0".into();
    let doomed = RegionProcess::start(Path::new(env!("CARGO_BIN_EXE_region")), &config, stack.folder(), "doomed").await;
    let web = stack.web().await;
    let mut console = open(&doomed.http, &web).await;
    console.until("simulated console").await;
    print(&stack, guest, "written before\r\n").await;
    console.until("written before").await;
    let saved = async || {
        let all = recordings(&web, "").await;
        let [one] = all.as_slice() else { return None };
        let shown = cast(&web, &one["id"]).await.1;
        shown.contains("written before").then(|| one.clone())
    };
    let one = eventually("it is saved while it goes on", saved).await;
    assert_eq!(one["ended_at"], Value::Null);
    doomed.kill();
    let (_, shown) = cast(&web, &one["id"]).await;
    assert!(shown.contains("written before"), "{shown}");
    // Nobody has written to it for long: the scan of any other region ends it.
    let mut conn = stack.connection().await;
    assert_eq!(db::recording::end_silent(&mut conn, Duration::from_secs(300)).await.unwrap(), 0, "not at once");
    let silent = "update console_recordings set written_at = now() - interval '301 seconds'";
    diesel::sql_query(silent).execute(&mut conn).await.unwrap();
    assert_eq!(db::recording::end_silent(&mut conn, Duration::from_secs(300)).await.unwrap(), 1);
    let all = recordings(&web, "").await;
    assert!(all[0]["ended_at"].is_string() && all[0]["is_whole"] == json!(false), "{all:?}");
    stop_rescue(&stack).await;
    stack.finish().await;
}
