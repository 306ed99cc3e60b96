//! One live task per server.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::future::join_all;
use testing::{Setup, eventually};
use types::GuestStatus;

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_requests_at_once_one_is_taken() {
    let stack = crate::stack(Setup::default()).await;
    let server = stack.server("web1", true).await;
    let web = stack.web().await;
    let asked =
        (0..20).map(|_| web.send(web.request("POST", "/servers/web1/start-rescue").json(&serde_json::json!({}))));
    let answers = join_all(asked).await;
    let mut count = BTreeMap::new();
    for (status, body) in &answers {
        *count.entry(*status).or_insert(0) += 1;
        if *status != 202 {
            assert_eq!(*status, 409, "{body}");
            let told = body["details"].as_str().unwrap_or_default();
            assert!(told.contains("busy") || told.contains("rescue"), "it says why: {body}");
        }
    }
    assert_eq!(count, BTreeMap::from([(202, 1), (409, 19)]));
    eventually("it is in rescue", async || {
        Some(stack.show("web1").await).filter(|s| s.status == GuestStatus::Rescue && s.task.is_none())
    })
    .await;
    use db::schema::rescue_sessions::dsl as s;
    let mut conn = stack.connection().await;
    let sessions: i64 =
        s::rescue_sessions.filter(s::guest_id.eq(server.id)).count().get_result(&mut conn).await.unwrap();
    assert_eq!(sessions, 1);
    stack.finish().await;
}
