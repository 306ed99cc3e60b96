//! Who may do what: the whole verb table, with every built-in role, in the own project and from a foreign one, and with tokens that are no good.

#[path = "identity/actors.rs"]
mod actors;

use actors::Actors;
use serde_json::json;
use testing::{Stack, Web};

/// What a role may do to a server of its own project.
fn may(role: &str, resource: &str, verb: &str) -> bool {
    let owned =
        ["server", "disk", "snapshot", "task", "archivedtask", "event", "action", "rescuesession"].contains(&resource);
    match role {
        "admin" => true,
        "auditor" => ["list", "get"].contains(&verb),
        "domainadmin" if ["user", "project"].contains(&resource) => true,
        "domainadmin" if resource == "domain" => ["list", "get"].contains(&verb),
        _ if !owned => false,
        "domainadmin" | "project_owner" => true,
        "project_editor" => verb != "delete",
        "project_viewer" => ["list", "get"].contains(&verb),
        _ => unreachable!("{role}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_with_every_role() {
    let actors = Actors::start().await;
    actors.post("/domains", json!({"name": "Elsewhere"})).await;
    for (project, domain) in [("p1", "Default"), ("p2", "Elsewhere")] {
        actors.post("/projects", json!({"name": project, "domain": domain})).await;
    }
    let owner = actors.user("owner1", "p1", "project_owner").await;
    let body = serde_json::to_value(Stack::body("web1", false)).unwrap();
    let (status, created) = owner.send(owner.request("POST", "/servers").json(&body)).await;
    assert_eq!(status, 202, "{created}");
    let task = created["task"]["id"].as_str().unwrap().to_owned();
    actors.stack.ended(task.parse().unwrap()).await;
    let (_, events) = owner.send(owner.request("GET", "/events?obj_id=web1")).await;
    let event = events["events"][0]["id"].to_string();

    let (_, disks) = owner.send(owner.request("GET", "/disks?server_id=web1")).await;
    let disk = disks["disks"][0]["id"].as_str().unwrap().to_owned();

    let mut callers = vec![(actors.stack.web().await, "admin", true)];
    for role in ["domainadmin", "project_owner", "project_editor", "project_viewer"] {
        for project in ["p1", "p2"] {
            let name = format!("{}-{project}", role.replace('_', "-"));
            callers.push((actors.user(&name, project, role).await, role, project == "p1"));
        }
    }
    // Whatever project it has the role in.
    callers.push((actors.user("auditor", "p2", "auditor").await, "auditor", true));
    // Hosts and agents belong to no project; sessions are there once there was one, so a name stands for all of these.
    let thing = |resource: &str| match resource {
        "server" | "rescuesession" => "web1".to_owned(),
        "task" => task.clone(),
        "event" => event.clone(),
        "disk" => disk.clone(),
        "rescueimage" => "small".to_owned(),
        "host" => "host1".to_owned(),
        "baremetalagent" => "agent1".to_owned(),
        "user" => "owner1".to_owned(),
        "project" => "p1".to_owned(),
        "domain" => "Default".to_owned(),
        _ => "nosuch".to_owned(),
    };
    let mut asked = 0;
    for row in region::http::router::verbs() {
        let plural = row.rule.resource;
        let ident = thing(row.resource);
        let (method, path) = match row.verb {
            "list" => ("GET", format!("/{plural}")),
            "get" => ("GET", format!("/{plural}/{ident}")),
            "create" => ("POST", format!("/{plural}")),
            "update" => ("PATCH", format!("/{plural}/{ident}")),
            "delete" => ("DELETE", format!("/{plural}/{ident}")),
            verb => ("POST", format!("/{plural}/{ident}/{verb}")),
        };
        for (web, role, own) in &callers {
            // A body that no verb can use: whoever is let through fails later, and nothing changes.
            let mut request = web.request(method, &path);
            if method != "GET" {
                request = request.header("content-type", "application/json").body("[]");
            }
            let (status, answer) = web.send(request).await;
            let allowed = may(role, row.resource, row.verb) && (*own || ["list", "create"].contains(&row.verb));
            let shown = format!("{role} (own: {own}) {method} {path}: {status} {answer}");
            match (allowed, row.verb) {
                (true, _) => assert!(![401, 403].contains(&status), "{shown}"),
                (false, "list" | "create") => assert_eq!(status, 403, "{shown}"),
                // Who may see it is told what is missing; who may not is not even told that it exists.
                (false, _) if *own && may(role, row.resource, "get") && status != 404 => {
                    assert_eq!(status, 403, "{shown}")
                }
                (false, _) => assert_eq!(status, 404, "{shown}"),
            }
            if status == 403
                && allowed == may(role, row.resource, row.verb)
                && !answer["details"].as_str().unwrap().contains("scope system")
            {
                assert!(answer["details"].as_str().unwrap().contains("require: "), "{shown}");
            }
            asked += 1;
        }
    }
    assert!(asked > 200, "the table was walked: {asked}");

    // A foreign project sees an empty list, not somebody else's servers.
    let foreign = actors.log_in("project-owner-p2", "correct horse").await.unwrap();
    for list in ["servers", "disks", "tasks", "events", "rescuesessions"] {
        let (status, page) = foreign.send(foreign.request("GET", &format!("/{list}"))).await;
        assert_eq!((status, &page["total"]), (200, &json!(0)), "{list}: {page}");
    }
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_end_when_they_should() {
    let actors = Actors::start().await;
    actors.post("/projects", json!({"name": "p1"})).await;
    let ann = actors.user("ann", "p1", "project_owner").await;
    let status = |web: &Web, path: &str| {
        let request = web.request("GET", path);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(status(&ann, "/servers").await, 200);
    // Revoked.
    let revoke = ann.request("DELETE", "/v3/auth/tokens").header("x-subject-token", ann.token.expose());
    assert_eq!(revoke.send().await.unwrap().status().as_u16(), 204);
    assert_eq!(status(&ann, "/servers").await, 401);
    // Another password.
    let ann = actors.log_in("ann", "correct horse").await.unwrap();
    actors.post("/users/ann/set-password", json!({"password": "battery staple"})).await;
    assert_eq!(status(&ann, "/servers").await, 401);
    assert_eq!(actors.log_in("ann", "correct horse").await.err(), Some(401));
    // Disabled.
    let ann = actors.log_in("ann", "battery staple").await.unwrap();
    actors.post("/users/ann/disable", json!({})).await;
    assert_eq!(status(&ann, "/servers").await, 401);
    assert_eq!(actors.log_in("ann", "battery staple").await.err(), Some(401));
    // Expired.
    actors.post("/users/ann/enable", json!({})).await;
    let ann = actors.log_in("ann", "battery staple").await.unwrap();
    let mut conn = actors.stack.app().pool.get().await.unwrap();
    let expire = "update tokens set expires_at = now() - interval '1 s' where user_id = (select id from users where name = 'ann')";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(expire), &mut conn).await.unwrap();
    drop(conn);
    assert_eq!(status(&ann, "/servers").await, 401);
    // Without a role a token is good for nothing.
    let ann = actors.log_in("ann", "battery staple").await.unwrap();
    actors.post("/projects/p1/leave", json!({"users": ["ann"], "roles": ["project_owner"]})).await;
    assert_eq!(status(&ann, "/servers").await, 403);
    // Nobody sees another's token.
    let bob = actors.user("bob", "p1", "project_viewer").await;
    let look = bob.request("GET", "/v3/auth/tokens").header("x-subject-token", actors.admin.token.expose());
    assert_eq!(look.send().await.unwrap().status().as_u16(), 404);
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_ones_own_takes_effect_and_is_explained() {
    let actors = Actors::start().await;
    actors.post("/projects", json!({"name": "p1"})).await;
    actors.post("/roles", json!({"name": "rescuer"})).await;
    let ann = actors.user("ann", "p1", "project_owner").await;
    let eve = actors.user("eve", "p1", "rescuer").await;
    let body = serde_json::to_value(Stack::body("web1", false)).unwrap();
    let (_, created) = ann.send(ann.request("POST", "/servers").json(&body)).await;
    actors.stack.ended(created["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    let (status, _) = eve.send(eve.request("GET", "/servers/web1")).await;
    assert_eq!(status, 404);
    let bad = actors
        .admin
        .request("POST", "/policies")
        .json(&json!({"name": "x", "scope": "project", "roles": [], "rules": {"compute": 1}}));
    let (status, answer) = actors.admin.send(bad).await;
    assert!(status == 400 && answer["details"].as_str().unwrap().contains("rules.compute"), "{answer}");
    let bad = json!({"name": "x", "scope": "user", "roles": ["rescuer"], "rules": {"compute": "allow"}});
    let (status, answer) = actors.admin.send(actors.admin.request("POST", "/policies").json(&bad)).await;
    assert!(status == 400 && answer["details"].as_str().unwrap().contains("scope: user reaches nothing"), "{answer}");
    let rules = json!({"compute": {"servers": {"get": "allow", "perform": {"*": "deny", "start-rescue": "allow"}}}});
    actors
        .post("/policies", json!({"name": "rescuers", "scope": "project", "roles": ["rescuer"], "rules": rules}))
        .await;
    let (status, _) = eve.send(eve.request("GET", "/servers/web1")).await;
    assert_eq!(status, 200);
    let (status, answer) = eve.send(eve.request("POST", "/servers/web1/start").json(&json!({}))).await;
    assert_eq!(status, 403);
    for part in [
        "require: server_perform_start (compute/servers/perform/start)",
        "you have: rescuer in project p1",
        "project_owner",
    ] {
        assert!(answer["details"].as_str().unwrap().contains(part), "{answer}");
    }
    let (_, answer) = eve.send(eve.request("GET", "/permissions")).await;
    assert_eq!(answer["permissions"], json!({"server_get": "project", "server_perform_start_rescue": "project"}));
    let denied = &answer["denied"]["server_perform_start"];
    assert_eq!(denied["require"], json!("compute/servers/perform/start"), "{answer}");
    assert_eq!(denied["allow"], json!(["admin", "domainadmin", "project_editor", "project_owner"]));
    let told = answer["permissions"].as_object().unwrap().len() + answer["denied"].as_object().unwrap().len();
    assert_eq!(told, region::http::router::verbs().len(), "each rule is in one of the two");
    let (status, answer) = eve.send(eve.request("POST", "/servers/web1/start-rescue").json(&json!({}))).await;
    assert_eq!(status, 202, "{answer}");
    actors.stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    // If-Match: only who has seen the last change may make the next.
    let patch = |version: &str| {
        actors.admin.request("PATCH", "/policies/rescuers").header("if-match", version).json(&json!({"enabled": false}))
    };
    let (status, answer) = actors.admin.send(patch("7")).await;
    assert_eq!((status, &answer["class"]), (412, &json!("PreconditionFailedError")));
    let (status, answer) = actors.admin.send(patch("\"0\"")).await;
    assert_eq!((status, &answer["policy"]["update_version"]), (200, &json!(1)), "{answer}");
    let (status, _) = eve.send(eve.request("GET", "/servers/web1")).await;
    assert_eq!(status, 404);
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_gets_slower() {
    let actors = Actors::start().await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(actors.log_in("admin", "guess").await.err().unwrap());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "guess"}}}}});
    let answer =
        actors.admin.http.post(format!("{}/v3/auth/tokens", actors.admin.base)).json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    // Whoever has a token goes on.
    let (status, _) = actors.admin.send(actors.admin.request("GET", "/servers")).await;
    assert_eq!(status, 200);
    actors.stack.finish().await;
}

/// Each state that a token may be in, at every verb: nobody gets further than 401 without a good one, and without a role no further than 403
/// or 404.
#[tokio::test(flavor = "multi_thread")]
async fn every_verb_with_every_state_of_a_token() {
    // Hundreds of bad tokens from one address are what the limit is against.
    let rate = region::config::Rate { address_per_s: 0, ..region::config::Rate::default() };
    let config = region::Config { rate, ..region::Config::default() };
    let actors = Actors::start_with(testing::Setup { config, ..testing::Setup::default() }).await;
    actors.post("/projects", json!({"name": "p1"})).await;
    let name = |state: &str| format!("user-{state}");
    let mut tokens: Vec<(&str, Option<String>, u16)> =
        vec![("none", None, 401), ("garbage", Some("a".repeat(64)), 401)];
    for (state, status) in [("expired", 401), ("revoked", 401), ("disabled", 401), ("deleted", 401), ("unscoped", 403)]
    {
        let web = actors.user(&name(state), "p1", "project_owner").await;
        tokens.push((state, Some(web.token.expose().to_owned()), status));
        match state {
            "expired" => {
                let mut conn = actors.stack.connection().await;
                let sql = "update tokens set expires_at = now() - interval '1 s' where user_id = (select id from users where name = 'user-expired')";
                diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn).await.unwrap();
            }
            "revoked" => {
                let revoke = web.request("DELETE", "/v3/auth/tokens").header("x-subject-token", web.token.expose());
                assert_eq!(revoke.send().await.unwrap().status().as_u16(), 204);
            }
            "disabled" => drop(actors.post("/users/user-disabled/disable", json!({})).await),
            "deleted" => {
                assert_eq!(actors.admin.send(actors.admin.request("DELETE", "/users/user-deleted")).await.0, 200);
            }
            _ => {
                let identity = json!({"methods": ["token"], "token": {"id": web.token.expose()}});
                let body = json!({"auth": {"identity": identity, "scope": "unscoped"}});
                let answer = web.http.post(format!("{}/v3/auth/tokens", web.base)).json(&body).send().await.unwrap();
                let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
                let answer: serde_json::Value = answer.json().await.unwrap();
                assert!(answer["token"]["project"].is_null() && answer["token"]["roles"] == json!([]), "{answer}");
                tokens.last_mut().unwrap().1 = Some(token);
            }
        }
    }
    let mut asked = 0;
    for row in region::http::router::verbs() {
        let plural = row.rule.resource;
        let (method, path, of_many) = match row.verb {
            "list" => ("GET", format!("/{plural}"), true),
            "get" => ("GET", format!("/{plural}/x"), false),
            "create" => ("POST", format!("/{plural}"), true),
            "update" => ("PUT", format!("/{plural}/x"), false),
            "delete" => ("DELETE", format!("/{plural}/x"), false),
            verb => ("POST", format!("/{plural}/x/{verb}"), false),
        };
        for (state, token, wanted) in &tokens {
            // Both headers are as good, or as bad.
            for header in ["x-auth-token", "authorization"] {
                let mut request =
                    actors.admin.http.request(method.parse().unwrap(), format!("{}{path}", actors.admin.base));
                if let Some(token) = token {
                    let value = if header == "authorization" { format!("Bearer {token}") } else { token.clone() };
                    request = request.header(header, value);
                }
                if method != "GET" {
                    request = request.header("content-type", "application/json").body("{}");
                }
                let (status, answer) = actors.admin.send(request).await;
                let wanted = if *wanted == 403 && !of_many { 404 } else { *wanted };
                assert_eq!(status, wanted, "{state} {method} {path}: {answer}");
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "the table was walked: {asked}");
    // A token from a token ends with it.
    let ann = actors.user("ann", "p1", "project_owner").await;
    let mut conn = actors.stack.connection().await;
    let sql = "update tokens set expires_at = now() + interval '100 s' where user_id = (select id from users where name = 'ann')";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn).await.unwrap();
    let body = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": ann.token.expose()}}}});
    let (_, answer) = ann.send(ann.http.post(format!("{}/v3/auth/tokens", ann.base)).json(&body)).await;
    let ends: chrono::DateTime<chrono::Utc> = answer["token"]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(ends < chrono::Utc::now() + chrono::TimeDelta::seconds(101), "{answer}");
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_must_wait_and_nobody_else() {
    let rate = region::config::Rate { token_per_s: 1, token_burst: 20, address_per_s: 1, address_burst: 30 };
    let config = region::Config { rate, ..region::Config::default() };
    let actors = Actors::start_with(testing::Setup { config, ..testing::Setup::default() }).await;
    actors.post("/projects", json!({"name": "p1"})).await;
    let ann = actors.user("ann", "p1", "project_viewer").await;
    let mut refused = None;
    for _ in 0..40 {
        let answer = ann.request("GET", "/servers").send().await.unwrap();
        if answer.status().as_u16() == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status().as_u16(), 200);
    }
    let refused = refused.expect("a limit");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!((&body["class"], &body["code"]), (&json!("TooManyRequestsError"), &json!(429)), "{body}");
    // Others go on, and so does whoever looks whether this lives.
    assert_eq!(actors.admin.send(actors.admin.request("GET", "/servers")).await.0, 200);
    // Trying tokens out counts by address, whatever the token.
    let mut statuses = Vec::new();
    for n in 0..40 {
        let request = ann.http.get(format!("{}/servers", ann.base)).header("x-auth-token", format!("{n:064}"));
        statuses.push(ann.send(request).await.0);
    }
    assert!(statuses.contains(&401) && statuses.last() == Some(&429), "{statuses:?}");
    assert_eq!(
        actors.admin.send(actors.admin.request("GET", "/servers")).await.0,
        200,
        "a good token is not its address"
    );
    for path in ["/ping", "/healthz", "/readyz"] {
        assert_eq!(ann.http.get(format!("{}{path}", ann.base)).send().await.unwrap().status().as_u16(), 200);
    }
    actors.stack.finish().await;
}
