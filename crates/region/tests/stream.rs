//! `GET /stream` as a client sees it: every change once, whatever commits in whichever order, wherever the stream was cut; and only to those who
//! may see it, while they may.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};
use testing::{LIMIT, Stack, Web, eventually};

/// One event of a stream.
#[derive(Debug, Clone)]
struct Told {
    event: String,
    id: String,
    data: Value,
}

/// A stream, read line by line.
struct Stream {
    response: reqwest::Response,
    text: Vec<u8>,
    /// How often it only said that it is alive.
    alive: usize,
}

impl Stream {
    async fn open(web: &Web, query: &str, last: Option<&str>) -> Result<Self, (u16, Value)> {
        let mut request = web.request("GET", &format!("/stream?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        if status != 200 {
            return Err((status, response.json().await.unwrap()));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Self { response, text: Vec::new(), alive: 0 })
    }

    /// The next event; `None`: the stream has ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field = |name: &str| {
                    let values = block.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
                    values.map(str::trim_start).collect::<Vec<_>>().join("\n")
                };
                if field("event") == "alive" {
                    assert_eq!(field("id"), "", "it is no place to go on from");
                    self.alive += 1;
                    continue;
                }
                let data = serde_json::from_str(&field("data")).unwrap();
                return Some(Told { event: field("event"), id: field("id"), data });
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await.expect("the stream says something");
            self.text.extend_from_slice(&chunk.ok()??);
        }
    }

    /// Reads on until there is one like this.
    async fn until(&mut self, mut like: impl FnMut(&Told) -> bool) -> Told {
        loop {
            let told = self.next().await.expect("the stream goes on");
            if like(&told) {
                return told;
            }
        }
    }

    async fn ready(&mut self) -> Told {
        self.until(|told| told.event == "ready").await
    }
}

const INSERT: &str = "insert into events (obj_type, obj_id, obj_name, action, success, notes, user_name, project)
    values ('server', gen_random_uuid(), 'x', 'bulk', true,";

fn event(notes: &str) -> String {
    format!("{INSERT} '{notes}', 'admin', 'system')")
}

/// Any numbers will do, the same each time.
struct Dice(u64);
impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Transactions long and short write at once; readers on two replicas are cut at any point and come back, each time to the other replica, with
/// the last id that they saw.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_told_exactly_once() {
    const WRITERS: u64 = 8;
    const TRANSACTIONS: u64 = 40;
    let stack = Stack::start().await;
    let second = stack.replica().await;
    let first = stack.web().await;
    let other = Web { base: format!("http://{}", second.http), http: first.http.clone(), token: first.token.clone() };
    let mut starts = Vec::new();
    for _ in 0..3 {
        starts.push(Stream::open(&first, "resource=events", None).await.unwrap().ready().await.id);
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let connection = stack.connection();
            async move {
                let mut conn = connection.await;
                let mut dice = Dice(writer);
                let mut written = 0;
                for n in 0..TRANSACTIONS {
                    let rows = 1 + dice.below(4);
                    let mut sql = String::from("begin;");
                    for row in 0..rows {
                        sql.push_str(&event(&format!("{writer}.{n}.{row}")));
                        // Some are open for long: what began after them commits before them.
                        sql.push_str(&format!(
                            "; select pg_sleep({});",
                            [0.0, 0.0, 0.002, 0.03][dice.below(4) as usize]
                        ));
                    }
                    let kept = dice.below(8) != 0;
                    sql.push_str(if kept { "commit" } else { "rollback" });
                    conn.batch_execute(&sql).await.unwrap();
                    written += if kept { rows } else { 0 };
                }
                written
            }
        })
        .collect();
    let written = futures::future::join_all(writers);
    let ends = async {
        let written: u64 = written.await.into_iter().sum();
        let mut conn = stack.connection().await;
        conn.batch_execute(&event("the end")).await.unwrap();
        written as usize
    };
    let readers = starts.into_iter().enumerate().map(|(n, start)| {
        let (first, other) = (&first, &other);
        async move {
            let mut dice = Dice(100 + n as u64);
            let (mut last, mut seen, mut turns) = (start, BTreeMap::<String, usize>::new(), 0);
            'all: loop {
                let web = if turns % 2 == 0 { first } else { other };
                turns += 1;
                let mut stream = Stream::open(web, "resource=events", Some(&last)).await.unwrap();
                for _ in 0..1 + dice.below(25) {
                    let told = stream.next().await.expect("the stream goes on");
                    assert!(["ready", "event"].contains(&told.event.as_str()), "{told:?}");
                    last = told.id.clone();
                    if told.event == "event" && told.data["event"]["action"] == "bulk" {
                        let notes = told.data["event"]["notes"].as_str().unwrap().to_owned();
                        if notes == "the end" {
                            break 'all;
                        }
                        *seen.entry(notes).or_default() += 1;
                    }
                }
            }
            (seen, turns)
        }
    });
    let (written, readers) = futures::join!(ends, futures::future::join_all(readers));
    assert!(written > 300, "{written}");
    for (seen, turns) in readers {
        let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "told twice: {twice:?}");
        assert_eq!(seen.len(), written, "after {turns} connections");
        assert!(turns > 10, "the stream was cut {turns} times");
    }
    second.shutdown().await;
    stack.finish().await;
}

/// What a rescue looks like to somebody who listens, and to somebody who listens to one server only.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_its_tasks_are_followed() {
    let stack = Stack::start().await;
    let (one, two) = (stack.server("web1", false).await, stack.server("web2", false).await);
    let web = stack.web().await;
    let mut all = Stream::open(&web, "", None).await.unwrap();
    all.ready().await;
    let mut only = Stream::open(&web, "resource=servers,tasks&id=web2", None).await.unwrap();
    only.ready().await;
    for server in [&one, &two] {
        let path = format!("/servers/{}/start", server.id);
        let (status, answer) = web.send(web.request("POST", &path).json(&json!({}))).await;
        assert_eq!(status, 202, "{answer}");
    }
    for id in [one.id, two.id] {
        let id = id.to_string();
        let (mut running, mut ended, mut logged) = (false, false, false);
        // Of the first server on the stream of everything, of the second on that of its own.
        let stream = if id == one.id.to_string() { &mut all } else { &mut only };
        stream
            .until(|told| {
                running |= told.event == "server"
                    && told.data["server"]["id"] == *id
                    && told.data["server"]["status"] == "running";
                let task = &told.data["task"];
                ended |= told.event == "task"
                    && task["obj_id"] == *id
                    && task["state"] == "succeeded"
                    && task["stages"].is_array();
                logged |= told.event == "event" && told.data["event"]["obj_id"] == *id;
                if id == two.id.to_string() {
                    assert!(told.event != "event", "{told:?}");
                    assert!([&told.data["server"]["id"], &task["obj_id"]].contains(&&json!(id)), "{told:?}");
                    return running && ended;
                }
                running && ended && logged
            })
            .await;
    }
    let (status, _) = web.send(web.request("DELETE", "/servers/web2").json(&json!({"force": true}))).await;
    if status == 202 {
        only.until(|told| told.data["deleted_at"].is_string()).await;
    }
    drop((all, only));
    eventually("all tasks end", async || {
        (web.send(web.request("GET", "/tasks?is_complete=false")).await.1["total"] == 0).then_some(())
    })
    .await;
    stack.finish().await;
}

async fn user(admin: &Web, name: &str, project: &str, role: &str) -> Web {
    let post = |path: String, body: Value| admin.send(admin.request("POST", &path).json(&body));
    post("/projects".into(), json!({"name": project})).await;
    post("/users".into(), json!({"name": name, "password": "correct horse"})).await;
    let (status, answer) = post(format!("/projects/{project}/join"), json!({"users": [name], "roles": [role]})).await;
    assert!(status < 300, "{answer}");
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": name, "password": "correct horse"}}}}});
    let answer = admin.http.post(format!("{}/v3/auth/tokens", admin.base)).json(&body).send().await.unwrap();
    let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    Web { http: admin.http.clone(), base: admin.base.clone(), token: token.into() }
}

/// Foreign rows are not told; a token that ends, or a role that is taken away, ends the stream with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn rights_are_checked_per_row_and_again_while_it_runs() {
    let stack = Stack::start().await;
    let admin = stack.web().await;
    let ann = user(&admin, "ann", "p1", "project_viewer").await;
    let bob = user(&admin, "bob", "p1", "project_viewer").await;
    let mut streams = Vec::new();
    for web in [&ann, &bob] {
        let mut stream = Stream::open(web, "resource=events", None).await.unwrap();
        stream.ready().await;
        streams.push(stream);
    }
    let mut conn = stack.connection().await;
    conn.batch_execute(&event("foreign")).await.unwrap();
    conn.batch_execute(&event("own").replace("'system'", "'p1'")).await.unwrap();
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().data["event"]["notes"], "own");
    }
    let revoke = ann.request("DELETE", "/v3/auth/tokens").header("x-subject-token", ann.token.expose());
    assert_eq!(revoke.send().await.unwrap().status().as_u16(), 204);
    let (status, _) = admin
        .send(admin.request("POST", "/projects/p1/leave").json(&json!({"users": ["bob"], "roles": ["project_viewer"]})))
        .await;
    assert!(status < 300);
    for (stream, class) in streams.iter_mut().zip(["UnauthorizedError", "ForbiddenError"]) {
        let told = stream.until(|told| told.event != "event").await;
        assert_eq!((told.event.as_str(), &told.data["class"]), ("error", &json!(class)));
        assert!(stream.next().await.is_none(), "it has ended");
    }
    for (query, status, class) in [
        ("resource=hosts", 400, "InputParameterError"),
        ("id=nosuch", 404, "ResourceNotFoundError"),
        ("last_event_id=x", 400, "InputParameterError"),
    ] {
        let (got, answer) = Stream::open(&admin, query, None).await.err().unwrap();
        assert_eq!((got, &answer["class"]), (status, &json!(class)), "{query}");
    }
    assert_eq!(Stream::open(&ann, "", None).await.err().unwrap().0, 401);
    assert_eq!(Stream::open(&bob, "", None).await.err().unwrap().0, 403);
    stack.finish().await;
}

/// Streams are limited per token, kept alive while nothing happens, and told when what they ask for is gone.
#[tokio::test(flavor = "multi_thread")]
async fn limits_life_and_resets() {
    let mut setup = testing::Setup::default();
    setup.config.stream.max_per_token = 2;
    setup.config.stream.keep_alive_s = 1;
    let stack = Stack::start_with(setup).await;
    let web = stack.web().await;
    let mut first = Stream::open(&web, "", None).await.unwrap();
    let ready = first.ready().await;
    assert_eq!(ready.data["keep_alive_s"], 1);
    let start = ready.id;
    let second = Stream::open(&web, "", None).await.unwrap();
    let (status, answer) = Stream::open(&web, "", None).await.err().unwrap();
    assert_eq!((status, &answer["class"]), (429, &json!("TooManyRequestsError")));
    drop(second);
    eventually("a place is free again", async || Stream::open(&web, "", None).await.ok()).await;

    // Nothing happens: that is said, so that silence means a dead connection.
    let mut conn = stack.connection().await;
    tokio::time::timeout(LIMIT, async {
        while first.alive < 2 {
            let _ = tokio::time::timeout(Duration::from_millis(100), first.next()).await;
        }
    })
    .await
    .unwrap();

    // What is kept is told again, once.
    for n in 0..3 {
        conn.batch_execute(&event(&n.to_string())).await.unwrap();
    }
    first.until(|told| told.data["event"]["notes"] == "2").await;
    drop(first);
    let reopened = |last: String| {
        let web = &web;
        async move {
            eventually("a place is free", async || Stream::open(web, "resource=events", Some(&last)).await.ok()).await
        }
    };
    let mut again = reopened(start.clone()).await;
    for n in 0..3 {
        assert_eq!(again.next().await.unwrap().data["event"]["notes"], n.to_string());
    }
    drop(again);

    // Forgotten: the reader is told to list again, with an id that works.
    while db::change::prune(&mut conn, Duration::ZERO, 1000).await.unwrap() > 0 {}
    let mut lost = reopened(start.clone()).await;
    let told = lost.next().await.unwrap();
    assert_eq!(told.event, "reset");
    assert!(lost.next().await.is_none());
    let mut fresh = reopened(told.id).await;
    assert_eq!(fresh.next().await.unwrap().event, "ready");
    drop(fresh);

    // An id of another database, from the future.
    let mut foreign = reopened("999999999999.1".into()).await;
    assert_eq!(foreign.next().await.unwrap().event, "reset");
    drop(foreign);

    // As after a crash of the database, which empties what is not logged.
    let at = reopened(String::new()).await.ready().await.id;
    conn.batch_execute("truncate changes, changes_floor").await.unwrap();
    diesel::sql_query("select pg_current_xact_id()").execute(&mut conn).await.unwrap();
    let mut crashed = reopened(at).await;
    assert_eq!(crashed.next().await.unwrap().event, "reset");
    stack.finish().await;
}

/// Whoever does not read is cut off; nobody else waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_cut_and_nobody_waits_for_it() {
    let stack = Stack::start().await;
    let web = stack.web().await;
    let mut slow = Stream::open(&web, "resource=events", None).await.unwrap();
    slow.ready().await;
    let mut quick = Stream::open(&web, "resource=events", None).await.unwrap();
    quick.ready().await;
    let mut conn = stack.connection().await;
    // More than the connection and the queue can hold, in rows of a kilobyte.
    let many = "insert into events (obj_type, obj_id, obj_name, action, success, notes, user_name, project)
        select 'server', gen_random_uuid(), 'x', 'bulk', true, repeat('n', 2000), 'admin', 'system' from generate_series(1, 2000)";
    for _ in 0..10 {
        conn.batch_execute(many).await.unwrap();
        for _ in 0..2000 {
            quick.until(|told| told.data["event"]["action"] == "bulk").await;
        }
    }
    let last = slow.until(|told| told.event == "error").await;
    assert_eq!(last.data["class"], "TooManyRequestsError");
    assert!(slow.next().await.is_none());
    stack.finish().await;
}
