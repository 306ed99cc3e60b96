//! Secrets stay where they belong: a run over users, tokens, log-in, rescue and bearer tokens of another identity server, after which no row
//! of any table, no event and no line of the log (at `debug`) holds one of those that were used.

#[path = "identity/actors.rs"]
mod actors;
#[path = "identity/issuer.rs"]
#[allow(dead_code, reason = "a part of it is needed")]
mod issuer;

use std::process::Command;

use actors::Actors;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use issuer::{Issuer, Signer};
use region::config::{Auth, Config, Issuer as Trusted, Mapping};
use serde_json::json;
use testing::{Setup, Stack};

/// Where the story tells, to the test that reads its log, which secrets it used.
const TELL: &str = "SECRETS_OF_THE_STORY";

/// The story runs in a process of its own, for the log is the process's.
#[test]
fn no_log_line_holds_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("secrets");
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_story", "--ignored", "--nocapture"])
        .env(TELL, &told)
        .env("RUST_LOG", "debug")
        .output()
        .unwrap();
    let log = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{log}");
    assert!(log.lines().filter(|line| line.contains("DEBUG")).count() > 50, "there is a log: {log}");
    let secrets = std::fs::read_to_string(told).unwrap();
    for (name, secret) in secrets.lines().filter_map(|line| line.split_once('\t')) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the secret '{name}' is logged");
    }
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

async fn texts(stack: &Stack, sql: &str) -> Vec<String> {
    let rows: Vec<Row> = diesel::sql_query(sql).load(&mut stack.connection().await).await.expect(sql);
    rows.into_iter().map(|row| row.text).collect()
}

/// All rows of all tables, as text; bytes also as what they spell.
async fn rows(stack: &Stack) -> Vec<(String, String)> {
    let tables = "select table_name::text as text from information_schema.tables \
                  where table_schema = current_schema() and table_type = 'BASE TABLE'";
    let bytes = "select format('%I.%I', table_name, column_name) as text from information_schema.columns \
                 where table_schema = current_schema() and data_type = 'bytea'";
    let mut all = Vec::new();
    for table in texts(stack, tables).await {
        for row in texts(stack, &format!("select t::text as text from {table} t")).await {
            all.push((table.clone(), row));
        }
    }
    for column in texts(stack, bytes).await {
        let table = column.split('.').next().unwrap();
        let sql = format!("select encode({column}, 'escape') as text from {table} where {column} is not null");
        for value in texts(stack, &sql).await {
            all.push((column.clone(), value));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by no_log_line_holds_a_secret, which reads its log"]
async fn the_story() {
    let signer = Signer::ed();
    let issuer = Issuer::start(vec![signer.jwk("k")]).await;
    let map = Mapping {
        claim: "groups".into(),
        value: "ops".into(),
        project: "p1".into(),
        roles: vec!["project_owner".into()],
    };
    let trusted = Trusted {
        name: "corp".into(),
        issuer: issuer.url.clone(),
        audience: vec!["lifeboat".into()],
        user_claim: "email".into(),
        map: vec![map],
        ..Trusted::default()
    };
    let config = Config { auth: Auth { oidc: vec![trusted], ..Auth::default() }, ..Config::default() };
    let actors = Actors::start_with(Setup { config, ..Setup::default() }).await;
    let stack = &actors.stack;
    actors.post("/projects", json!({"name": "p1"})).await;
    let ann = actors.user("ann", "p1", "project_owner").await;
    let now = chrono::Utc::now().timestamp();
    let bearer = signer.token(
        "k",
        &json!({"iss": issuer.url, "aud": "lifeboat", "sub": "u-1", "email": "bob@corp", "groups": ["ops"],
            "iat": now, "nbf": now - 1, "exp": now + 300}),
    );
    let hash = "$6$saltsaltsalt$lZTT0vdLkDNsrVvSQ8oDr4gBN6dTrvjPqdHfDw4Y1yqRn1KTyqXTWmZsHq3hSJ0a1Wq3bGWJ3bXz2Uq0JtZl5/";
    let mut secrets = vec![
        ("the administrator's password", stack.password()),
        ("the administrator's token", actors.admin.token.expose().to_owned()),
        ("a user's password", "correct horse".to_owned()),
        ("a user's token", ann.token.expose().to_owned()),
        ("a bearer token", bearer.clone()),
        ("a bearer token's signature", bearer.rsplit('.').next().unwrap().to_owned()),
        ("a wrong password", "wrong-horse-7411".to_owned()),
        ("a wrong token", "deadbeef".repeat(8)),
        ("the hash of a rescue password", hash.to_owned()),
    ];
    // Also what is refused.
    assert_eq!(actors.log_in("ann", "wrong-horse-7411").await.err(), Some(401));
    let get = |token: &str| actors.admin.http.get(format!("{}/servers", actors.admin.base)).bearer_auth(token);
    assert_eq!(actors.admin.send(get(&bearer)).await.0, 200);
    assert_eq!(actors.admin.send(get(&"deadbeef".repeat(8))).await.0, 401);
    assert_eq!(actors.admin.send(get(&format!("{bearer}x"))).await.0, 401);
    actors.post("/users/ann/set-password", json!({"password": "new-horse-9313"})).await;
    let again = actors.log_in("ann", "new-horse-9313").await.expect("a token");
    secrets.push(("a new password", "new-horse-9313".to_owned()));
    secrets.push(("a second token", again.token.expose().to_owned()));

    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPoGyNdbSQhQC1N4U8zLJCdnM2GQkGCJcSBVQ3Fy3nnX ann@home";
    for (name, password) in [("web1", json!("generate")), ("web2", json!(hash))] {
        stack.server(name, true).await;
        let body = json!({"password": password, "ssh_keys": [key]});
        let answer = actors.post(&format!("/servers/{name}/start-rescue"), body).await;
        stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
        if let Some(shown) = answer["rescue_session"]["password"].as_str() {
            secrets.push(("a rescue password", shown.to_owned()));
        }
        // While the session is open, as well as after it.
        if name == "web1" {
            let answer = actors.post("/servers/web1/stop-rescue", json!({})).await;
            stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
        }
    }
    assert_eq!(secrets.len(), 12);

    let rows = rows(stack).await;
    assert!(rows.iter().any(|(table, row)| table == "events" && row.contains("start_rescue")), "rows are searched");
    for (name, secret) in &secrets {
        let place = rows.iter().find(|(_, row)| row.contains(secret)).map(|(place, _)| place);
        assert_eq!(place, None, "{name} stands in clear");
    }
    if let Some(path) = std::env::var_os(TELL) {
        let lines: Vec<String> = secrets.iter().map(|(name, secret)| format!("{name}\t{secret}\n")).collect();
        std::fs::write(path, lines.concat()).unwrap();
    }
    let answer = actors.post("/servers/web2/stop-rescue", json!({})).await;
    stack.ended(answer["task"]["id"].as_str().unwrap().parse().unwrap()).await;
    actors.stack.finish().await;
}
