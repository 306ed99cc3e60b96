//! `lifeboat secrets` as the Job runs it: the real program against a server that keeps Secrets as Kubernetes' API does (HTTPS, the service
//! account's token, 404, 409 for one that exists or was changed, pages of nodes).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lifeboat::pki::authority::{Authority, Pair};
use lifeboat::pki::today;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TOKEN: &str = "the-token-of-the-service-account";
const SECRETS: &str = "/api/v1/namespaces/lifeboat/secrets";

#[derive(Default)]
struct Kept {
    secrets: BTreeMap<String, Value>,
    version: u64,
    /// Somebody else changes this Secret once it was read.
    meddled: Option<String>,
}
type Cluster = Arc<Mutex<Kept>>;

fn status(code: StatusCode, message: &str) -> Response {
    (code, Json(json!({"kind": "Status", "message": message}))).into_response()
}

async fn answer(
    State(cluster): State<Cluster>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
    body: String,
) -> Response {
    if headers.get("authorization").is_none_or(|value| value != format!("Bearer {TOKEN}").as_str()) {
        return status(StatusCode::UNAUTHORIZED, "who are you?");
    }
    let mut kept = cluster.lock().unwrap();
    let name = uri.path().strip_prefix(SECRETS).map(|rest| rest.trim_start_matches('/').to_owned());
    match (method, name) {
        (Method::GET, None) if uri.path() == "/api/v1/nodes" => {
            let page = |names: &[&str], more: &str| {
                let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
                Json(json!({"items": items, "metadata": {"continue": more}})).into_response()
            };
            match (query["labelSelector"].as_str(), query["continue"].as_str()) {
                ("lifeboat.io/host=true", "") => page(&["node1"], "next"),
                ("lifeboat.io/host=true", "next") => page(&["node2.example.com"], ""),
                _ => page(&[], ""),
            }
        }
        (Method::GET, Some(name)) => {
            let Some(found) = kept.secrets.get(&name).cloned() else {
                return status(StatusCode::NOT_FOUND, "not found");
            };
            if kept.meddled.as_ref() == Some(&name) {
                kept.meddled = None;
                kept.version += 1;
                let version = kept.version.to_string();
                kept.secrets.get_mut(&name).unwrap()["metadata"]["resourceVersion"] = version.into();
            }
            Json(found).into_response()
        }
        (method @ (Method::POST | Method::PUT), Some(in_path)) => {
            let mut secret: Value = serde_json::from_str(&body).unwrap();
            let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
            let there = kept.secrets.get(&name);
            let fits = match method {
                Method::POST => in_path.is_empty() && there.is_none(),
                _ => there.is_some_and(|there| {
                    in_path == name && there["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"]
                }),
            };
            if !fits {
                return status(StatusCode::CONFLICT, "the object has been modified");
            }
            kept.version += 1;
            secret["metadata"]["resourceVersion"] = kept.version.to_string().into();
            kept.secrets.insert(name, secret.clone());
            Json(secret).into_response()
        }
        _ => status(StatusCode::FORBIDDEN, "secrets is forbidden: cannot delete resource \"secrets\""),
    }
}

/// Serves until the test ends; the folder is what the kubelet mounts.
async fn start(cluster: &Cluster, account: &Path) -> u16 {
    service::install_crypto();
    let (authority, root) = Authority::create("cluster", today()).unwrap();
    let mine = authority.issue("localhost", today()).unwrap();
    std::fs::write(account.join("ca.crt"), &root.certificate).unwrap();
    std::fs::write(account.join("token"), TOKEN).unwrap();
    std::fs::write(account.join("namespace"), "lifeboat").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, tls(&mine), axum::Router::new().fallback(answer).with_state(Arc::clone(cluster))));
    port
}

fn tls(pair: &Pair) -> tokio_rustls::TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(pair.key.expose().as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    tokio_rustls::TlsAcceptor::from(Arc::new(config.unwrap()))
}

async fn serve(listener: TcpListener, tls: tokio_rustls::TlsAcceptor, router: axum::Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = hyper_util::service::TowerToHyperService::new(router);
            let http = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _ = http.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    }
}

async fn secrets(account: &Path, port: u16, more: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(["secrets", "--kubernetes", "--service-account"]).arg(account).args(more);
    command.env("KUBERNETES_SERVICE_HOST", "localhost").env("KUBERNETES_SERVICE_PORT", port.to_string());
    command.stdin(Stdio::null()).output().await.unwrap()
}

fn out(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn entry(cluster: &Cluster, secret: &str, key: &str) -> String {
    let kept = cluster.lock().unwrap();
    let text = kept.secrets[secret]["data"][key].as_str().unwrap_or_else(|| panic!("{secret} has no {key}"));
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

const OPTIONS: &[&str] = &[
    "--hosts",
    "lifeboat.io/host=true",
    "--host",
    "outside1",
    "--agent",
    "zone-a",
    "--agent",
    "zone-b",
    "--database",
    "db",
];
const ALL: [&str; 7] =
    ["lifeboat-ca", "region-tls", "operator-tls", "host-tls", "baremetal-agent-tls", "region-secrets", "database"];

#[tokio::test]
async fn secrets_are_made_once_and_what_is_good_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::default();
    let port = start(&cluster, folder.path()).await;

    let first = secrets(folder.path(), port, OPTIONS).await;
    let (stdout, stderr) = out(&first);
    assert!(first.status.success(), "{stderr}");
    assert_eq!(stdout.lines().collect::<Vec<_>>(), ALL.map(|name| format!("Secret {name}: made")));
    for (key, name) in [
        ("node1", "node1.host.lifeboat"),
        ("node2.example.com", "node2.example.com.host.lifeboat"),
        ("outside1", "outside1.host.lifeboat"),
    ] {
        let pair = Pair {
            certificate: entry(&cluster, "host-tls", &format!("{key}.crt")),
            key: types::secret::Secret::new(entry(&cluster, "host-tls", &format!("{key}.key"))),
        };
        assert!(pair.is_good(name, &entry(&cluster, "lifeboat-ca", "ca.crt"), today()), "{name}");
        assert!(!stdout.contains(pair.key.expose()) && !stderr.contains(pair.key.expose()));
    }
    assert_eq!(entry(&cluster, "region-secrets", "region-key").len(), 64);
    assert!(!stdout.contains(&entry(&cluster, "database", "password")));

    let before = cluster.lock().unwrap().secrets.clone();
    let again = secrets(folder.path(), port, OPTIONS).await;
    assert_eq!(out(&again).0.lines().collect::<Vec<_>>(), ALL.map(|name| format!("Secret {name}: kept")));
    assert_eq!(cluster.lock().unwrap().secrets, before);

    // A host that is new gets its own, and the others keep theirs, although somebody else writes at the same time.
    cluster.lock().unwrap().meddled = Some("host-tls".into());
    let more = secrets(folder.path(), port, &[OPTIONS, &["--host", "outside2"]].concat()).await;
    let (stdout, stderr) = out(&more);
    assert!(more.status.success(), "{stderr}");
    assert_eq!(stdout.matches(": renewed").count(), 1, "{stdout}");
    assert!(stdout.contains("Secret host-tls: renewed"));
    let now = cluster.lock().unwrap().secrets.clone();
    assert_eq!(now["host-tls"]["data"]["node1.crt"], before["host-tls"]["data"]["node1.crt"]);
    assert!(now["host-tls"]["data"]["outside2.key"].is_string());
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::default();
    let port = start(&cluster, folder.path()).await;
    let refused = async |more: &[&str], word: &str| {
        let output = secrets(folder.path(), port, more).await;
        let (stdout, stderr) = out(&output);
        assert!(!output.status.success() && stderr.contains(word), "{word} is missing in: {stderr}");
        assert!(!stdout.contains(": made"), "{stdout}");
    };
    refused(&["--agent", "Zone_A"], "'Zone_A' can't be the name").await;

    // An authority that can't be read is left: a new one would cut all parts off from each other.
    let strange =
        json!({"metadata": {"name": "lifeboat-ca", "resourceVersion": "1"}, "data": {"ca.crt": STANDARD.encode("x")}});
    cluster.lock().unwrap().secrets.insert("lifeboat-ca".into(), strange.clone());
    refused(&["--agent", "a"], "no authority of ours").await;
    assert_eq!(cluster.lock().unwrap().secrets["lifeboat-ca"], strange);

    std::fs::write(folder.path().join("token"), "an old one").unwrap();
    refused(&["--agent", "a"], "401 Unauthorized: who are you?").await;
    std::fs::remove_file(folder.path().join("token")).unwrap();
    refused(&["--agent", "a"], "the service account's token").await;
}
