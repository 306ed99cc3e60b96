//! Callers who mean harm, as bytes on a socket: what they send is refused, cut off, or taken for the text that it is; others are served
//! meanwhile.

use std::time::{Duration, Instant};

use region::Config;
use serde_json::{Value, json};
use testing::{Setup, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_not_unpacked() {
    let stack = Stack::start().await;
    let web = stack.web().await;
    // A body that says it is packed is what it is: bytes that are no JSON, however large they would become.
    let packed: Vec<u8> = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].into_iter().chain([0; 4096]).collect();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let request = web
            .request("POST", "/servers")
            .header("content-type", "application/json")
            .header("content-encoding", coding)
            .body(packed.clone());
        let (status, answer) = web.send(request).await;
        assert!(status == 400 || status == 415, "{coding}: {status} {answer}");
    }
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
