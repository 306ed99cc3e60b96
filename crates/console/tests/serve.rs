//! The console over a real socket: from a folder that the test fills, and as it was embedded.

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use web_console::Files;

const INDEX: &str = "<!doctype html><title>console</title>";

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

async fn serve(files: Files) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, web_console::routes::<()>(files).with_state(())).await });
    at
}

/// The path is sent as it is given: no client in between that tidies it up.
async fn ask(at: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(at).await.expect("a connection");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an answer");
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&bytes[..end]).expect("text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
    Answer { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
}

fn folder() -> (tempfile::TempDir, String) {
    let around = tempfile::tempdir().expect("a folder");
    std::fs::write(around.path().join("secret.txt"), "not yours").expect("written");
    let root = around.path().join("dist");
    std::fs::create_dir_all(root.join("assets")).expect("made");
    let script = "console.log('lifeboat');\n".repeat(200);
    for (name, text) in [
        ("index.html", INDEX),
        ("assets/app-1a2b.js", &script),
        ("assets/app-1a2b.js.br", "as it was built"),
        ("assets/tiny-3c4d.css", "a{}"),
        ("favicon.svg", "<svg/>"),
        (".gitkeep", ""),
    ] {
        std::fs::write(root.join(name), text).expect("written");
    }
    std::os::unix::fs::symlink("../secret.txt", root.join("link.txt")).expect("linked");
    (around, script)
}

#[tokio::test]
async fn a_folder_is_served_with_what_may_be_kept() {
    let (around, script) = folder();
    let at = serve(Files::folder(&around.path().join("dist")).expect("a console")).await;

    let page = ask(at, "GET", "/ui/", "").await;
    assert_eq!((page.status, page.text()), (200, INDEX));
    assert_eq!((page.header("cache-control"), page.header("content-type")), ("no-cache", "text/html; charset=utf-8"));
    let again = ask(at, "GET", "/ui/", &format!("If-None-Match: {}\r\n", page.header("etag"))).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, page.header("etag")));

    let asset = ask(at, "GET", "/ui/assets/app-1a2b.js", "").await;
    assert_eq!((asset.status, asset.text(), asset.header("content-encoding")), (200, script.as_str(), ""));
    assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(asset.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(asset.header("vary"), "accept-encoding");

    // What every answer says, be it a page, a script or a refusal.
    for path in ["/ui/", "/ui/assets/app-1a2b.js", "/ui/assets/gone.js", "/ui/servers"] {
        let answer = ask(at, "GET", path, "").await;
        assert_eq!(answer.header("content-security-policy"), web_console::CONTENT_SECURITY_POLICY, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
    }
    assert!(!web_console::CONTENT_SECURITY_POLICY.contains("script-src 'self' 'unsafe"), "no inline scripts");

    let head = ask(at, "HEAD", "/ui/assets/app-1a2b.js", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), script.len().to_string());
    assert_eq!(ask(at, "POST", "/ui/", "Content-Length: 0\r\n").await.status, 405);
}

#[tokio::test]
async fn the_smallest_form_that_is_understood_is_sent() {
    let (around, script) = folder();
    let at = serve(Files::folder(&around.path().join("dist")).expect("a console")).await;
    let gz = ask(at, "GET", "/ui/assets/app-1a2b.js", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(gz.header("content-encoding"), "gzip");
    assert!(gz.body.len() < script.len() / 10, "{} bytes", gz.body.len());
    let mut plain = String::new();
    GzDecoder::new(gz.body.as_slice()).read_to_string(&mut plain).expect("gzip");
    assert_eq!(plain, script);

    let br = ask(at, "GET", "/ui/assets/app-1a2b.js", "Accept-Encoding: gzip, br\r\n").await;
    assert_eq!((br.header("content-encoding"), br.text()), ("br", "as it was built"));
    let no = ask(at, "GET", "/ui/assets/app-1a2b.js", "Accept-Encoding: gzip;q=0\r\n").await;
    assert_eq!((no.header("content-encoding"), no.text()), ("", script.as_str()));
    let tiny = ask(at, "GET", "/ui/assets/tiny-3c4d.css", "Accept-Encoding: gzip\r\n").await;
    assert_eq!((tiny.header("content-encoding"), tiny.text()), ("", "a{}"));
    // The forms are no files of their own.
    assert_eq!(ask(at, "GET", "/ui/assets/app-1a2b.js.br", "").await.status, 404);
}

#[tokio::test]
async fn pages_of_the_console_are_its_own_matter_and_missing_files_are_missing() {
    let (around, _) = folder();
    let at = serve(Files::folder(&around.path().join("dist")).expect("a console")).await;
    for path in
        ["/ui/servers", "/ui/servers/web1.example.com", "/ui/servers?status=rescue", "/ui/index.html", "/ui/a/b/c"]
    {
        let answer = ask(at, "GET", path, "").await;
        assert_eq!((answer.status, answer.text(), answer.header("cache-control")), (200, INDEX, "no-cache"), "{path}");
    }
    for path in ["/ui/assets/gone-0000.js", "/ui/assets/gone", "/ui/gone.svg", "/ui/sub/app.js"] {
        let answer = ask(at, "GET", path, "").await;
        assert_eq!((answer.status, answer.header("cache-control")), (404, "no-store"), "{path}");
    }
    let to = ask(at, "GET", "/ui", "").await;
    assert_eq!((to.status, to.header("location")), (307, "/ui/"));
    for (accept, status, location) in
        [("text/html,application/xhtml+xml,*/*;q=0.8", 307, "/ui/"), ("*/*", 404, ""), ("application/json", 404, "")]
    {
        let answer = ask(at, "GET", "/", &format!("Accept: {accept}\r\n")).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{accept}");
    }
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_reached_by_any_name() {
    let (around, _) = folder();
    let at = serve(Files::folder(&around.path().join("dist")).expect("a console")).await;
    for path in [
        "/ui/../secret.txt",
        "/ui/assets/../../secret.txt",
        "/ui/%2e%2e/secret.txt",
        "/ui/..%2fsecret.txt",
        "/ui/%2e%2e%2fsecret.txt",
        "/ui/..%5csecret.txt",
        "/ui//secret.txt",
        "/ui/%2fetc%2fhostname.txt",
        "/ui/link.txt",
        "/ui/index.html%00.js",
        "/ui/.gitkeep",
    ] {
        let answer = ask(at, "GET", path, "").await;
        let is_page = answer.status == 200 && answer.text() == INDEX;
        assert!(is_page || matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.text());
    }
    assert!(Files::folder(around.path()).is_err_and(|e| e.to_string().contains("index.html")), "no console is there");
    assert!(Files::folder(Path::new("/nowhere/at/all")).is_err());
}

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist")
}

/// A wrong path of the folder would embed nothing, and say nothing.
#[tokio::test]
async fn what_was_built_is_embedded_and_otherwise_a_page_says_how() {
    let at = serve(Files::embedded()).await;
    let page = ask(at, "GET", "/ui/", "Accept-Encoding: gzip;q=0\r\n").await;
    assert_eq!(page.status, 200);
    let Ok(index) = std::fs::read_to_string(dist().join("index.html")) else {
        assert!(!Files::embedded().are_built());
        assert!(page.text().contains("make web"), "{}", page.text());
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(ask(at, "GET", "/ui/servers", "").await.text(), page.text());
        return;
    };
    assert!(Files::embedded().are_built());
    assert_eq!(page.text(), index);
    let named = named(&index);
    assert!(!named.is_empty(), "the page names its scripts");
    for path in named {
        let answer = ask(at, "GET", &path, "Accept-Encoding: gzip;q=0\r\n").await;
        let on_disk = std::fs::read(dist().join(path.trim_start_matches(web_console::BASE))).expect("it was built");
        assert_eq!((answer.status, answer.body), (200, on_disk), "{path}");
    }
}

/// The page and all that it names: what a browser fetches before it shows anything.
#[tokio::test]
async fn the_first_page_is_small() {
    const LIMIT: usize = 250_000;
    let Ok(index) = std::fs::read_to_string(dist().join("index.html")) else { return };
    let at = serve(Files::embedded()).await;
    let mut sum = 0;
    let mut parts = Vec::new();
    for path in std::iter::once(web_console::BASE.to_owned()).chain(named(&index)) {
        let answer = ask(at, "GET", &path, "Accept-Encoding: gzip\r\n").await;
        assert_eq!(answer.status, 200, "{path}");
        sum += answer.body.len();
        parts.push(format!("{:>8} {path}", answer.body.len()));
    }
    assert!(sum <= LIMIT, "the first page is {sum} bytes gzipped, more than {LIMIT}:\n{}", parts.join("\n"));
}

/// The paths under the console's own that a page names.
fn named(index: &str) -> Vec<String> {
    let quoted = index.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("/ui/") && text.contains('.')).map(str::to_owned).collect()
}
