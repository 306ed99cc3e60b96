//! Consoles over real WebSockets: who opens one, with what, from where; what happens to a reader that is slow, and to one whose session ends.

#[path = "identity/actors.rs"]
mod actors;
#[path = "identity/client.rs"]
mod client;
#[path = "consoles/socket.rs"]
mod socket;

use std::time::Duration;

use actors::Actors;
use client::{Browser, send};
use serde_json::json;
use socket::Socket;
use testing::{LIMIT, Setup, Stack, eventually};
use types::GuestId;

async fn ticket(browser: &Browser, server: &str, kind: &str) -> String {
    let path = format!("/servers/{server}/console-ticket");
    let (status, answer) = send(browser.request("POST", &path).json(&json!({"kind": kind}))).await;
    assert_eq!(status, 200, "{answer}");
    answer["console"]["ticket"].as_str().expect("a ticket").to_owned()
}

/// Prints to all who read this console, once there are so many.
async fn print(stack: &Stack, guest: GuestId, text: &str, readers: usize) {
    let printed = async || (stack.host.print(guest, text.as_bytes()).await == readers).then_some(());
    eventually("readers", printed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_a_console_with_a_ticket_beside_its_protocol() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let browser = Browser::admin(&stack).await;
    let ticket = ticket(&browser, "web1", "console").await;
    let path = "/servers/web1/console";
    let own = browser.base.clone();
    let protocols = format!("binary, ticket.{ticket}");
    let headers = [("origin", own.as_str()), ("cookie", &browser.cookie), ("sec-websocket-protocol", &protocols)];
    let mut console = Socket::open(&stack, path, &headers).await.expect("it opens");
    assert_eq!(console.protocol.as_deref(), Some("binary"), "the ticket is never said back");
    console.until("simulated console of web1").await;
    console.send("uname\r").await;
    console.until("uname\r").await;
    let shown = console.shown;
    console.close().await;
    // Opened and closed, by whom, from where, for how long.
    let closed = async || {
        let (_, events) = send(browser.bare("GET", "/events?obj_id=web1&action.0=console_close")).await;
        events["events"].as_array().and_then(|rows| rows.first().cloned())
    };
    let event = eventually("the event of the end", closed).await;
    let notes = event["notes"].as_str().unwrap();
    assert!(notes.contains("by the caller") && notes.ends_with(&format!("{shown} bytes shown, 6 typed")), "{notes}");
    assert_eq!((&event["user"], &event["source"]), (&json!("admin"), &json!("127.0.0.1")));
    let (_, events) = send(browser.bare("GET", "/events?obj_id=web1&action.0=console")).await;
    assert_eq!(events["total"], json!(1));
    // Once.
    let (status, _) = Socket::open(&stack, path, &headers).await.err().expect("refused");
    assert_eq!(status, 401);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_foreign_page_opens_a_console_whatever_it_has() {
    let mut setup = Setup::default();
    setup.config.web.origins = vec!["https://dashboard.example.org".into()];
    let stack = Stack::start_with(setup).await;
    stack.server("web1", true).await;
    let browser = Browser::admin(&stack).await;
    let token = stack.web().await.token;
    let (path, own) = ("/servers/web1/console", browser.base.clone());
    let with = |protocol: &str| format!("binary, ticket.{protocol}");
    for origin in [
        "https://evil.example.org",
        "http://localhost",
        "http://127.0.0.1:1",
        "null",
        "https://dashboard.example.org.evil.org",
    ] {
        // Not with a cookie, a token, or a ticket that is good.
        let fresh = with(&ticket(&browser, "web1", "console").await);
        for (name, value) in
            [("cookie", browser.cookie.as_str()), ("x-auth-token", token.expose()), ("sec-websocket-protocol", &fresh)]
        {
            let refused =
                Socket::open(&stack, path, &[("origin", origin), (name, value)]).await.err().expect("refused");
            assert_eq!(
                (refused.0, &refused.1["class"]),
                (403, &json!("ForbiddenError")),
                "{origin} {name}: {}",
                refused.1
            );
        }
        // It was not used up by the attempt.
        let console = Socket::open(&stack, path, &[("origin", &own), ("sec-websocket-protocol", &fresh)]).await;
        console.expect("it opens").close().await;
    }
    // A page that is listed needs a ticket still; our own page may come with the cookie alone, a program with its token.
    let listed = "https://dashboard.example.org";
    let (status, _) = Socket::open(&stack, path, &[("origin", listed)]).await.err().expect("refused");
    assert_eq!(status, 401);
    let fresh = with(&ticket(&browser, "web1", "console").await);
    for headers in [
        [("origin", listed), ("sec-websocket-protocol", fresh.as_str())],
        [("origin", &own), ("cookie", &browser.cookie)],
        [("x-auth-token", token.expose()), ("user-agent", "climc")],
    ] {
        let mut console = Socket::open(&stack, path, &headers).await.expect("it opens");
        console.until("simulated console").await;
        console.close().await;
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_for_one_user_one_server_one_kind_and_lives_as_long_as_its_session() {
    let actors = Actors::start().await;
    let stack = &actors.stack;
    let guest = stack.server("web1", true).await.id;
    stack.server("web2", true).await;
    actors.post("/users", json!({"name": "ann", "password": "correct horse"})).await;
    actors.post("/projects/system/join", json!({"users": ["ann"], "roles": ["project_owner"]})).await;
    let login = json!({"username": "ann", "password": "correct horse"});
    let (admin, ann) = (Browser::admin(stack).await, Browser::log_in(stack, login.clone()).await.expect("a session"));
    let open = async |path: &str, ticket: &str, cookie: &str| {
        let protocols = format!("binary, ticket.{ticket}");
        let headers = [("origin", admin.base.as_str()), ("cookie", cookie), ("sec-websocket-protocol", &protocols)];
        Socket::open(stack, path, &headers).await
    };
    // Somebody else's cookie beside it; another server; another kind; another name of the same server.
    let mine = ticket(&ann, "web1", "console").await;
    assert_eq!(open("/servers/web1/console", &mine, &admin.cookie).await.err().expect("refused").0, 403);
    assert_eq!(open("/servers/web1/console", &mine, &ann.cookie).await.err().expect("gone").0, 401);
    let mine = ticket(&ann, "web1", "console").await;
    assert_eq!(open("/servers/web2/console", &mine, &ann.cookie).await.err().expect("refused").0, 401);
    let mine = ticket(&ann, "web1", "console").await;
    assert_eq!(open("/servers/web1/vnc", &mine, &ann.cookie).await.err().expect("refused").0, 401);
    let mine = ticket(&ann, "web1", "console").await;
    open(&format!("/servers/{guest}/console"), &mine, "").await.expect("it opens").close().await;

    // The role went away; the session ended.
    let mine = ticket(&ann, "web1", "console").await;
    actors.post("/projects/system/leave", json!({"users": ["ann"], "roles": ["project_owner"]})).await;
    let refused = open("/servers/web1/console", &mine, "").await.err().expect("refused");
    assert!(matches!(refused.0, 403 | 404), "{} {}", refused.0, refused.1);
    actors.post("/projects/system/join", json!({"users": ["ann"], "roles": ["project_owner"]})).await;
    let mine = ticket(&ann, "web1", "console").await;
    assert_eq!(send(ann.request("POST", "/auth/logout")).await.0, 204);
    assert_eq!(open("/servers/web1/console", &mine, "").await.err().expect("refused").0, 401);
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_console_ends_with_its_session_or_its_role() {
    let actors = Actors::start().await;
    let stack = &actors.stack;
    stack.server("web1", true).await;
    actors.post("/users", json!({"name": "ann", "password": "correct horse"})).await;
    actors.post("/projects/system/join", json!({"users": ["ann"], "roles": ["project_owner"]})).await;
    let login = json!({"username": "ann", "password": "correct horse"});
    let expire = async || {
        let sql = "update tokens set expires_at = now() where user_id = (select id from users where name = 'ann')";
        diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut stack.connection().await).await.unwrap();
    };
    let leave = json!({"users": ["ann"], "roles": ["project_owner"]});
    for (how, part) in [("log out", "has ended"), ("expiry", "has ended"), ("disable", "has ended"), ("role", "")] {
        let ann = Browser::log_in(stack, login.clone()).await.expect("a session");
        let protocols = format!("binary, ticket.{}", ticket(&ann, "web1", "console").await);
        let headers = [("origin", ann.base.as_str()), ("sec-websocket-protocol", &protocols)];
        let mut by_ticket = Socket::open(stack, "/servers/web1/console", &headers).await.expect("it opens");
        let headers = [("origin", ann.base.as_str()), ("cookie", &ann.cookie)];
        let mut by_cookie = Socket::open(stack, "/servers/web1/console", &headers).await.expect("it opens");
        by_ticket.until("simulated console").await;
        by_cookie.until("simulated console").await;
        match how {
            "log out" => assert_eq!(send(ann.request("POST", "/auth/logout")).await.0, 204),
            "expiry" => expire().await,
            "disable" => drop(actors.post("/users/ann/disable", json!({})).await),
            _ => drop(actors.post("/projects/system/leave", leave.clone()).await),
        }
        for console in [&mut by_ticket, &mut by_cookie] {
            let (code, reason) = tokio::time::timeout(LIMIT, console.closed()).await.expect("it is closed");
            assert!(code == 1008 && reason.contains(part), "{how}: {code} {reason}");
        }
        if how == "disable" {
            actors.post("/users/ann/enable", json!({})).await;
        }
    }
    // The same for a token in a header; and those whose rights hold are left alone.
    let mut mine = Socket::open(stack, "/servers/web1/console", &[("x-auth-token", actors.admin.token.expose())])
        .await
        .expect("it opens");
    let web = stack.web().await;
    let mut other =
        Socket::open(stack, "/servers/web1/console", &[("x-auth-token", web.token.expose())]).await.expect("it opens");
    assert_eq!(web.send(web.request("DELETE", "/v3/auth/tokens")).await.0, 204);
    assert_eq!(other.closed().await.0, 1008);
    mine.send("still here").await;
    mine.until("still here").await;
    mine.close().await;
    actors.stack.finish().await;
}

/// Readers that take nothing: the guest prints on, others read on, requests to the host are answered; and whoever reads again is told what
/// was missed, and shown what came last.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_slow_keeps_nobody_waiting() {
    const PIECES: usize = 400;
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    stack.server("web2", true).await;
    let token = stack.web().await.token;
    let headers = [("x-auth-token", token.expose())];
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(Socket::open(&stack, "/servers/web1/console", &headers).await.expect("it opens"));
    }
    let mut quick = Socket::open(&stack, "/servers/web1/console", &headers).await.expect("it opens");
    print(&stack, guest, "begin\r\n", 5).await;
    quick.until("begin").await;
    let piece = [b"x".repeat(64 * 1024 - 2), b"\r\n".to_vec()].concat();
    let reading = async {
        quick.until("the end").await;
        quick
    };
    let printing = async {
        for _ in 0..PIECES {
            assert_eq!(stack.host.print(guest, &piece).await, 5);
        }
        // Another request to the same host, while the four take nothing.
        let web = stack.web().await;
        let (status, answer) = web.send(web.request("POST", "/servers/web2/stop").json(&json!({}))).await;
        assert_eq!(status, 202, "{answer}");
        stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(stack.host.print(guest, b"the end").await, 5);
    };
    let (quick, ()) =
        tokio::time::timeout(LIMIT, async { tokio::join!(reading, printing) }).await.expect("nobody waits");
    drop(quick);
    for mut console in slow {
        let seen = tokio::time::timeout(LIMIT, console.until("the end")).await.expect("it is shown what came last");
        assert!(seen.contains("bytes of output were missed here]"), "it is told of the gap");
        assert!(seen.len() < PIECES * piece.len(), "{} bytes", seen.len());
        console.close().await;
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_many_come_with_lets_one_in_and_an_old_one_nobody() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let browser = Browser::admin(&stack).await;
    let protocols = format!("binary, ticket.{}", ticket(&browser, "web1", "console").await);
    let headers = [("origin", browser.base.as_str()), ("sec-websocket-protocol", &protocols)];
    let all = (0..20).map(|_| Socket::open(&stack, "/servers/web1/console", &headers));
    let (opened, refused): (Vec<_>, Vec<_>) = futures::future::join_all(all).await.into_iter().partition(Result::is_ok);
    assert_eq!((opened.len(), refused.len()), (1, 19));
    assert!(refused.iter().all(|one| one.as_ref().is_err_and(|(status, _)| *status == 401)));
    // A minute, and no longer, at whichever replica.
    let protocols = format!("binary, ticket.{}", ticket(&browser, "web1", "console").await);
    let headers = [("origin", browser.base.as_str()), ("sec-websocket-protocol", &protocols)];
    let left = "select extract(epoch from max(expires_at) - now())::bigint as left from console_tickets";
    #[derive(diesel::QueryableByName)]
    struct Left {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        left: i64,
    }
    let mut conn = stack.connection().await;
    let left: Left = diesel_async::RunQueryDsl::get_result(diesel::sql_query(left), &mut conn).await.unwrap();
    assert!((30..=60).contains(&left.left), "{} s", left.left);
    let sql = "update console_tickets set expires_at = now() - interval '1 second'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn).await.unwrap();
    assert_eq!(Socket::open(&stack, "/servers/web1/console", &headers).await.err().expect("refused").0, 401);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_opens_consoles_without_end() {
    let mut setup = Setup::default();
    setup.config.console.max_per_user = 2;
    let stack = Stack::start_with(setup).await;
    stack.server("web1", true).await;
    // Another token is not another user.
    let (first, second) = (stack.web().await.token, stack.web().await.token);
    let path = "/servers/web1/console";
    let open = async |token: &types::Secret| Socket::open(&stack, path, &[("x-auth-token", token.expose())]).await;
    let one = open(&first).await.expect("it opens");
    let _two = open(&second).await.expect("it opens");
    let (status, answer) = open(&second).await.err().expect("refused");
    assert_eq!((status, &answer["class"]), (429, &json!("TooManyRequestsError")), "{answer}");
    assert!(answer["details"].as_str().unwrap().contains("at most 2 of one user"), "{answer}");
    one.close().await;
    eventually("a place is free again", async || open(&first).await.ok()).await.close().await;
    stack.finish().await;
}

/// A frame that claims to be huge ends the connection before it is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_has_a_limit() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let token = stack.web().await.token;
    let mut console =
        Socket::open(&stack, "/servers/web1/console", &[("x-auth-token", token.expose())]).await.expect("it opens");
    console.until("simulated console").await;
    console.send(&"x".repeat(1024 * 1024)).await;
    console.until("xxx").await;
    console.begin(8 * 1024 * 1024 * 1024).await;
    let (code, _) = tokio::time::timeout(LIMIT, console.closed()).await.expect("it ends");
    assert!(matches!(code, 1006 | 1009), "{code}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_stops_says_so_and_writes_down_who_was_there() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let replica = stack.replica().await;
    let token = stack.web().await.token;
    let base = format!("http://{}", replica.http);
    let mut console =
        Socket::open_at(&base, "/servers/web1/console", &[("x-auth-token", token.expose())]).await.expect("it opens");
    console.until("simulated console").await;
    let (closed, ()) =
        tokio::join!(tokio::time::timeout(Duration::from_secs(30), console.closed()), replica.shutdown());
    let (code, reason) = closed.expect("it is closed");
    assert!(code == 1001 && reason.contains("connect again"), "{code} {reason}");
    let web = stack.web().await;
    let (_, events) = web.send(web.request("GET", "/events?obj_id=web1&action.0=console_close")).await;
    assert!(events["events"][0]["notes"].as_str().is_some_and(|notes| notes.contains("region stopped")), "{events}");
    // A host that goes away is told as such.
    let mut console =
        Socket::open(&stack, "/servers/web1/console", &[("x-auth-token", token.expose())]).await.expect("it opens");
    console.until("simulated console").await;
    stack.host.crash();
    let (code, _) = tokio::time::timeout(LIMIT, console.closed()).await.expect("it is closed");
    assert_eq!(code, 1011);
    stack.host.restart().await.expect("the host comes back");
    stack.finish().await;
}
