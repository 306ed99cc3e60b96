//! Every verb in every status: begun, or refused with the verbs that are allowed. `matrix.txt` is the table.

use std::fmt::Write;

use api::server::Servers;
use serde_json::json;
use testing::Stack;
use types::GuestStatus;

/// The table as it is checked in; `UPDATE_CONTRACTS=1` renews it.
#[test]
fn the_matrix_is_as_checked_in() {
    let rows = region::http::router::verbs();
    let verbs: Vec<_> = rows.iter().filter(|row| row.resource == "server" && !row.from.is_empty()).collect();
    let mut text = String::from(
        "# status: the verbs that may begin there; besides them, in any: get, update, metadata, set-metadata\n",
    );
    for status in GuestStatus::ALL {
        let allowed: Vec<&str> = verbs.iter().filter(|row| row.from.contains(status)).map(|row| row.verb).collect();
        let allowed = match allowed.as_slice() {
            [] => "(a task is at work, and ends it)".to_owned(),
            some => some.join(" "),
        };
        writeln!(text, "{status}: {allowed}").unwrap();
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("matrix.txt");
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        text == std::fs::read_to_string(&path).unwrap_or_default(),
        "matrix.txt is not what region does now; if that is wanted, run with UPDATE_CONTRACTS=1 and look at the difference"
    );
    // A status without a way out is one that a task leaves.
    for status in GuestStatus::ALL {
        let ways_out = verbs.iter().filter(|row| row.from.contains(status)).count();
        assert_eq!(ways_out == 0, GuestStatus::IN_TRANSITION.contains(status), "{status}");
    }
}

/// The status is looked at before the body: a body that can't be read tells what the status allows, and nothing is done.
#[tokio::test(flavor = "multi_thread")]
async fn each_verb_in_each_status() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", false).await.id;
    let web = stack.web().await;
    let rows = region::http::router::verbs();
    let verbs: Vec<_> = rows
        .iter()
        .filter(|row| row.resource == "server" && !["list", "get", "create", "update"].contains(&row.verb))
        .collect();
    assert!(verbs.len() >= 20, "the table is read wrongly: {verbs:?}");
    let mut conn = stack.connection().await;
    for status in GuestStatus::ALL {
        db::guest::set_status(&mut conn, guest, *status, None).await.unwrap();
        let allowed: Vec<&str> = verbs.iter().filter(|row| row.from.contains(status)).map(|row| row.verb).collect();
        for row in &verbs {
            let at = format!("{} in {status}", row.verb);
            let request = match row.verb {
                "delete" => web.request("DELETE", "/servers/web1"),
                verb => web.request("POST", &format!("/servers/web1/{verb}")),
            };
            let (code, answer) = web.send(request.json(&json!({ "server": 7 }))).await;
            if row.from.is_empty() || row.from.contains(status) {
                assert_eq!((code, &answer["class"]), (400, &json!("InputParameterError")), "{at}: {answer}");
                continue;
            }
            assert_eq!((code, &answer["class"]), (409, &json!("InvalidStatusError")), "{at}: {answer}");
            let details = answer["details"].as_str().unwrap();
            assert!(details.contains(status.as_str()) && details.contains("web1"), "{at}: {details}");
            match allowed.as_slice() {
                [] => assert!(details.contains("Wait for its task"), "{at}: {details}"),
                some => assert!(details.contains(&format!("Allowed now: {}", some.join(", "))), "{at}: {details}"),
            }
        }
        let now = stack.client.get::<Servers>("web1").await.unwrap();
        assert_eq!((now.status, now.task), (*status, None), "nothing was changed");
    }
    db::guest::set_status(&mut conn, guest, GuestStatus::Ready, None).await.unwrap();
    stack.finish().await;
}
