//! The log can't be changed unnoticed: events are chained, and whoever has the rows can check.

use api::ListQuery;
use api::event::{Event, Events};
use api::event_chain::{Break, verify};
use diesel_async::RunQueryDsl;
use testing::Stack;

async fn events(stack: &Stack) -> Vec<Event> {
    let query =
        ListQuery { limit: 1000, obj_type: Some("server".into()), obj_id: Some("web1".into()), ..ListQuery::default() };
    stack.client.list::<Events>(&query).await.expect("events").data
}

async fn sql(stack: &Stack, text: &str) {
    let mut conn = stack.connection().await;
    diesel::sql_query(text).execute(&mut conn).await.expect(text);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_the_log_is_noticed() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let replica = stack.replica().await;
    let mut admin = stack.web().await;
    let bases = [admin.base.clone(), format!("http://{}", replica.http)];
    for base in &bases {
        for verb in ["start", "stop"] {
            admin.base.clone_from(base);
            let (status, answer) =
                admin.send(admin.request("POST", &format!("/servers/web1/{verb}")).json(&serde_json::json!({}))).await;
            assert_eq!(status, 202, "{answer}");
            stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
        }
    }
    // Writers at once, as replicas are.
    let web1 = stack.show("web1").await.id;
    let write = format!(
        "insert into events (obj_type, obj_id, obj_name, action, success, notes, user_name, project) \
         select 'server', '{web1}', 'web1', 'test', true, E'né\\n1:x', 'u', 'p' from generate_series(1, 50)"
    );
    tokio::join!(sql(&stack, &write), sql(&stack, &write), sql(&stack, &write));
    let good = events(&stack).await;
    let head = verify(&good, None).expect("whole").expect("a head");
    assert!(good.len() > 154 && head.seq == i64::try_from(good.len()).unwrap(), "{head:?}");
    for event in good.iter().filter(|e| e.action != "test") {
        assert!(event.request_id.is_some() && event.source.is_some() && !event.user.is_empty(), "{event:?}");
    }

    // Each is undone again, so that the next finds a whole chain.
    let at = |seq: i64| format!("obj_id = '{web1}' and seq = {seq}");
    sql(&stack, "create table kept as select * from events").await;
    let restore = ["truncate events", "insert into events overriding system value select * from kept"];
    sql(&stack, "alter table events disable trigger user").await;
    for (change, expected) in [
        (format!("update events set notes = 'nothing' where {}", at(3)), "was changed"),
        (format!("update events set user_name = 'bob' where {}", at(2)), "was changed"),
        (format!("update events set ops_time = ops_time + interval '1 microsecond' where {}", at(2)), "was changed"),
        (format!("delete from events where {}", at(4)), "4 to 4"),
        (format!("delete from events where obj_id = '{web1}' and seq < 3"), "1 to 2"),
        (
            format!(
                "update events set seq = case seq when 2 then 3 else 2 end where obj_id = '{web1}' and seq in (2, 3)"
            ),
            "does not follow",
        ),
        (format!("update events set seq = null, hash = null where {}", at(5)), "not in the chain"),
    ] {
        sql(&stack, &change).await;
        let found = verify(&events(&stack).await, None).expect_err(&change).to_string();
        assert!(found.contains(expected), "{change}: {found}");
        for step in restore {
            sql(&stack, step).await;
        }
        assert_eq!(verify(&events(&stack).await, Some(&head)), Ok(Some(head.clone())));
    }
    // A cut-off end needs the head that was seen before.
    sql(&stack, &format!("delete from events where {}", at(head.seq))).await;
    let cut = events(&stack).await;
    assert_eq!(verify(&cut, None).unwrap().unwrap().seq, head.seq - 1);
    assert_eq!(verify(&cut, Some(&head)), Err(Break::CutOff { seq: head.seq - 1, known: head.seq }));
    replica.shutdown().await;
    stack.finish().await;
}
