//! Every kind of request against a service that speaks the contract over real HTTP: what goes over the wire, and what comes of each answer.

mod region;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use api::list::ListQuery;
use api::server::{ServerCreate, Servers, Start, StartRescue};
use api::task::TaskState;
use api::{Accepted, ErrorClass};
use client::{Client, ClientOptions, Credentials, Error, Watch};
use region::{Answer, PASSWORD, Region, TASK, error, server, task};
use serde_json::json;
use types::Secret;

fn options(region: &Region) -> ClientOptions {
    let credentials = Credentials::Password {
        user: "admin".into(),
        domain: "Default".into(),
        password: Some(Secret::new(PASSWORD)),
        project: Some("system".into()),
    };
    ClientOptions::new(Some(region.auth_url()), credentials)
}

fn client(region: &Region) -> Client {
    Client::new(options(region)).unwrap()
}

#[tokio::test]
async fn logs_in_as_the_contract_says_and_reuses_the_token() {
    let region = Region::start().await;
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "ready", "shutoff")}));
    let client = client(&region);
    for _ in 0..3 {
        assert_eq!(client.get::<Servers>("web1").await.unwrap().name, "web1");
    }
    let logins = region.seen("POST /v3/auth/tokens");
    assert_eq!(logins.len(), 1);
    let sent: serde_json::Value = serde_json::from_str(&logins[0].body).unwrap();
    assert_eq!(sent["auth"]["identity"]["methods"], json!(["password"]));
    assert_eq!(sent["auth"]["identity"]["password"]["user"]["name"], "admin");
    assert_eq!(sent["auth"]["identity"]["password"]["user"]["domain"]["name"], "Default");
    assert_eq!(sent["auth"]["scope"]["project"]["name"], "system");
    assert!(region.seen("GET /servers").iter().all(|s| s.header("x-auth-token") == "token-1"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let region = Region::start().await;
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "ready", "shutoff")}));
    let client = client(&region);
    client.get::<Servers>("web1").await.unwrap();
    region.revoke();
    // A batch shares the one fresh log-in.
    let (a, b) = tokio::join!(client.get::<Servers>("web1"), client.get::<Servers>("web1"));
    a.unwrap();
    b.unwrap();
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 2);

    // A service that refuses every token is not asked for ever.
    region.json("GET /hosts/h1", 401, error(401, "UnauthorizedError", "no"));
    let refused = client.get::<api::host::Hosts>("h1").await.unwrap_err();
    assert_eq!((refused.status(), refused.is_access()), (Some(401), true));
    assert_eq!(region.seen("GET /hosts/h1").len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_repeat_it() {
    let region = Region::start().await;
    let mut options = options(&region);
    options.credentials = Credentials::Password {
        user: "admin".into(),
        domain: "Default".into(),
        password: Some(Secret::new("hunter2")),
        project: None,
    };
    let failure = Client::new(options.clone()).unwrap().login().await.unwrap_err();
    assert_eq!(failure.class(), Some(ErrorClass::Unauthorized));
    assert!(!format!("{failure} {failure:?} {options:?}").contains("hunter2"));
}

#[tokio::test]
async fn tokens_are_kept_for_the_next_program_with_mode_0600() {
    let folder = tempfile::tempdir().unwrap();
    let region = Region::start().await;
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "ready", "shutoff")}));
    let kept = ClientOptions { token_folder: Some(folder.path().join("lifeboat")), ..options(&region) };
    for _ in 0..2 {
        Client::new(kept.clone()).unwrap().get::<Servers>("web1").await.unwrap();
    }
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 1);
    let files: Vec<_> = std::fs::read_dir(folder.path().join("lifeboat")).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(&folder.path().join("lifeboat"))), (0o600, 0o700));
    assert!(!std::fs::read_to_string(&files[0]).unwrap().contains(PASSWORD));

    // A kept token that was revoked costs one more log-in, not the request.
    region.revoke();
    Client::new(kept.clone()).unwrap().get::<Servers>("web1").await.unwrap();
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 2);

    // A file that others could write is not believed; another user's token is not used.
    std::fs::set_permissions(&files[0], std::fs::Permissions::from_mode(0o644)).unwrap();
    Client::new(kept.clone()).unwrap().get::<Servers>("web1").await.unwrap();
    assert_eq!(region.seen("POST /v3/auth/tokens").len(), 3);
    let mut other = kept;
    other.credentials = Credentials::Password {
        user: "eve".into(),
        domain: "Default".into(),
        password: None,
        project: Some("system".into()),
    };
    let failure = Client::new(other).unwrap().get::<Servers>("web1").await.unwrap_err();
    assert!(matches!(failure, Error::NoCredentials(_)), "{failure}");
}

#[tokio::test]
async fn a_given_token_is_validated_for_its_catalog_only() {
    let region = Region::start().await;
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "ready", "shutoff")}));
    client(&region).login().await.unwrap();
    let token = Credentials::Token(Secret::new("token-1"));
    let by_catalog = Client::new(ClientOptions::new(Some(region.auth_url()), token.clone())).unwrap();
    by_catalog.get::<Servers>("web1").await.unwrap();
    assert_eq!(region.seen("GET /v3/auth/tokens")[0].header("x-subject-token"), "token-1");
    let direct = ClientOptions { region_url: Some(region.url()), ..ClientOptions::new(None, token) };
    Client::new(direct.clone()).unwrap().get::<Servers>("web1").await.unwrap();
    region.revoke();
    let failure = Client::new(direct).unwrap().get::<Servers>("web1").await.unwrap_err();
    assert_eq!(failure.status(), Some(401));
}

#[tokio::test]
async fn a_region_is_chosen_by_name() {
    let region = Region::start().await;
    let in_region = |name: &str| ClientOptions { region_name: Some(name.into()), ..options(&region) };
    let login = Client::new(in_region("region0")).unwrap().login().await.unwrap();
    assert_eq!((login.region_url, login.roles), (region.url(), vec!["admin".to_owned()]));
    let failure = Client::new(in_region("mars")).unwrap().login().await.unwrap_err().to_string();
    assert!(failure.contains("mars") && failure.contains("region0"), "{failure}");
}

#[tokio::test]
async fn lists_send_arrays_by_number_and_need_their_array() {
    let region = Region::start().await;
    let envelope = json!({"servers": [server("web1", "rescue", "running")], "total": 41, "limit": 1, "offset": 2});
    region.json("GET /servers", 200, envelope).json("GET /servers", 200, json!({"total": 0}));
    let client = client(&region);
    let query = ListQuery {
        limit: 1,
        offset: 2,
        status: vec!["rescue".into(), "ready".into()],
        name: Some("a b".into()),
        ..ListQuery::default()
    };
    let list = client.list::<Servers>(&query).await.unwrap();
    assert_eq!((list.total, list.limit, list.offset, list.data[0].name.as_str()), (41, 1, 2, "web1"));
    let target = &region.seen("GET /servers")[0].target;
    for part in ["limit=1", "offset=2", "status.0=rescue", "status.1=ready", "name=a+b"] {
        assert!(target.contains(part), "{part} in {target}");
    }
    let failure = client.list::<Servers>(&ListQuery::default()).await.err().unwrap();
    assert!(matches!(failure, Error::Foreign { .. }), "{failure}");
}

#[tokio::test]
async fn ids_are_one_encoded_segment() {
    let region = Region::start().await;
    let client = client(&region);
    let failure = client.get::<Servers>("a/b ü?").await.unwrap_err();
    assert!(failure.is_not_found());
    assert_eq!(failure.request_id(), Some("req-1"));
    assert_eq!(region.seen("GET /servers")[0].target, "/servers/a%2Fb%20%C3%BC%3F");
    assert!(matches!(client.delete::<Servers>("..").await, Err(Error::Input(_))));
    assert_eq!(region.seen("DELETE").len(), 0);
}

#[tokio::test]
async fn a_verb_is_wrapped_and_its_answer_read() {
    let region = Region::start().await;
    let body = json!({
        "server": server("web1", "start_rescue", "running"),
        "task": {"id": TASK, "task_name": "StartRescueTask", "stage": "preflight"},
        "rescue_session": {"id": region::SESSION, "password": "blue-moon", "password_shown": false},
        "warnings": ["disk_mod"],
    });
    region.json("POST /servers/web1/start-rescue", 202, body);
    let action = StartRescue { reason: Some("fstab".into()), ..StartRescue::default() };
    let accepted: Accepted<StartRescue> = client(&region).perform("web1", &action).await.unwrap();
    assert_eq!(accepted.task.unwrap().id.to_string(), TASK);
    assert_eq!(accepted.extra.rescue_session.unwrap().password, Some(Secret::new("blue-moon")));
    assert_eq!(accepted.warnings, ["disk_mod"]);
    let sent = &region.seen("POST /servers/web1/start-rescue")[0];
    assert_eq!(sent.body, r#"{"server":{"reason":"fstab"}}"#);
    assert_eq!(sent.header("content-type"), "application/json");
    assert_eq!(sent.header("idempotency-key").len(), 36);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_key() {
    let region = Region::start().await;
    region.on("POST /servers/web1/start", Answer::Cut);
    region.json("POST /servers/web1/start", 202, json!({"server": server("web1", "starting", "shutoff")}));
    let client = client(&region);
    client.perform("web1", &Start {}).await.unwrap();
    client.perform("web1", &Start {}).await.unwrap();
    let keys: Vec<String> =
        region.seen("POST /servers/web1/start").iter().map(|s| s.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}

#[tokio::test]
async fn a_delete_is_repeated_under_its_key_and_in_the_end_said_to_be_lost() {
    let region = Region::start().await;
    region.on("DELETE /servers/web1", Answer::Cut);
    let failure = client(&region).delete::<Servers>("web1").await.unwrap_err();
    assert!(matches!(failure, Error::Lost { .. }), "{failure}");
    let keys: Vec<String> = region.seen("DELETE").iter().map(|s| s.header("idempotency-key").to_owned()).collect();
    assert!(keys.len() == 3 && keys[0].len() == 36 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(region.seen("DELETE").iter().all(|s| s.body.is_empty()));
}

#[tokio::test]
async fn a_service_that_asks_for_a_pause_gets_it() {
    let region = Region::start().await;
    let busy = error(503, "ServiceUnavailableError", "starting");
    region.on("GET /servers/web1", Answer::With(503, ("retry-after", "0"), busy.clone()));
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "ready", "shutoff")}));
    region.on("GET /servers/web2", Answer::With(503, ("retry-after", "3600"), busy));
    let client = client(&region);
    client.get::<Servers>("web1").await.unwrap();
    let failure = client.get::<Servers>("web2").await.unwrap_err();
    assert!(failure.is_passing());
    assert_eq!(region.seen("GET /servers/web2").len(), 1);
}

#[tokio::test]
async fn what_is_not_json_is_an_error_whatever_its_status() {
    let region = Region::start().await;
    let client = client(&region);
    for (status, body) in
        [(200, "<html>fine</html>"), (202, ""), (200, "{\"server\":"), (502, "<html>bad gateway"), (302, "")]
    {
        let name = format!("w{status}-{}", body.len());
        region.on(&format!("GET /servers/{name}"), Answer::Raw(status, "text/html", body.into()));
        let failure = client.get::<Servers>(&name).await.unwrap_err();
        assert!(matches!(failure, Error::Foreign { .. }), "{status} {body}: {failure}");
        assert_eq!(failure.status(), Some(status));
    }
    // JSON, but not a server.
    region.json("GET /servers/odd", 200, json!({"server": {"name": "odd"}}));
    assert!(matches!(client.get::<Servers>("odd").await, Err(Error::Foreign { .. })));
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_token_away() {
    let (region, thief) = (Region::start().await, Region::start().await);
    let target: &'static str = Box::leak(format!("{}/servers/web1", thief.url()).into_boxed_str());
    region.on("GET /servers/web1", Answer::With(307, ("location", target), String::new()));
    let failure = client(&region).get::<Servers>("web1").await.unwrap_err();
    assert!(matches!(failure, Error::Foreign { status: 307, .. }), "{failure}");
    assert!(thief.seen("").is_empty());
}

#[tokio::test]
async fn an_absent_service_is_said_to_be_absent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = Client::new(ClientOptions::new(
        Some(url.clone()),
        Credentials::Password {
            user: "admin".into(),
            domain: "Default".into(),
            password: Some(Secret::new("x")),
            project: None,
        },
    ))
    .unwrap()
    .login()
    .await
    .unwrap_err();
    assert!(matches!(failure, Error::Connect { .. }) && failure.is_access(), "{failure}");
    assert!(failure.to_string().contains(&url) && failure.to_string().contains("refused"), "{failure}");
}

#[tokio::test]
async fn create_and_delete_answer_with_their_task() {
    let region = Region::start().await;
    let brief = json!({"id": TASK, "task_name": "ServerCreateTask", "stage": "create"});
    region.json(
        "POST /servers",
        202,
        json!({"server": server("web1", "creating", "unknown"), "task": brief, "warnings": ["x"]}),
    );
    region.json("DELETE /servers/web1", 202, json!({"server": server("web1", "deleting", "shutoff")}));
    let client = client(&region);
    let body: ServerCreate = serde_json::from_value(json!({"name": "web1", "disks": [{"size": 10}]})).unwrap();
    let created = client.create::<Servers>(&body).await.unwrap();
    assert_eq!((created.task.unwrap().id.to_string(), created.warnings), (TASK.to_owned(), vec!["x".to_owned()]));
    assert!(region.seen("POST /servers")[0].body.starts_with(r#"{"server":{"#));
    let deleted = client.delete::<Servers>("web1").await.unwrap();
    assert_eq!((deleted.resource.name.as_str(), deleted.task), ("web1", None));
}

#[tokio::test]
async fn waiting_tells_each_change_once_and_lasts_over_an_outage() {
    let region = Region::start().await;
    let what = format!("GET /tasks/{TASK}");
    let wrapped = |state: &str, stages: &[(&str, bool, Option<&str>, bool)]| json!({"task": task(TASK, state, stages)});
    let preflight = wrapped("waiting", &[("preflight", false, None, false)]);
    region.json(&what, 200, &preflight).json(&what, 200, &preflight);
    // Three tries of the client each, and it goes on.
    for _ in 0..4 {
        region.on(&what, Answer::Cut);
    }
    region.json(&what, 200, wrapped("waiting", &[("preflight", true, None, false), ("boot", false, None, false)]));
    region.json(&what, 200, wrapped("succeeded", &[("preflight", true, None, false), ("boot", true, None, false)]));
    let (mut changes, mut outages) = (Vec::new(), 0);
    let ended = client(&region)
        .wait_task(TASK.parse().unwrap(), |watch| match watch {
            Watch::Changed(task) => changes.push((task.state, task.stages.len())),
            Watch::Outage(_) => outages += 1,
        })
        .await
        .unwrap();
    assert_eq!(changes, [(TaskState::Waiting, 1), (TaskState::Waiting, 2), (TaskState::Succeeded, 2)]);
    assert_eq!((ended.state, outages), (TaskState::Succeeded, 1));
}

#[tokio::test]
async fn waiting_ends_at_a_blocked_task_and_at_an_unknown_one() {
    let region = Region::start().await;
    region.json(&format!("GET /tasks/{TASK}"), 200, json!({"task": task(TASK, "blocked", &[])}));
    let client = client(&region);
    assert_eq!(client.wait_task(TASK.parse().unwrap(), |_| {}).await.unwrap().state, TaskState::Blocked);
    let unknown = region::id_of("nobody").parse().unwrap();
    assert!(client.wait_task(unknown, |_| {}).await.unwrap_err().is_not_found());
}

/// `https` on loopback with a certificate of an authority of its own; answers the authority's file, and the URL.
async fn behind_tls(region: &Region, folder: &std::path::Path) -> (std::path::PathBuf, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&authority).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let file = folder.join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let tls =
        axum_server::tls_rustls::RustlsConfig::from_pem(leaf.pem().into(), key.serialize_pem().into()).await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let app = region.app();
    tokio::spawn(async move {
        axum_server::from_tcp_rustls(listener, tls).unwrap().serve(app.into_make_service()).await.unwrap();
    });
    (file, url)
}

#[tokio::test]
async fn over_tls_only_the_named_authority_is_trusted() {
    let region = Region::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (ca, url) = behind_tls(&region, folder.path()).await;
    region.json("GET /servers/web1", 200, json!({"server": server("web1", "ready", "shutoff")}));
    let options =
        ClientOptions { auth_url: Some(format!("{url}/v3")), region_url: Some(url), ca: Some(ca), ..options(&region) };
    let client = Client::new(options.clone()).unwrap();
    assert_eq!(client.get::<Servers>("web1").await.unwrap().name, "web1");
    let mut console = client.console("web1").await.unwrap();
    until(&mut console, "# ").await;

    let failure = Client::new(ClientOptions { ca: None, ..options.clone() }).unwrap().login().await.unwrap_err();
    assert!(matches!(&failure, Error::Connect { cause, .. } if cause.contains("certificate")), "{failure}");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let failure = Client::new(ClientOptions { ca: Some(empty), ..options }).unwrap().login().await.unwrap_err();
    assert!(matches!(failure, Error::Input(_)), "{failure}");
}

#[tokio::test]
async fn a_catalog_can_not_lead_from_tls_into_the_clear() {
    let region = Region::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (ca, url) = behind_tls(&region, folder.path()).await;
    region.advertise("http://region.example:8774");
    let options = ClientOptions { auth_url: Some(format!("{url}/v3")), ca: Some(ca), ..options(&region) };
    let failure = Client::new(options).unwrap().login().await.unwrap_err();
    assert!(matches!(failure, Error::Input(_)) && failure.to_string().contains("not encrypted"), "{failure}");
}

async fn until(console: &mut client::Console, text: &str) -> String {
    let mut seen = String::new();
    let read = async {
        while !seen.contains(text) {
            let bytes = console.receive().await.unwrap().expect("the console closed");
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap_or_else(|_| panic!("no '{text}'"));
    seen
}

#[tokio::test]
async fn the_serial_console_goes_both_ways() {
    let region = Region::start().await;
    let client = client(&region);
    let mut console = client.console("web1").await.unwrap();
    until(&mut console, "# ").await;
    console.send("hello\r").await.unwrap();
    assert!(until(&mut console, "orld").await.contains("\x1b[31m"));
    let request = &region.seen("GET /servers/web1/console")[0];
    assert_eq!(request.target, "/servers/web1/console?mode=serial");
    assert_eq!((request.header("x-auth-token"), request.header("upgrade")), ("token-1", "websocket"));
    console.send("crash\r").await.unwrap();
    let failure = console.receive().await.unwrap_err();
    assert!(failure.to_string().contains("the server was switched off"), "{failure}");

    let mut console = client.console("web1").await.unwrap();
    until(&mut console, "# ").await;
    console.close().await;
}

#[tokio::test]
async fn a_console_that_is_refused_says_why() {
    let region = Region::start().await;
    region.json("GET /servers/web1/console", 409, error(409, "InvalidStatusError", "server is ready: start it first"));
    region.json("GET /servers/web2/console", 200, json!({}));
    let client = client(&region);
    let failure = client.console("web1").await.err().unwrap();
    assert_eq!(failure.class(), Some(ErrorClass::InvalidStatus));
    assert!(matches!(client.console("web2").await, Err(Error::Foreign { .. })));
}
