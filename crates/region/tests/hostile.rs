//! Callers who mean harm, as bytes on a socket: what they send is refused, cut off, or taken for the text that it is; others are served
//! meanwhile.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use api::server::Start;
use api::task::TaskState;
use host_sim::{Behaviour, Verb};
use region::Config;
use serde_json::{Value, json};
use testing::{RegionProcess, Setup, Stack, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use types::operation::{Failure, FailureCode};

const LIMIT: Duration = Duration::from_secs(60);

/// Sends the bytes and gives all that comes back until the other end closes, or `LIMIT`.
async fn exchange(stack: &Stack, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&stack.config().http.listen).await.unwrap();
    // It may be closed in the middle of it.
    let _ = stream.write_all(bytes).await;
    let mut said = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "it is still open after {LIMIT:?}: {}", String::from_utf8_lossy(&said));
    String::from_utf8_lossy(&said).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_the_connection_closed() {
    let stack = Stack::start().await;
    let token = stack.web().await.token;
    let head = |rest: &str| {
        let token = token.expose();
        format!("POST /servers HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nConnection: close\r\n{rest}")
    };
    let body = r#"{"name":"smuggled","disks":[{"size":1}]}"#;
    let long = "a".repeat(1 << 20);
    let many: String = (0..2000).map(|n| format!("X-{n}: y\r\n")).collect();
    for (what, bytes) in [
        ("two lengths", head(&format!("Content-Length: 5\r\nContent-Length: 6\r\n\r\n{body}"))),
        ("a length that is none", head(&format!("Content-Length: +7\r\n\r\n{body}"))),
        ("a negative length", head(&format!("Content-Length: -1\r\n\r\n{body}"))),
        ("another coding", head(&format!("Transfer-Encoding: gzip\r\n\r\n{body}"))),
        ("a chunk that is none", head("Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n")),
        ("a line that goes on", head(&format!("X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{body}"))),
        ("a name with a blank", head(&format!("Content-Length : 2\r\n\r\n{body}"))),
        ("a control character", head("X-Request-Id: a\x1b[2Jb\r\nContent-Length: 2\r\n\r\n{}")),
        ("a zero", head("X-A: \0\r\nContent-Length: 2\r\n\r\n{}")),
        ("an endless head", head(&format!("X-A: {long}\r\n\r\n"))),
        ("too many heads", head(&format!("{many}\r\n"))),
        ("an endless target", format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n")),
        ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03\r\n\r\n".into()),
    ] {
        let answer = exchange(&stack, bytes.as_bytes()).await;
        assert!(matches!(status(&answer), 0 | 400..=499), "{what}: {}", answer.chars().take(300).collect::<String>());
    }
    let web = stack.web().await;
    assert_eq!(web.send(web.request("GET", "/servers")).await.1["total"], 0, "nothing was made by any of it");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_request_holds_no_connection() {
    let mut config = Config::default();
    config.http.header_timeout_s = 1;
    config.http.max_connections = 24;
    let stack = Stack::start_with(Setup { config, ..Setup::default() }).await;
    let at = stack.config().http.listen.clone();
    // As many as there may be, and more, each with less than a head.
    let mut held = Vec::new();
    for bytes in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "].into_iter().cycle().take(48) {
        let mut stream = TcpStream::connect(&at).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let began = Instant::now();
    let web = tokio::time::timeout(LIMIT, stack.web()).await.expect("others are served");
    assert_eq!(web.send(web.request("GET", "/servers")).await.0, 200);
    println!("served after {:.1?} behind 48 that say nothing", began.elapsed());
    for (n, stream) in held.iter_mut().enumerate() {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "number {n} is still open");
    }
    // Nor does one request buy the rest of the day, or a connection of another version that no time runs in.
    let mut idle = TcpStream::connect(&at).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut other = TcpStream::connect(&at).await.unwrap();
    other.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    for (what, stream, is_answered) in [("after a request", &mut idle, true), ("HTTP/2", &mut other, false)] {
        let mut said = Vec::new();
        let closed = tokio::time::timeout(LIMIT, stream.read_to_end(&mut said)).await;
        assert!(closed.is_ok(), "{what}: it is still open");
        let said = String::from_utf8_lossy(&said);
        assert_eq!(status(&said) == 200, is_answered, "{what}: {said}");
    }
    // A body that comes drop by drop holds its own request, and nobody else's.
    let mut slow = TcpStream::connect(&at).await.unwrap();
    let head = format!(
        "POST /servers HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: 100\r\n\r\n{{",
        web.token.expose()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(web.send(web.request("GET", "/servers")).await.0, 200);
    drop(slow);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_stays_text() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let web = stack.web().await;
    // SQL, wherever a text goes into a query.
    let injected =
        ["' or '1'='1", "'); drop table guests; --", "\\'; select pg_sleep(20); --", "%' union select 1 --", "$1"];
    for text in injected {
        for parameter in ["search", "name", "obj_id", "tags", "scope"] {
            let request = web.request("GET", "/servers").query(&[(parameter, text)]);
            let (status, answer) = web.send(request).await;
            assert!(status == 200 || status == 400, "{parameter}={text}: {status} {answer}");
            assert!(answer["total"].as_i64().unwrap_or(0) <= 1, "{parameter}={text}: {answer}");
        }
        let quoted = text.replace('\'', "''");
        for filter in [format!("name.equals('{quoted}')"), format!("name.in('{text}')"), format!("{text}.equals('a')")]
        {
            let request = web.request("GET", "/servers").query(&[("filter", &filter)]);
            let began = Instant::now();
            let (status, answer) = web.send(request).await;
            assert!(status == 400 || (status == 200 && answer["total"] == 0), "{filter}: {status} {answer}");
            assert!(began.elapsed() < Duration::from_secs(15), "{filter}");
        }
        for order in ["order_by", "order", "field"] {
            let (status, answer) = web.send(web.request("GET", "/servers").query(&[(order, text)])).await;
            assert!(status == 200 || status == 400, "{order}={text}: {status} {answer}");
        }
        let path = format!("/servers/{}", text.replace('%', "%25").replace([' ', '\'', '\\', ';', '$'], "%27"));
        assert_eq!(web.send(web.request("GET", &path)).await.0, 404, "{path}");
    }
    // Line breaks and escapes, wherever a text is kept or told again.
    let nasty = "a\r\nSet-Cookie: x=y\u{1b}[2J\u{202e}";
    for (path, body) in [
        ("/servers", json!({"name": nasty, "disks": [{"size": 1}]})),
        ("/servers/web1/start", json!({"reason": nasty})),
        ("/servers/web1/fly", json!({})),
    ] {
        let answer = web.request("POST", path).header("x-request-id", "ok-1").json(&body).send().await.unwrap();
        assert!(answer.headers().get("set-cookie").is_none(), "{path}");
        assert_eq!(answer.headers()["x-request-id"], "ok-1");
    }
    let (_, answer) = web.send(web.request("GET", "/servers/a%0d%0aSet-Cookie:%20x=y")).await;
    assert_eq!((&answer["class"], &answer["code"]), (&json!("ResourceNotFoundError"), &json!(404)), "{answer}");
    for id in ["a b", "a;b", "<b>", &"x".repeat(65), "é"] {
        let answer = web.request("GET", "/servers/web1").header("x-request-id", id.as_bytes()).send().await.unwrap();
        assert_ne!(answer.headers()["x-request-id"].as_bytes(), id.as_bytes(), "an id of its own instead");
    }
    let (_, servers) = web.send(web.request("GET", "/servers")).await;
    assert_eq!(servers["total"], 1, "{servers}");
    let (_, events) = web.send(web.request("GET", "/events?limit=1000")).await;
    let told = |event: &Value| event.to_string().contains("Set-Cookie");
    assert!(!events["events"].as_array().unwrap().iter().any(told), "{events}");
    stack.finish().await;
}

/// A body of which not enough comes in the time of a request, though never nothing for long.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_body_drop_by_drop_is_cut_off() {
    /// What a request may take in all.
    const TIMEOUT: Duration = Duration::from_secs(30);
    let stack = Stack::start().await;
    let token = stack.web().await.token;
    let (mut reader, mut writer) = TcpStream::connect(&stack.config().http.listen).await.unwrap().into_split();
    let head = format!(
        "POST /servers HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: 10000\r\n\r\n{{",
        token.expose()
    );
    writer.write_all(head.as_bytes()).await.unwrap();
    let (began, mut said) = (Instant::now(), Vec::new());
    let dripping = async {
        let mut drops = tokio::time::interval(Duration::from_millis(250));
        while writer.write_all(b" ").await.is_ok() {
            drops.tick().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => {}
        // It may be reset, as it was still sending.
        read = tokio::time::timeout(TIMEOUT * 2, reader.read_to_end(&mut said)) => {
            assert!(read.is_ok(), "it is still open");
        }
    }
    assert!(began.elapsed() >= TIMEOUT, "cut off early, after {:?}: a slow line is not at fault", began.elapsed());
    let said = String::from_utf8_lossy(&said);
    assert!(matches!(status(&said), 0 | 408 | 503), "{said}");
    let web = stack.web().await;
    assert_eq!(web.send(web.request("GET", "/servers")).await.1["total"], 0);
    stack.finish().await;
}

/// What gzip makes of it, and the same in the format of `deflate` (RFC 1950), which has another head and another sum.
fn packed(stack: &Stack, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let file = stack.folder().join("plain");
    std::fs::write(&file, plain).unwrap();
    let packed = Command::new("gzip").arg("-nc").arg(&file).output().expect("gzip is installed").stdout;
    let (a, b) = plain.iter().fold((1_u32, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    // gzip's head without a name has ten bytes, its end eight (RFC 1952).
    let inner = &packed[10..packed.len() - 8];
    let deflated = [&[0x78, 0x9c][..], inner, &(b << 16 | a).to_be_bytes()].concat();
    (packed, deflated)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_not_unpacked() {
    let stack = Stack::start().await;
    let web = stack.web().await;
    let plain = serde_json::to_vec(&Stack::body("web1", false)).unwrap();
    let ask = |coding: &str, body: Vec<u8>| {
        let request = web.request("POST", "/servers").header("content-type", "application/json");
        web.send(request.header("content-encoding", coding.to_owned()).body(body))
    };
    let (gzip, deflate) = packed(&stack, &plain);
    // Blanks before it: to be had from it only by who unpacks them all.
    let bomb = packed(&stack, &[vec![b' '; 32 << 20], plain.clone()].concat()).0;
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    for (what, coding, body) in [("gzip", "gzip", gzip), ("deflate", "deflate", deflate), ("a bomb", "gzip", bomb)] {
        let began = Instant::now();
        let (status, answer) = ask(coding, body).await;
        assert!(status == 400 || status == 415, "{what}: {status} {answer}");
        assert!(began.elapsed() < Duration::from_secs(15), "{what}: {:?}", began.elapsed());
    }
    assert_eq!(web.send(web.request("GET", "/servers")).await.1["total"], 0, "nothing was made by any of it");
    let (status, answer) = ask("identity", plain).await;
    assert_eq!(status, 202, "as it is, it is acceptable: {answer}");
    stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    // YAML that refers to itself, again and again.
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (n, name) in ('b'..='l').enumerate() {
        let before = char::from(b'a' + u8::try_from(n).unwrap());
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "));
    }
    let began = Instant::now();
    let request = web.request("POST", "/policies").header("content-type", "application/yaml").body(bomb);
    let (status, answer) = web.send(request).await;
    assert!((400..500).contains(&status), "{status} {answer}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    stack.finish().await;
}

/// An image is a file of the host's folder, by its name: no address, no path.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_for_a_caller() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let web = stack.web().await;
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let own = format!("http://{}/x", inside.local_addr().unwrap());
    let digest = "0".repeat(64);
    let told = stack.host.executions().len();
    for image in [
        "http://169.254.169.254/x",
        "https://169.254.169.254/latest/meta-data/",
        &own,
        &format!("{own}#sha256={digest}"),
        "file:///etc/passwd",
        "nbd://127.0.0.1/x",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "..",
        "",
    ] {
        let server = json!({"name": "web2", "disks": [{"image": image, "size": 100}]});
        for (path, body) in [
            ("/servers", server),
            ("/servers/web1/attach-disk", json!({"image": image, "size": 100})),
            ("/servers/web1/insert-iso", json!({"iso": image})),
        ] {
            let (status, answer) = web.send(web.request("POST", path).json(&body)).await;
            assert_eq!(status, 400, "{path} {image}: {answer}");
            let why = answer["details"].as_str().unwrap_or_default();
            assert!(why.contains("host's image folder"), "{path} {image}: it says what is wanted: {why}");
        }
    }
    assert_eq!(web.send(web.request("GET", "/servers")).await.1["total"], 1);
    assert_eq!(stack.host.executions().len(), told, "no host was asked for anything");
    assert!(inside.accept().is_err(), "somebody was sent there");
    stack.finish().await;
}

/// A host, which repeats what a guest says; who logs in; a path: none of them writes a line of their own into the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_say_adds_no_line_to_the_log() {
    let mut stack = Stack::start().await;
    stack.server("web1", false).await;
    stack.kill_region().await;
    let program = Path::new(env!("CARGO_BIN_EXE_region"));
    let region = RegionProcess::start(program, stack.config(), stack.folder(), "region").await;

    let line = "2026-11-23T10:00:00.000000Z ERROR region: forged";
    let evil = format!("no\r\n{line}\u{1b}[2J\u{9b}");
    let failure = Failure { code: FailureCode::Qemu, message: evil.clone(), evidence: vec![evil.clone()] };
    stack.host.once(Verb::StartGuest, Behaviour::failing(failure));
    let task = stack.client.perform("web1", &Start {}).await.unwrap().task.unwrap().id;
    assert_eq!(stack.ended(task).await.state, TaskState::Failed);
    let web = stack.web().await;
    let user = json!({"name": evil, "domain": {"name": "Default"}, "password": "x"});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    let agent = web.request("POST", "/v3/auth/tokens").header("user-agent", b"x\xc2\x9b2J".as_slice());
    assert_eq!(web.send(agent.json(&body)).await.0, 401);
    let path = "/servers/no%0d%0a2026-11-23T10:00:00.000000Z%20ERROR%20region:%20forged%1b[2J";
    assert_eq!(web.send(web.request("GET", path)).await.0, 404);

    let log =
        eventually("all three are told", async || Some(region.log()).filter(|log| log.matches("forged").count() >= 3))
            .await;
    for told in log.lines() {
        assert!(!told.starts_with(line), "{log}");
        assert!(!told.contains(char::is_control), "{told:?}");
    }
    drop(region);
    stack.finish().await;
}
