use serde_json::{Value, json};
use testing::{Stack, Web};

async fn put(web: &Web, method: &str, path: &str, body: Value) -> (u16, Value) {
    web.send(web.request(method, path).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_another_name_and_description() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    stack.server("web2", false).await;
    let web = stack.web().await;

    let body = json!({ "server": { "name": "front", "description": "the shop", "metadata": { "owner": "me" } } });
    let (code, answer) = put(&web, "PATCH", "/servers/web1", body).await;
    let server = &answer["server"];
    assert_eq!((code, &server["name"], &server["description"]), (200, &json!("front"), &json!("the shop")), "{answer}");
    assert_eq!(server["metadata"], json!({ "owner": "me" }));
    let version = server["update_version"].as_i64().unwrap();

    let (code, answer) = put(&web, "PUT", "/servers/front", json!({ "description": "the new shop" })).await;
    assert_eq!((code, &answer["server"]["name"]), (200, &json!("front")), "what is absent stays");
    assert!(answer["server"]["update_version"].as_i64().unwrap() > version);

    let stale = web.request("PATCH", "/servers/front").header("if-match", version).json(&json!({ "description": "x" }));
    let (code, answer) = web.send(stale).await;
    assert_eq!((code, &answer["class"]), (412, &json!("PreconditionFailedError")), "{answer}");

    for (body, status, class, part) in [
        (json!({ "name": "web2" }), 409, "DuplicateResourceError", "web2"),
        (json!({ "name": "a b" }), 400, "InputParameterError", "1 to 63"),
        (json!({ "description": "x".repeat(1025) }), 400, "InputParameterError", "1024"),
        (json!({ "metadata": { "": "x" } }), 400, "InputParameterError", "1 to 128"),
    ] {
        let (code, answer) = put(&web, "PATCH", "/servers/front", body).await;
        assert_eq!((code, &answer["class"]), (status, &json!(class)), "{answer}");
        assert!(answer["details"].as_str().unwrap().contains(part), "{answer}");
    }
    let (_, answer) = web.send(web.request("GET", "/servers/front")).await;
    assert_eq!(answer["server"]["description"], "the new shop", "nothing was changed");
    assert_eq!(stack.story("front").await[2..], ["update ok -", "update ok -"]);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_added_to_or_replaced() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let web = stack.web().await;
    let (code, answer) = put(&web, "POST", "/servers/web1/metadata", json!({ "server": { "a": "1", "b": "2" } })).await;
    assert_eq!((code, &answer["server"]["metadata"]), (200, &json!({ "a": "1", "b": "2" })), "{answer}");
    let (_, answer) = put(&web, "POST", "/servers/web1/metadata", json!({ "a": "", "c": "3" })).await;
    assert_eq!(answer["server"]["metadata"], json!({ "b": "2", "c": "3" }));
    let (_, answer) = put(&web, "POST", "/servers/web1/set-metadata", json!({ "d": "4" })).await;
    assert_eq!(answer["server"]["metadata"], json!({ "d": "4" }));
    let (code, answer) = web.send(web.request("GET", "/servers/web1/metadata")).await;
    assert_eq!((code, &answer["server"]["metadata"]), (200, &json!({ "d": "4" })));
    let many: serde_json::Map<String, Value> = (0..64).map(|n| (format!("k{n}"), json!("v"))).collect();
    let (code, answer) = put(&web, "POST", "/servers/web1/metadata", Value::Object(many)).await;
    assert_eq!(code, 400, "64 and one are too many: {answer}");
    let (code, answer) = put(&web, "POST", "/servers/web1/metadata", json!({ "a": 1 })).await;
    assert_eq!((code, &answer["class"]), (400, &json!("InputParameterError")));
    stack.finish().await;
}
