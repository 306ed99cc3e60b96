//! What somebody tries who wants to use, steal or end another one's session: from a page of their own, from a neighbouring host, or by
//! guessing. Whatever is asked here is refused, and changes nothing.

#[path = "identity/client.rs"]
mod client;

use std::collections::BTreeMap;

use client::{Browser, send};
use serde_json::{Value, json};
use testing::Stack;

/// All that the API says may change something: method and path.
async fn operations(browser: &Browser) -> Vec<(String, String)> {
    let (_, document) = send(browser.http.get(format!("{}/openapi.json", browser.base))).await;
    let paths = document["paths"].as_object().expect("paths").clone();
    let mut found = Vec::new();
    for (path, item) in &paths {
        for method in item.as_object().expect("operations").keys() {
            if !matches!(method.as_str(), "get" | "head" | "parameters") {
                found.push((method.to_uppercase(), path.replace("{id}", "web1")));
            }
        }
    }
    assert!(found.len() > 60, "{}", found.len());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_that_changes_something_wants_the_sessions_proof() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let browser = Browser::admin(&stack).await;
    let before = (stack.show("web1").await, stack.story("web1").await);
    let mut operations = operations(&browser).await;
    // Methods that nobody serves, and may one day.
    for method in ["PROPFIND", "MERGE", "LINK", "POST"] {
        operations.push((method.into(), "/servers/web1/nosuch".into()));
    }
    for (method, path) in operations {
        if path == "/auth/login" || path.starts_with("/v3/") {
            continue;
        }
        let proven = || browser.bare(&method, &path).header("x-csrf-token", &browser.csrf);
        for (part, request) in [
            ("X-CSRF-Token", browser.bare(&method, &path)),
            ("X-CSRF-Token", browser.bare(&method, &path).header("origin", &browser.base)),
            ("another origin", proven().header("sec-fetch-site", "cross-site")),
            ("another origin", proven().header("origin", "https://evil.example.org")),
        ] {
            let (status, answer) = send(request.json(&json!({}))).await;
            assert_eq!((status, &answer["class"]), (403, &json!("ForbiddenError")), "{method} {path}: {answer}");
            assert!(answer["details"].as_str().unwrap().contains(part), "{method} {path}: {answer}");
        }
    }
    // No header makes of a look something else.
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        assert_eq!(send(browser.bare("GET", "/servers/web1").header(name, "DELETE")).await.0, 200, "{name}");
    }
    assert_eq!(send(browser.bare("GET", "/servers/web1?_method=DELETE")).await.0, 200);
    assert_eq!((stack.show("web1").await, stack.story("web1").await), before, "nothing was changed");
    assert_eq!(send(browser.bare("GET", "/auth/session")).await.0, 200, "nor did the session end");
    stack.finish().await;
}

/// A page that makes a browser go to region sends no cookie (it is `SameSite=Strict`), but would take the cookies of the answer.
#[tokio::test(flavor = "multi_thread")]
async fn no_foreign_page_logs_anybody_out_or_in() {
    let stack = Stack::start().await;
    let browser = Browser::admin(&stack).await;
    for path in ["/auth/logout", "/auth/login", "/auth/project"] {
        for (name, value) in [
            ("origin", "https://evil.example.org"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let form = browser.http.post(format!("{}{path}", browser.base)).header(name, value);
            let form = form.header("content-type", "application/x-www-form-urlencoded").body("username=mallory");
            let answer = form.send().await.unwrap();
            let refused = matches!((path, answer.status().as_u16()), (_, 403) | ("/auth/project", 401));
            assert!(refused && !answer.headers().contains_key("set-cookie"), "{path} {name}: {value}: {answer:?}");
        }
    }
    assert_eq!(send(browser.bare("GET", "/auth/session")).await.0, 200);
    stack.finish().await;
}

/// Session fixation: the token of a session is made by its log-in, whatever the browser brings along.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_takes_over_no_token_that_somebody_set_before() {
    let stack = Stack::start().await;
    let mallory = Browser::admin(&stack).await;
    let body = json!({"username": "admin", "password": stack.password()});
    let made_up = format!("lifeboat_session={}", "ab".repeat(32));
    for planted in [&mallory.cookie, &made_up] {
        let request = mallory.http.post(format!("{}/auth/login", mallory.base)).header("cookie", planted).json(&body);
        let mine = Browser::of(mallory.http.clone(), mallory.base.clone(), request.send().await.unwrap()).await;
        let mine = mine.expect("a session");
        assert!(mine.cookie != *planted);
        let asked = mallory.http.get(format!("{}/auth/session", mallory.base)).header("cookie", planted);
        assert_eq!(send(asked).await.0, 401, "who set it has nothing");
        // Set beside the right one, it does not take its place, and neither does it act.
        let both = format!("{planted}; {}", mine.cookie);
        let asked = mallory.http.get(format!("{}/auth/session", mallory.base)).header("cookie", both);
        assert_eq!(send(asked).await.0, 401);
        assert_eq!(send(mine.bare("GET", "/auth/session")).await.0, 200);
    }
    stack.finish().await;
}

/// Guesses that are sent all at once, by each door and each name of the user, get no further than one after another.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_sent_at_once_are_counted_too() {
    let stack = Stack::start().await;
    let browser = Browser::admin(&stack).await;
    let id = browser.session["user"]["id"].clone();
    let guess = |n: usize| {
        let (password, base) = (format!("guess {n}"), &browser.base);
        let by = |user: Value| {
            let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
            browser.http.post(format!("{base}/v3/auth/tokens")).json(&body)
        };
        let request = match n % 4 {
            0 => browser
                .http
                .post(format!("{base}/auth/login"))
                .json(&json!({"username": "admin", "password": password})),
            1 => by(json!({"name": "admin", "domain": {"name": "Default"}, "password": password})),
            2 => by(json!({"name": "admin", "domain": {"id": "default"}, "password": password})),
            _ => by(json!({"id": id, "password": password})),
        };
        async move { send(request).await.0 }
    };
    let mut answers = BTreeMap::<u16, usize>::new();
    for status in futures::future::join_all((0..80).map(guess)).await {
        *answers.entry(status).or_default() += 1;
    }
    // Five are free; so many more as may be at work at that moment.
    assert!(answers[&401] <= 5 + 8 && answers[&401] + answers[&429] == 80, "{answers:?}");
    stack.finish().await;
}

/// Nothing that region answers may another site's page read, frame, or take for something else.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_for_another_origin() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let browser = Browser::admin(&stack).await;
    for (method, path) in [
        ("GET", "/servers"),
        ("GET", "/auth/session"),
        ("GET", "/openapi.json"),
        ("GET", "/docs/"),
        ("GET", "/ui/"),
        ("GET", "/ui/assets/gone.js"),
        ("GET", "/metrics"),
        ("GET", "/nosuch"),
        ("GET", "/servers/nosuch"),
        ("GET", "/servers?limit=x"),
        ("GET", "/servers/web1/console"),
        ("GET", "/consolerecordings/nosuch/cast"),
        ("GET", "//evil.example.org/%2e%2e"),
        ("PUT", "/servers"),
        ("POST", "/servers"),
        ("POST", "/auth/login"),
        ("OPTIONS", "/servers"),
        ("OPTIONS", "/auth/login"),
    ] {
        for origin in ["https://evil.example.org", browser.base.as_str()] {
            let asked = browser.bare(method, path).header("origin", origin);
            let asked = asked.header("access-control-request-method", "DELETE");
            let answer = asked.header("access-control-request-headers", "x-auth-token").send().await.unwrap();
            let headers = answer.headers();
            let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
            let allows = headers.keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(allows, None, "{method} {path}: nothing is allowed to other origins");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(header(name), value, "{method} {path}: {name}");
            }
            let policy = header("content-security-policy");
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap_or_default();
            assert!(!scripts.contains("unsafe") && !scripts.contains('*'), "{path}: {policy}");
            if !path.starts_with("/ui/") {
                assert_eq!(header("cache-control"), "no-store", "{method} {path}");
            }
            let is_page = header("content-type").starts_with("text/html");
            let location = header("location").to_owned();
            assert!(location.is_empty() || location.starts_with("/ui/"), "{path}: leads to {location}");
            if is_page {
                let text = answer.text().await.unwrap();
                for script in text.split("<script").skip(1) {
                    let (attributes, rest) = script.split_once('>').expect("the end of a tag");
                    assert!(attributes.contains("src="), "{path}: a script within the page: {attributes}");
                    assert!(rest.trim_start().starts_with("</script>"), "{path}");
                }
                assert!(!text.contains("javascript:") && !text.contains(" onload="), "{path}");
            }
        }
    }
    stack.finish().await;
}
