//! The total of a list of servers is kept by triggers; whatever happens to the rows, it is what counting them would give.

use diesel_async::SimpleAsyncConnection;
use testing::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn the_total_without_filters_is_what_counting_gives() {
    let stack = Stack::start().await;
    let (web, mut conn) = (stack.web().await, stack.connection().await);
    for name in ["a", "b", "c"] {
        stack.server(name, false).await;
    }
    let total = async |query: &str| {
        let (status, list) = web.send(web.request("GET", &format!("/servers?limit=1{query}"))).await;
        assert_eq!(status, 200, "{list}");
        list["total"].as_i64().expect("a total")
    };
    let both = async |what: &str| {
        let kept = total("").await;
        // A filter that all rows pass: these are counted.
        assert_eq!(kept, total("&filter=vcpu_count.gt(0)").await, "{what}");
        kept
    };
    assert_eq!(both("three created").await, 3);
    for (sql, left) in [
        ("update guests set deleted_at = now() where name = 'a'", 2),
        ("update guests set project = 'elsewhere' where name = 'b'", 2),
        ("update guests set deleted_at = null, project = 'third' where name = 'a'", 3),
        ("update guests set status_reason = 'x'", 3),
        ("begin; update guests set deleted_at = now(); rollback", 3),
        ("delete from guests where name = 'c'", 2),
        ("update guests set deleted_at = now() where name = 'b'; delete from guests where name = 'b'", 1),
    ] {
        conn.batch_execute(sql).await.expect(sql);
        assert_eq!(both(sql).await, left, "{sql}");
    }
}
