//! Sessions of browsers: the cookie, who may use it, and who may not. Requests are made as a browser makes them, header by header.

#[path = "identity/actors.rs"]
mod actors;
#[path = "identity/client.rs"]
mod client;

use actors::Actors;
use client::{Browser, send};
use serde_json::{Value, json};
use testing::{Setup, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_and_its_cookie_is_a_token() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let http = reqwest::Client::new();
    let body = json!({"username": "admin", "password": stack.password(), "project": "system"});
    let answer = http.post(format!("{}/auth/login", stack.base_url())).json(&body).send().await.unwrap();
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["lifeboat_session=", "; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(part), "{part}");
    }
    assert!(!set.contains("Secure"), "it came in clear");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let browser = Browser::of(http, stack.base_url(), answer).await.expect("a session");
    let session = &browser.session;
    assert_eq!(session["user"]["key"], json!("admin"));
    assert_eq!((&session["project"]["key"], &session["roles"]), (&json!("system"), &json!(["admin"])));
    assert_eq!(session["projects"][0]["key"], json!("system"));
    assert!(session["expires_at"].is_string());
    // Nothing that a script reads is the token.
    assert!(!session.to_string().contains(browser.token()) && browser.csrf != browser.token());

    let (status, again) = send(browser.bare("GET", "/auth/session")).await;
    assert_eq!((status, &again["session"]), (200, session));
    let (status, page) = send(browser.bare("GET", "/servers")).await;
    assert_eq!((status, &page["total"]), (200, &json!(1)));
    // An address that is typed in, or a bookmark.
    assert_eq!(send(browser.bare("GET", "/servers").header("sec-fetch-site", "none")).await.0, 200);
    let mut stream = browser.bare("GET", "/stream?resource=servers").send().await.unwrap();
    assert_eq!(stream.status().as_u16(), 200);
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: ready"), "{first:?}");
    let (status, changed) = send(browser.request("PATCH", "/servers/web1").json(&json!({"description": "new"}))).await;
    assert_eq!((status, &changed["server"]["description"]), (200, &json!("new")), "{changed}");
    stack.finish().await;
}

/// Each line: what is wrong with the request, and its headers beside the cookie. All are refused, and the server is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_changes_something_must_come_from_our_own_page() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let browser = Browser::admin(&stack).await;
    let other = Browser::admin(&stack).await;
    let (own, csrf) = (stack.base_url(), browser.csrf.clone());
    let elsewhere = own.replace("127.0.0.1", "localhost");
    let next_port = "http://127.0.0.1:1".to_owned();
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("no value", &[]),
        ("no value, from our own page", &[("origin", &own), ("sec-fetch-site", "same-origin")]),
        ("an empty value", &[("x-csrf-token", "")]),
        ("the token itself", &[("x-csrf-token", browser.token())]),
        ("another session's value", &[("x-csrf-token", &other.csrf)]),
        ("a part of it", &[("x-csrf-token", &csrf[..32])]),
        ("a foreign page", &[("x-csrf-token", &csrf), ("origin", "https://evil.example.org")]),
        ("a page of another name", &[("x-csrf-token", &csrf), ("origin", &elsewhere)]),
        ("a page of another port", &[("x-csrf-token", &csrf), ("origin", &next_port)]),
        ("a page of no origin", &[("x-csrf-token", &csrf), ("origin", "null")]),
        ("cross-site", &[("x-csrf-token", &csrf), ("sec-fetch-site", "cross-site")]),
        ("same-site", &[("x-csrf-token", &csrf), ("sec-fetch-site", "same-site")]),
    ];
    let before = (stack.show("web1").await, stack.story("web1").await);
    for (what, headers) in cases {
        for (method, path, body) in [
            ("PATCH", "/servers/web1", json!({"description": "stolen"})),
            ("POST", "/servers/web1/start", json!({})),
            ("POST", "/servers", json!(Stack::body("web2", false))),
            ("DELETE", "/servers/web1", json!({})),
            ("POST", "/auth/logout", json!({})),
        ] {
            let request = headers.iter().fold(browser.bare(method, path), |request, (k, v)| request.header(*k, *v));
            let (status, answer) = send(request.json(&body)).await;
            assert_eq!(
                (status, &answer["class"]),
                (403, &json!("ForbiddenError")),
                "{what}, {method} {path}: {answer}"
            );
            let details = answer["details"].as_str().unwrap();
            assert!(details.contains("X-CSRF-Token") || details.contains("another origin"), "{what}: {details}");
            assert!(!details.contains(browser.token()) && !details.contains(&csrf), "{what}: {details}");
        }
    }
    assert_eq!((stack.show("web1").await, stack.story("web1").await), before, "nothing was changed");
    assert_eq!(stack.client.list::<api::server::Servers>(&Default::default()).await.unwrap().total, 1);
    // The session is as good as before; and a token in a header needs no such value.
    assert_eq!(send(browser.request("PATCH", "/servers/web1").json(&json!({"description": "mine"}))).await.0, 200);
    let web = stack.web().await;
    let by_header = web.request("PATCH", "/servers/web1").header("cookie", &browser.cookie);
    assert_eq!(send(by_header.json(&json!({"description": "by token"}))).await.0, 200);
    // What a foreign page can make a browser look at, it looks at without the session.
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example.org")]
    {
        assert_eq!(send(browser.bare("GET", "/servers").header(name, value)).await.0, 401, "{name}: {value}");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_never_told_and_no_foreign_page_logs_anybody_in() {
    let stack = Stack::start().await;
    let browser = Browser::admin(&stack).await;
    // Where tokens are told, a cookie is no token.
    for method in ["GET", "DELETE"] {
        let answer = browser.request(method, "/v3/auth/tokens").send().await.unwrap();
        assert!(answer.status().as_u16() == 401 && !answer.headers().contains_key("x-subject-token"), "{method}");
    }
    assert_eq!(send(browser.bare("GET", "/auth/session")).await.0, 200);
    let body = json!({"username": "admin", "password": stack.password()});
    for (name, value) in [("origin", "https://evil.example.org"), ("sec-fetch-site", "cross-site")] {
        let request = browser.http.post(format!("{}/auth/login", browser.base)).header(name, value);
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().as_u16() == 403 && !answer.headers().contains_key("set-cookie"), "{name}: {value}");
    }
    // A form of a foreign page, as browsers send it without asking first.
    let form = browser.http.post(format!("{}/auth/login", browser.base)).header("content-type", "text/plain");
    assert_eq!(send(form.body(body.to_string())).await.0, 415);
    for (body, part) in [
        (json!({"username": "admin"}), "password"),
        (json!({"username": "admin", "password": "x", "next": "https://evil.example.org"}), "next"),
        (json!({"username": 7, "password": "x"}), "username"),
        (json!([]), "LogIn"),
    ] {
        let (status, answer) = Browser::log_in(&stack, body.clone()).await.err().expect("refused");
        assert_eq!((status, &answer["class"]), (400, &json!("InputParameterError")), "{body}: {answer}");
        assert!(answer["details"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_make_browsers_wait_as_everybody() {
    let stack = Stack::start().await;
    let wrong = json!({"username": "admin", "password": "wrong"});
    let unknown = json!({"username": "nobody", "password": "wrong"});
    let (status, answer) = Browser::log_in(&stack, unknown).await.err().expect("refused");
    let same = Browser::log_in(&stack, wrong.clone()).await.err().expect("refused");
    assert_eq!((status, &answer["details"]), (401, &same.1["details"]), "nobody learns which names there are");
    let refusals = async || loop {
        match Browser::log_in(&stack, wrong.clone()).await.err().expect("refused") {
            (401, _) => {}
            (status, answer) => return (status, answer),
        }
    };
    let (status, answer) = tokio::time::timeout(testing::LIMIT, refusals()).await.expect("it must wait");
    assert_eq!((status, &answer["class"]), (429, &json!("TooManyRequestsError")), "{answer}");
    // The right one waits too, and by the other door as well.
    let right = json!({"username": "admin", "password": stack.password()});
    assert_eq!(Browser::log_in(&stack, right).await.err().expect("refused").0, 429);
    let user = json!({"name": "admin", "domain": {"name": "Default"}, "password": stack.password()});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    let request = reqwest::Client::new().post(format!("{}/v3/auth/tokens", stack.base_url())).json(&body);
    assert_eq!(send(request).await.0, 429);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_project_is_another_session() {
    let actors = Actors::start().await;
    for project in ["p1", "p2", "p3"] {
        actors.post("/projects", json!({"name": project})).await;
    }
    actors.post("/users", json!({"name": "ann", "password": "correct horse"})).await;
    for (project, role) in [("p1", "project_owner"), ("p2", "project_viewer")] {
        actors.post(&format!("/projects/{project}/join"), json!({"users": ["ann"], "roles": [role]})).await;
    }
    let body = json!({"username": "ann", "password": "correct horse", "domain": "Default"});
    let first = Browser::log_in(&actors.stack, body).await.expect("a session");
    assert_eq!((&first.session["project"]["key"], &first.session["roles"]), (&json!("p1"), &json!(["project_owner"])));
    let keys: Vec<&Value> = first.session["projects"].as_array().unwrap().iter().map(|p| &p["key"]).collect();
    assert_eq!(keys, ["p1", "p2"]);

    for (project, status) in [("p3", 404), ("nosuch", 404), ("", 404)] {
        let (code, answer) = send(first.request("POST", "/auth/project").json(&json!({"project": project}))).await;
        assert_eq!(code, status, "{project}: {answer}");
    }
    let answer = first.request("POST", "/auth/project").json(&json!({"project": "p2"})).send().await.unwrap();
    let second = Browser::of(first.http.clone(), first.base.clone(), answer).await.expect("a session");
    assert_eq!(
        (&second.session["project"]["key"], &second.session["roles"]),
        (&json!("p2"), &json!(["project_viewer"]))
    );
    assert!(second.cookie != first.cookie && second.csrf != first.csrf);
    assert_eq!(second.session["expires_at"], first.session["expires_at"], "it does not live longer by this");
    assert_eq!(send(first.bare("GET", "/auth/session")).await.0, 401, "the one of before has ended");
    // Its roles are those of the new project.
    let server = json!(Stack::body("web1", false));
    assert_eq!(send(second.request("POST", "/servers").json(&server)).await.0, 403);
    // Whoever is logged in as a role that is not theirs to have gets nothing.
    let wanted = json!({"username": "ann", "password": "correct horse", "project": "p3"});
    assert_eq!(Browser::log_in(&actors.stack, wanted).await.err().expect("refused").0, 401);
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_and_the_token_with_the_session() {
    let actors = Actors::start().await;
    let stack = &actors.stack;
    let browser = Browser::admin(stack).await;
    let mut stream = browser.bare("GET", "/stream?resource=servers").send().await.unwrap();
    let answer = browser.request("POST", "/auth/logout").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    let set = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("lifeboat_session=;") && set.contains("Max-Age=0"), "{set}");
    assert_eq!(send(browser.bare("GET", "/servers")).await.0, 401);
    let as_token = browser.http.get(format!("{}/servers", browser.base)).header("x-auth-token", browser.token());
    assert_eq!(send(as_token).await.0, 401);
    // What is open ends too, and says why.
    let read = async {
        let mut text = String::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    };
    let text = tokio::time::timeout(testing::LIMIT, read).await.expect("it ends");
    assert!(text.contains("event: error") && text.contains("UnauthorizedError"), "{text}");
    // Once more does no harm, and neither does one without a session.
    assert_eq!(send(browser.request("POST", "/auth/logout")).await.0, 204);
    assert_eq!(send(browser.http.post(format!("{}/auth/logout", browser.base))).await.0, 204);

    // Expired; disabled; logged in anew.
    let expired = Browser::admin(stack).await;
    let sql = "update tokens set expires_at = now() - interval '1 second'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut stack.connection().await).await.unwrap();
    assert_eq!(send(expired.bare("GET", "/auth/session")).await.0, 401);
    let actors = Actors { admin: stack.web().await, stack: actors.stack };
    actors.post("/users", json!({"name": "ann", "password": "correct horse"})).await;
    let body = json!({"username": "ann", "password": "correct horse"});
    let ann = Browser::log_in(&actors.stack, body.clone()).await.expect("a session");
    assert_eq!((&ann.session["project"], &ann.session["projects"]), (&Value::Null, &json!([])));
    let again = ann.bare("POST", "/auth/login").json(&body).send().await.unwrap();
    let again = Browser::of(ann.http.clone(), ann.base.clone(), again).await.expect("a session");
    assert_eq!(send(ann.bare("GET", "/auth/session")).await.0, 401, "one browser, one session");
    assert_eq!(send(again.bare("GET", "/auth/session")).await.0, 200);
    actors.post("/users/ann/disable", json!({})).await;
    assert_eq!(send(again.bare("GET", "/auth/session")).await.0, 401);
    assert_eq!(Browser::log_in(&actors.stack, body).await.err().expect("refused").0, 401);
    actors.stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_is_trusted_the_cookie_is_for_tls_alone() {
    let mut setup = Setup::default();
    setup.config.http.trusted_proxies = vec!["127.0.0.0/8".into()];
    let stack = Stack::start_with(setup).await;
    let body = json!({"username": "admin", "password": stack.password()});
    let url = format!("{}/auth/login", stack.base_url());
    let request = || {
        let http = reqwest::Client::new();
        http.post(&url).header("x-forwarded-proto", "https").header("x-forwarded-host", "region.example.org")
    };
    let answer = request().header("origin", "https://region.example.org").json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        set.starts_with("__Host-lifeboat_session=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure")
    );
    // Under the name that a neighbouring host can set, the same token counts for nothing.
    let token = set.split(['=', ';']).nth(1).unwrap();
    for (name, status) in [("__Host-lifeboat_session", 200), ("lifeboat_session", 401)] {
        let http = reqwest::Client::new().get(format!("{}/auth/session", stack.base_url()));
        let asked = http.header("cookie", format!("{name}={token}")).header("x-forwarded-proto", "https");
        assert_eq!(send(asked).await.0, status, "{name}");
    }
    // The same name without TLS is another origin.
    assert_eq!(send(request().header("origin", "http://region.example.org").json(&body)).await.0, 403);
    // Wrong passwords count for the one who sent them, not for the proxy.
    let wrong = json!({"username": "admin", "password": "wrong"});
    let from = |sender: &str, body: &Value| send(request().header("x-forwarded-for", sender.to_owned()).json(body));
    let refused = async { while from("192.0.2.1", &wrong).await.0 != 429 {} };
    tokio::time::timeout(testing::LIMIT, refused).await.expect("it must wait");
    assert_eq!(from("192.0.2.2", &body).await.0, 200);
    stack.finish().await;
}

/// The console's files come from the same address, and say so; where it is switched off, nothing is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_beneath_ui_unless_it_is_switched_off() {
    let stack = Stack::start().await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = |base: &str, path: &str| http.get(format!("{base}{path}")).header("accept", "text/html").send();
    let base = stack.base_url();
    let root = get(&base, "/").await.unwrap();
    assert_eq!((root.status().as_u16(), &root.headers()["location"]), (307, &"/ui/".parse().unwrap()));
    for path in ["/ui/", "/ui/servers?status=rescue"] {
        let page = get(&base, path).await.unwrap();
        assert_eq!(page.status().as_u16(), 200);
        assert_eq!(page.headers()["content-security-policy"], web_console::CONTENT_SECURITY_POLICY);
        assert!(page.text().await.unwrap().to_lowercase().starts_with("<!doctype html>"), "{path}");
    }
    let missing = get(&base, "/ui/assets/gone.js").await.unwrap();
    assert_eq!(missing.status().as_u16(), 404);
    let asked = http.get(&base).header("accept", "application/json").send().await.unwrap();
    assert_eq!(asked.status().as_u16(), 404);

    let mut config = stack.config().clone();
    config.http.listen = "127.0.0.1:0".into();
    config.grpc.listen = "127.0.0.1:0".into();
    config.web.enabled = false;
    let without = region::Region::start(config.clone()).await.unwrap();
    for path in ["/", "/ui", "/ui/", "/ui/servers"] {
        assert_eq!(get(&format!("http://{}", without.http), path).await.unwrap().status().as_u16(), 404, "{path}");
    }
    without.kill().await;
    config.web = region::config::Web { root: stack.folder().into(), ..Default::default() };
    let error = region::Region::start(config).await.err().expect("no console is there");
    assert!(format!("{error:#}").contains("web.root") && format!("{error:#}").contains("make web"), "{error:#}");
    stack.finish().await;
}
