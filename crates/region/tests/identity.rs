//! Domains, users, projects, roles and policies: what their administrators may do and what not; policies as YAML.

#[path = "identity/actors.rs"]
mod actors;

use actors::Actors;
use serde_json::{Value, json};
use testing::Web;

async fn status(web: &Web, method: &str, path: &str, body: Value) -> (u16, Value) {
    web.send(web.request(method, path).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_a_world_of_its_own() {
    let actors = Actors::start().await;
    for domain in ["east", "west"] {
        actors.post("/domains", json!({"name": domain})).await;
        actors.post("/projects", json!({"name": "web", "domain": domain})).await;
        let user = json!({"name": "chief", "password": "correct horse", "domain": domain});
        actors.post("/users", user).await;
        let join = json!({"users": [format!("{domain}/chief")], "roles": ["domainadmin"]});
        actors.post(&format!("/projects/{domain}%2Fweb/join"), join).await;
    }
    // The same names twice: without the domain nobody knows which is meant.
    let (code, answer) = actors.admin.send(actors.admin.request("GET", "/users/chief")).await;
    assert_eq!((code, &answer["class"]), (409, &json!("DuplicateResourceError")), "{answer}");
    let (code, answer) = status(&actors.admin, "POST", "/projects", json!({"name": "web", "domain": "east"})).await;
    assert_eq!(code, 409, "{answer}");

    let east = actors.log_in_at("east", "chief", "correct horse").await.expect("a token");
    assert_eq!(actors.log_in("chief", "correct horse").await.err(), Some(401), "there is none in Default");
    // What it makes goes to its own domain, and that is all it sees.
    let (code, answer) = status(&east, "POST", "/users", json!({"name": "ann", "password": "correct horse"})).await;
    assert_eq!((code, &answer["user"]["domain"]), (201, &json!("east")), "{answer}");
    let (_, page) = east.send(east.request("GET", "/users")).await;
    let seen: Vec<&str> = page["users"].as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap()).collect();
    assert_eq!(seen, ["ann", "chief"], "{page}");
    let (_, page) = east.send(east.request("GET", "/domains")).await;
    assert_eq!((&page["total"], &page["domains"][0]["name"]), (&json!(1), &json!("east")));
    let (_, page) = east.send(east.request("GET", "/projects")).await;
    assert_eq!(page["total"], json!(1), "{page}");
    // The other domain does not exist for it.
    for (method, path, body) in [
        ("GET", "/users/west%2Fchief", json!({})),
        ("POST", "/users/admin/disable", json!({})),
        ("POST", "/users/west%2Fchief/set-password", json!({"password": "correct horse"})),
        ("POST", "/users", json!({"name": "spy", "password": "correct horse", "domain": "west"})),
        ("POST", "/projects", json!({"name": "p", "domain": "Default"})),
        ("POST", "/projects/east%2Fweb/join", json!({"users": ["west/chief"], "roles": ["project_viewer"]})),
        ("PUT", "/domains/west", json!({"enabled": false})),
    ] {
        let request = east.request(method, path);
        let request = if method == "GET" { request } else { request.json(&body) };
        let (code, answer) = east.send(request).await;
        assert_eq!(code, 404, "{method} {path}: {answer}");
    }
    let (code, answer) = status(&east, "PUT", "/domains/east", json!({"enabled": false})).await;
    assert_eq!(code, 403, "{answer}");

    // A server of the one project is not one of the other that has its name.
    let body = serde_json::to_value(testing::Stack::body("web1", false)).unwrap();
    let (code, created) = status(&east, "POST", "/servers", body).await;
    assert_eq!(code, 202, "{created}");
    actors.stack.ended(created["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    let (_, events) = east.send(east.request("GET", "/events?obj_type=server&obj_id=web1")).await;
    assert_eq!(events["events"][0]["project"], json!("east/web"), "{events}");
    let west = actors.log_in_at("west", "chief", "correct horse").await.expect("a token");
    assert_eq!(west.send(west.request("GET", "/servers/web1")).await.0, 404);
    assert_eq!(east.send(east.request("GET", "/servers/web1")).await.0, 200);

    // Nothing is deleted that others need; a disabled domain ends its tokens.
    let (code, answer) = actors.admin.send(actors.admin.request("DELETE", "/domains/east")).await;
    assert!(code == 409 && answer["details"].as_str().unwrap().contains("2 users and 1 projects"), "{answer}");
    let (code, _) = status(&actors.admin, "PUT", "/domains/east", json!({"enabled": false})).await;
    assert_eq!(code, 200);
    assert_eq!(east.send(east.request("GET", "/servers")).await.0, 401);
    assert_eq!(actors.log_in_at("east", "chief", "correct horse").await.err(), Some(401));
    let (code, answer) = status(&actors.admin, "PUT", "/domains/Default", json!({"enabled": false})).await;
    assert_eq!(code, 409, "{answer}");
    actors.stack.finish().await;
}

/// Whoever administers a domain can't reach beyond it by handing out roles, or by acting as those who have them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_rises_by_their_own_hand() {
    let actors = Actors::start().await;
    actors.post("/projects", json!({"name": "p1"})).await;
    let chief = actors.user("chief", "p1", "domainadmin").await;
    for (path, body) in [
        ("/projects/p1/join", json!({"users": ["chief"], "roles": ["admin"]})),
        ("/projects/system/leave", json!({"users": ["admin"], "roles": ["admin"]})),
        ("/users/admin/set-password", json!({"password": "correct horse"})),
        ("/users/admin/disable", json!({})),
    ] {
        let (code, answer) = status(&chief, "POST", path, body).await;
        assert!(
            code == 403 && answer["details"].as_str().unwrap().contains("'admin' reaches further"),
            "{path}: {answer}"
        );
    }
    let (code, answer) = chief.send(chief.request("DELETE", "/users/admin")).await;
    assert_eq!(code, 403, "{answer}");
    let (code, answer) = status(
        &chief,
        "POST",
        "/policies",
        json!({"name": "x", "scope": "system", "roles": ["domainadmin"], "rules": "allow"}),
    )
    .await;
    assert_eq!(code, 403, "{answer}");
    // What it may: its own kind and below.
    actors.post("/users", json!({"name": "bob", "password": "correct horse"})).await;
    let (code, answer) = status(
        &chief,
        "POST",
        "/projects/p1/join",
        json!({"users": ["bob"], "roles": ["domainadmin", "project_owner"]}),
    )
    .await;
    assert_eq!(code, 200, "{answer}");
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_changed_by_put_and_only_as_they_were_seen() {
    let actors = Actors::start().await;
    actors.post("/projects", json!({"name": "p1"})).await;
    actors.post("/roles", json!({"name": "rescuer"})).await;
    actors.post("/users", json!({"name": "ann", "password": "correct horse"})).await;
    for (path, word) in [
        ("/users/ann", "user"),
        ("/projects/p1", "project"),
        ("/roles/rescuer", "role"),
        ("/domains/Default", "domain"),
    ] {
        let put = |version: &str| {
            let request = actors.admin.request("PUT", path).header("if-match", version);
            actors.admin.send(request.json(&json!({word: {"description": "new"}})))
        };
        let (code, answer) = put("7").await;
        assert_eq!(code, 412, "{path}: {answer}");
        let (code, answer) = put("0").await;
        let it = &answer[word];
        assert_eq!(
            (code, &it["description"], &it["update_version"]),
            (200, &json!("new"), &json!(1)),
            "{path}: {answer}"
        );
        assert_eq!(put("0").await.0, 412, "{path}");
    }
    let (code, answer) = status(&actors.admin, "PUT", "/users/ann", json!({"name": "anna"})).await;
    assert_eq!((code, &answer["user"]["name"]), (200, &json!("anna")));
    assert!(actors.log_in("anna", "correct horse").await.is_ok());
    let (code, _) = status(&actors.admin, "PUT", "/users/anna", json!({"name": "admin"})).await;
    assert_eq!(code, 409);
    // What is part of the program is listed, and stays.
    let (_, roles) = actors.admin.send(actors.admin.request("GET", "/roles?built_in=true")).await;
    assert_eq!(roles["total"], json!(6), "{roles}");
    for (method, path) in
        [("PUT", "/roles/admin"), ("DELETE", "/roles/admin"), ("PUT", "/policies/admin"), ("DELETE", "/policies/admin")]
    {
        let (code, answer) = status(&actors.admin, method, path, json!({"description": "mine"})).await;
        assert_eq!(code, 409, "{method} {path}: {answer}");
    }
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_go_in_and_out_as_yaml() {
    let actors = Actors::start().await;
    actors.post("/roles", json!({"name": "rescuer"})).await;
    let send = async |method: &str, path: &str, text: String| {
        let request = actors.admin.request(method, path).header("content-type", "application/yaml");
        actors.admin.send(request.body(text)).await
    };
    let text = "name: rescuers\nscope: project\nroles: [rescuer]\nrules:\n  compute:\n    servers:\n      get: allow\n      \
                perform:\n        '*': deny\n        start-rescue: allow\n";
    let (code, answer) = send("POST", "/policies", text.into()).await;
    assert_eq!((code, &answer["policy"]["rules"]["compute"]["servers"]["get"]), (201, &json!("allow")), "{answer}");

    // What is shown can be given back.
    let request = actors.admin.request("GET", "/policies/rescuers").header("accept", "application/yaml");
    let shown = request.send().await.unwrap();
    assert_eq!(shown.headers()["content-type"], "application/yaml");
    let shown = shown.text().await.unwrap();
    assert!(shown.contains("start-rescue: allow") && shown.contains("'*': deny"), "{shown}");
    let (code, answer) = send("PUT", "/policies/rescuers", shown.replace("start-rescue", "stop-rescue")).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(
        answer["policy"]["rules"]["compute"]["servers"]["perform"],
        json!({"*": "deny", "stop-rescue": "allow"})
    );
    let (code, answer) = send("POST", "/policies", shown.replace("name: rescuers", "name: others")).await;
    assert_eq!(code, 201, "{answer}");

    // Mistakes are told with their line.
    for (from, to, parts) in [
        ("get: allow", "get: perhaps", ["rules.compute.servers", "'perhaps'", "line 7"]),
        ("scope: project", "scope: galaxy", ["scope", "galaxy", "line 2"]),
        ("roles: [rescuer]", "role: [rescuer]", ["role", "roles", "line 3"]),
        ("'*': deny", "*: deny", ["not YAML", "line 9", "column"]),
    ] {
        let (code, answer) = send("POST", "/policies", text.replace(from, to)).await;
        let details = answer["details"].as_str().unwrap_or_default();
        assert!(code == 400 && parts.iter().all(|part| details.contains(part)), "{to}: {code} {answer}");
    }
    let (code, answer) = send("POST", "/policies", text.replace("[rescuer]", "[resucer]")).await;
    assert!(code == 400 && answer["details"].as_str().unwrap().contains("no role named 'resucer'"), "{answer}");
    // A bomb of aliases is no way to fill the memory.
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (this, last) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        bomb.push_str(&format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(",")));
    }
    let (code, answer) = send("POST", "/policies", bomb).await;
    assert_eq!(code, 400, "{answer}");
    // Every resource speaks it.
    let list = actors.admin.request("GET", "/roles?limit=1").header("accept", "application/yaml").send().await.unwrap();
    assert!(list.text().await.unwrap().starts_with("limit: 1\n"));
    actors.stack.finish().await;
}
