//! A service that speaks the contract byte for byte over real HTTP, from answers that a test writes down; it remembers what it was asked.
//!
//! Answers are kept by `METHOD /path` in order; the last one of a path stays. `/servers/{id}/console` is a small shell behind a WebSocket.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// As on the wire: encoded, with its query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

#[derive(Clone)]
pub enum Answer {
    Json(u16, String),
    /// Status, content type, body.
    Raw(u16, &'static str, String),
    /// JSON, beside a header.
    With(u16, (&'static str, &'static str), String),
    /// The connection is cut without an answer.
    Cut,
}

#[derive(Default)]
struct Book {
    answers: HashMap<String, VecDeque<Answer>>,
    seen: Vec<Seen>,
    tokens: usize,
    valid: Option<String>,
    advertised: Option<String>,
}

#[derive(Clone)]
pub struct Region {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

pub const PASSWORD: &str = "correct-horse-battery";

impl Region {
    /// Starts on a free port of loopback, in the runtime of the caller.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let region = Self { address: listener.local_addr().unwrap(), book: Arc::default() };
        let app = region.app();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        region
    }

    /// The service itself, for another listener.
    pub fn app(&self) -> axum::Router {
        axum::Router::new().fallback(answer).with_state(self.clone())
    }

    /// The catalog names another URL.
    pub fn advertise(&self, url: &str) {
        self.book.lock().unwrap().advertised = Some(url.into());
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    pub fn auth_url(&self) -> String {
        format!("{}/v3", self.url())
    }

    /// Adds an answer for `METHOD /path` (as on the wire, without query).
    pub fn on(&self, what: &str, answer: Answer) -> &Self {
        self.book.lock().unwrap().answers.entry(what.into()).or_default().push_back(answer);
        self
    }
    pub fn json(&self, what: &str, status: u16, body: impl ToString) -> &Self {
        self.on(what, Answer::Json(status, body.to_string()))
    }

    /// What came for paths that begin so, in order.
    pub fn seen(&self, what: &str) -> Vec<Seen> {
        let all = self.book.lock().unwrap().seen.clone();
        all.into_iter().filter(|s| format!("{} {}", s.method, s.target).starts_with(what)).collect()
    }

    /// The token in use is good no longer.
    pub fn revoke(&self) {
        self.book.lock().unwrap().valid = None;
    }
}

/// The flat error body.
pub fn error(status: u16, class: &str, details: &str) -> String {
    serde_json::json!({"code": status, "class": class, "details": details, "time": "2026-11-23T10:00:00Z", "request_id": "req-1"}).to_string()
}

async fn answer(State(region): State<Region>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let method = parts.method.to_string();
    let path = parts.uri.path().to_owned();
    let seen = Seen {
        method: method.clone(),
        target: parts.uri.to_string(),
        headers: parts.headers.clone(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let chosen = {
        let mut book = region.book.lock().unwrap();
        book.seen.push(seen.clone());
        let key = format!("{method} {path}");
        match book.answers.get_mut(&key) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        }
    };
    if path == "/v3/auth/tokens" {
        return match chosen {
            Some(answer) => render(answer),
            None => tokens(&region, &seen),
        };
    }
    let known = region.book.lock().unwrap().valid.as_deref() == Some(seen.header("x-auth-token"));
    if !known {
        return render(Answer::Json(401, error(401, "UnauthorizedError", "the token is not known, or has ended")));
    }
    if let Some(answer) = chosen {
        return render(answer);
    }
    if path.ends_with("/console") {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade.on_upgrade(shell),
            Err(_) => render(Answer::Json(400, error(400, "InputParameterError", "a WebSocket is wanted"))),
        };
    }
    let id = path.rsplit('/').next().unwrap_or_default();
    render(Answer::Json(404, error(404, "ResourceNotFoundError", &format!("server {id} not found"))))
}

fn tokens(region: &Region, seen: &Seen) -> Response {
    let request: serde_json::Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let by_password = request["auth"]["identity"]["password"]["user"]["password"] == PASSWORD;
    let mut book = region.book.lock().unwrap();
    let by_token = seen.method == "GET" && book.valid.as_deref() == Some(seen.header("x-subject-token"));
    if !by_password && !by_token {
        return render(Answer::Json(401, error(401, "UnauthorizedError", "user or password is wrong")));
    }
    if by_password {
        book.tokens += 1;
        book.valid = Some(format!("token-{}", book.tokens));
    }
    let token = book.valid.clone().unwrap();
    let url = book.advertised.clone().unwrap_or_else(|| region.url());
    let endpoint = |interface: &str, region_id: &str, url: &str| serde_json::json!({"id": "", "interface": interface, "region": region_id, "region_id": region_id, "url": url, "name": ""});
    let body = serde_json::json!({"token": {
        "methods": ["password"], "issued_at": "2026-11-23T10:00:00Z", "expires_at": "2126-11-23T10:00:00Z",
        "user": {"id": "u1", "name": "admin", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": "p1", "name": "system", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r1", "name": "admin"}],
        "catalog": [
            {"id": "", "name": "region2", "type": "compute_v2", "endpoints": [
                endpoint("internal", "region0", "http://127.0.0.1:1"),
                endpoint("public", "region0", &url),
                endpoint("public", "region1", "http://127.0.0.1:1"),
            ]},
            {"id": "", "name": "keystone", "type": "identity", "endpoints": []},
        ],
    }});
    Response::builder()
        .status(201)
        .header("content-type", "application/json")
        .header("x-subject-token", token)
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn render(answer: Answer) -> Response {
    let response = |status: u16, kind: &str, body: String| {
        Response::builder()
            .status(StatusCode::from_u16(status).unwrap())
            .header("content-type", kind)
            .body(Body::from(body))
            .unwrap()
    };
    match answer {
        Answer::Json(status, body) => response(status, "application/json", body),
        Answer::Raw(status, kind, body) => response(status, kind, body),
        Answer::With(status, (name, value), body) => {
            let mut response = response(status, "application/json", body);
            response.headers_mut().insert(name, value.parse().unwrap());
            response
        }
        // Unwinding ends the connection's task, and so the connection; without a message.
        Answer::Cut => std::panic::resume_unwind(Box::new("cut")),
    }
}

/// A serial console: a prompt, the echo of what is typed, an answer in colour to `hello`, and an end on `exit` or `crash`.
async fn shell(mut socket: WebSocket) {
    let say = async |socket: &mut WebSocket, text: &str| {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        socket.send(Message::Binary(bytes)).await.is_ok()
    };
    say(&mut socket, "\x1b[2Jweb1 login: root\r\n").await;
    say(&mut socket, "# ").await;
    let mut line = String::new();
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Binary(bytes) = message else { continue };
        for byte in bytes {
            if !matches!(byte, b'\r' | b'\n') {
                line.push(char::from(byte));
                continue;
            }
            let reply = match std::mem::take(&mut line).as_str() {
                "hello" => "hello\r\n\x1b[31mw\x1b[0morld\r\n# ".to_owned(),
                "exit" => {
                    let _ = socket.send(Message::Close(None)).await;
                    return;
                }
                "crash" => {
                    let reason = "the server was switched off".into();
                    let _ = socket.send(Message::Close(Some(CloseFrame { code: 1011, reason }))).await;
                    return;
                }
                other => format!("{other}\r\n# "),
            };
            if !say(&mut socket, &reply).await {
                return;
            }
        }
    }
}

/// A server's full body in a status.
pub fn server(name: &str, status: &str, power: &str) -> serde_json::Value {
    let rescue = status.contains("rescue");
    serde_json::json!({
        "id": id_of(name), "name": name, "status": status, "status_reason": null, "power_state": power,
        "hypervisor": "kvm", "host_id": "0198c7a6-0000-7000-8000-0000000000f0", "host": "h1", "arch": "x86_64",
        "machine": "q35", "firmware": "bios", "vcpu_count": 1, "vmem_size": 512,
        "disks": [{"id": "0198c7a6-0000-7000-8000-0000000000d0", "index": 0, "size": 1024, "driver": "virtio",
                   "format": "qcow2", "image": "tiny.qcow2", "serial": "d0"}],
        "nics": [{"index": 0, "mac": "52:54:00:12:34:56", "model": "virtio",
                  "forwards": [{"host_port": 2222, "guest_port": 22}]}],
        "rescue_mode": rescue,
        "rescue_session_id": if rescue { serde_json::json!(SESSION) } else { serde_json::Value::Null },
        "task": null, "metadata": {}, "created_at": "2026-11-23T10:00:00Z", "updated_at": "2026-11-23T10:00:00Z",
        "update_version": 1, "a_key_of_tomorrow": true,
    })
}

pub const SESSION: &str = "0198c7a6-0000-7000-8000-00000000005e";
pub const TASK: &str = "0198c7a6-0000-7000-8000-0000000000a1";

/// An id that is always the same for a name.
pub fn id_of(name: &str) -> String {
    let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("0198c7a6-0000-7000-8000-0000{sum:08x}")
}

/// A task: stages as `(name, ended, error, way back)`, one second each.
pub fn task(id: &str, state: &str, stages: &[(&str, bool, Option<&str>, bool)]) -> serde_json::Value {
    let at = |second: usize| format!("2026-11-23T10:00:{second:02}Z");
    let over = matches!(state, "succeeded" | "failed" | "cancelled");
    let list: Vec<_> = stages
        .iter()
        .enumerate()
        .map(|(i, (stage, ended, error, way_back))| {
            serde_json::json!({"stage": stage, "started_at": at(i), "ended_at": ended.then(|| at(i + 1)), "attempts": 1,
                               "error": error, "way_back": way_back})
        })
        .collect();
    serde_json::json!({
        "id": id, "task_name": "StartRescueTask", "state": state, "is_complete": over,
        "stage": stages.last().map_or("", |s| s.0), "way_back": stages.last().is_some_and(|s| s.3),
        "obj_type": "server", "obj_id": id_of("web1"), "obj_name": "web1", "parent_task_id": null,
        "request_id": "req-1", "user": "admin",
        "cause": (state == "failed").then_some("the rescue system did not prove itself in 60 s"),
        "evidence": if state == "failed" { vec!["Kernel panic \u{1b}]0;evil\u{7}- not syncing", "---[ end ]---"] } else { vec![] },
        "stages": list, "created_at": at(0), "updated_at": at(stages.len()),
        "ended_at": over.then(|| at(stages.len())),
    })
}
