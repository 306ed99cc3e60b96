use api::server::{ConsoleTicket, ServerCreate, Servers, Suspend};
use serde_json::{Value, json};
use testing::{Stack, Web};
use types::status::ConsoleKind;

use crate::{done, refused};

async fn with_screen(stack: &Stack, name: &str) {
    let created = stack.client.create::<Servers>(&ServerCreate { vnc: true, ..Stack::body(name, true) }).await.unwrap();
    stack.ended(created.task.unwrap().id).await;
}

/// A WebSocket's request, as a browser sends it: without a token. 101 and nothing, or the refusal.
async fn upgrade(web: &Web, path: &str) -> (u16, Value) {
    let request = web
        .http
        .get(format!("{}{path}", web.base))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let response = request.send().await.expect("an answer");
    match response.status().as_u16() {
        101 => (101, Value::Null),
        code => (code, response.json().await.unwrap_or_default()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_is_passed_on_both_ways() {
    let stack = Stack::start().await;
    with_screen(&stack, "web1").await;
    let mut screen = stack.client.screen("web1").await.unwrap();
    let hello = screen.receive().await.unwrap().unwrap();
    assert!(hello.starts_with(b"RFB 003.008\n"), "{hello:?}");
    screen.send(b"RFB 003.008\n".to_vec()).await.unwrap();
    assert_eq!(screen.receive().await.unwrap().unwrap(), b"RFB 003.008\n"[..], "the simulated one is an echo");
    screen.close().await;
    assert!(stack.story("web1").await.contains(&"vnc ok -".to_owned()), "it is told who looked");

    // Without a screen the host says why.
    stack.server("web2", true).await;
    let mut screen = stack.client.screen("web2").await.unwrap();
    let error = screen.receive().await.unwrap_err().to_string();
    assert!(error.contains("no screen"), "{error}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_console_once() {
    let stack = Stack::start().await;
    with_screen(&stack, "web1").await;
    with_screen(&stack, "web2").await;
    let web = stack.web().await;
    assert_eq!(upgrade(&web, "/servers/web1/vnc").await.0, 401, "neither token nor ticket");
    let ticket = async |kind| {
        let answer = stack.client.perform("web1", &ConsoleTicket { kind }).await.unwrap();
        answer.extra.console.expect("a ticket").path.expose().to_owned()
    };
    let path = ticket(ConsoleKind::Vnc).await;
    assert_eq!(upgrade(&web, &path).await.0, 101);
    let (code, answer) = upgrade(&web, &path).await;
    assert_eq!((code, &answer["class"]), (401, &json!("UnauthorizedError")), "once: {answer}");
    // For that server and that console, and gone when it was tried elsewhere.
    let guest = stack.show("web1").await.id.to_string();
    let other = stack.show("web2").await.id.to_string();
    let path = ticket(ConsoleKind::Vnc).await;
    assert_eq!(upgrade(&web, &path.replace(&guest, &other)).await.0, 401);
    assert_eq!(upgrade(&web, &path).await.0, 401);
    let path = ticket(ConsoleKind::Console).await;
    assert_eq!(upgrade(&web, &path.replace("/console?", "/vnc?")).await.0, 401);
    let path = ticket(ConsoleKind::Console).await;
    assert_eq!(upgrade(&web, &path).await.0, 101);
    // Not after its minute.
    let path = ticket(ConsoleKind::Vnc).await;
    let mut conn = stack.connection().await;
    let sql = "update console_tickets set expires_at = now() - interval '1 second'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn).await.unwrap();
    assert_eq!(upgrade(&web, &path).await.0, 401);
    // No row opens anything.
    let secret = ticket(ConsoleKind::Vnc).await;
    let secret = secret.split_once('=').unwrap().1;
    let rows: Vec<Vec<u8>> = {
        use db::schema::console_tickets::dsl as t;
        use diesel::QueryDsl;
        diesel_async::RunQueryDsl::load(t::console_tickets.select(t::hash), &mut conn).await.unwrap()
    };
    assert!(!rows.is_empty() && rows.iter().all(|hash| hash != secret.as_bytes()));
    done(&stack, "web1", &Suspend {}).await;
    assert_eq!(refused(&stack, "nosuch", &ConsoleTicket { kind: ConsoleKind::Vnc }).await.0, 404);
    stack.finish().await;
}
