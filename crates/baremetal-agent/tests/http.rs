//! The HTTP server's patience and limits, TLS, and clients that do not behave.

mod setup;

use std::time::{Duration, Instant};

use baremetal_agent::config::{Config, Http, HttpTls};
use setup::{initramfs, kernel, site, start, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET /images/small/kernel HTTP/1.1\r\nHost: a\r\n\r\n";

async fn open(agent: &setup::Agent) -> TcpStream {
    TcpStream::connect(agent.http_address()).await.unwrap()
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes the connection");
    answer
}

fn starts(answer: &[u8], status: &str) -> bool {
    answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes())
}

fn with_http(site: &setup::Site, http: Http) -> Config {
    Config { http, ..site.config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_each_other_on_one_connection() {
    let site = site();
    let agent = start(site.config()).await;
    let mut stream = open(&agent).await;
    // Three at once, in pieces, the last one says that it is the last.
    let all = [
        REQUEST,
        b"HEAD /images/small/initramfs HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/images/small/initramfs?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: bytes=-3\r\n\r\n",
    ]
    .concat();
    for piece in all.chunks(7) {
        stream.write_all(piece).await.unwrap();
    }
    let answer = rest(&mut stream).await;
    let find = |what: &[u8]| answer.windows(what.len()).position(|w| w == what);
    let kernel = kernel("small");
    let body = find(b"\r\n\r\n").unwrap() + 4;
    assert!(answer[body..].starts_with(&kernel));
    let second = &answer[body + kernel.len()..];
    assert!(starts(second, "200"));
    let text = String::from_utf8_lossy(second);
    assert!(text.contains(&format!("content-length: {}\r\n", initramfs("small").len())));
    let third = text.find("HTTP/1.1 206").expect("a HEAD has no body, so that the third answer follows at once");
    assert!(text[third..].contains("connection: close") && text.ends_with("\r\n\r\nall"), "{}", &text[third..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_never_compressed() {
    let site = site();
    let agent = start(site.config()).await;
    let mut stream = open(&agent).await;
    let request =
        b"GET /images/small/kernel HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let answer = rest(&mut stream).await;
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    assert!(!String::from_utf8_lossy(&answer[..head]).contains("content-encoding"));
    assert!(answer[head + 4..] == kernel("small"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_request_is_refused_and_the_connection_closed() {
    let site = site();
    let agent = start(site.config()).await;
    for (request, status) in [
        (&b"nonsense\r\n\r\n"[..], "400"),
        (b"GET /images/small/kernel HTTP/1.1\r\n\r\n", "400"),
        (b"POST /images/small/kernel HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "413"),
        (b"PUT /images/small/kernel HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        (b"GET /images/small/kernel HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413"),
        (&[b"GET /".to_vec(), vec![b'a'; 20_000], b" HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()].concat(), "431"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ] {
        let mut stream = open(&agent).await;
        stream.write_all(request).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(starts(&answer, status), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_and_slow_readers_are_cut_off() {
    let site = site();
    std::fs::write(site.root.join("large"), vec![7; 64 << 20]).unwrap();
    let http = Http { header_timeout_s: 1, idle_timeout_s: 2, write_timeout_s: 1, ..Http::default() };
    let agent = start(with_http(&site, http)).await;

    // A head that never ends.
    let mut sender = open(&agent).await;
    sender.write_all(b"GET /images/small/kernel HTTP/1.1\r\nHost:").await.unwrap();
    let began = Instant::now();
    assert!(starts(&rest(&mut sender).await, "408"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // One that asks nothing.
    let mut silent = open(&agent).await;
    assert_eq!(rest(&mut silent).await, b"");
    // One that reads a little at a time, which must not count as progress.
    let mut reader = open(&agent).await;
    reader.write_all(b"GET /tftp/large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let mut drip = [0; 64];
    while began.elapsed() < Duration::from_secs(4) {
        reader.read_exact(&mut drip).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What the kernel had taken is still there; the rest never came.
    let got = rest(&mut reader).await.len();
    assert!(got < 48 << 20, "{got} bytes came to a reader that stood still");
    until("the cut is counted", async || {
        let metrics = agent.get("/metrics").await.text().await.unwrap();
        metrics.contains("baremetal_agent_http_cut_off_total{reason=\"slow\"}")
    })
    .await;
    assert_eq!(agent.status("/images/small/kernel").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_in_all_and_by_client() {
    let site = site();
    let http = Http { max_connections_per_client: 2, ..Http::default() };
    let agent = start(with_http(&site, http)).await;
    let (mut one, mut two) = (open(&agent).await, open(&agent).await);
    for stream in [&mut one, &mut two] {
        stream.write_all(b"HEAD /images/small/kernel HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
    }
    assert_eq!(rest(&mut open(&agent).await).await, b"", "the third is closed");
    drop(one);
    until("there is room again", async || {
        let mut stream = open(&agent).await;
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        starts(&rest(&mut stream).await, "200")
    })
    .await;

    let http = Http { max_connections: 1, ..Http::default() };
    let agent = start(with_http(&site, http)).await;
    let mut one = open(&agent).await;
    one.write_all(b"HEAD /images/small/kernel HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    one.read_exact(&mut first).await.unwrap();
    let mut two = open(&agent).await;
    two.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), two.read_u8()).await;
    assert!(early.is_err(), "the second waits");
    drop(one);
    assert!(starts(&rest(&mut two).await, "200"), "and is served when there is room");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_served_where_it_is_configured() {
    let site = site();
    std::fs::write(site.root.join("large"), (0..5_000_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>()).unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (site.folder.path().join("tls.crt"), site.folder.path().join("tls.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    service::files::write_atomic(&key, made.signing_key.serialize_pem().as_bytes(), 0o600).unwrap();
    let tls = Some(HttpTls { cert: cert.clone(), key: key.clone() });
    let agent = start(with_http(&site, Http { tls, ..Http::default() })).await;
    assert!(agent.endpoints.http.starts_with("https://127.0.0.1:"));
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    for (path, want) in
        [("/images/small/kernel", kernel("small")), ("/tftp/large", std::fs::read(site.root.join("large")).unwrap())]
    {
        let got = client.get(agent.url(path)).send().await.unwrap().bytes().await.unwrap();
        assert!(got == want, "{path}");
    }
    // Who does not know the authority is not served, and in clear nothing is.
    assert!(agent.http.get(agent.url("/healthz")).send().await.is_err());
    let mut clear = TcpStream::connect(agent.endpoints.http.strip_prefix("https://").unwrap()).await.unwrap();
    clear.write_all(REQUEST).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest(&mut clear).await).contains("HTTP/1.1"));

    service::files::write_atomic(&key, made.signing_key.serialize_pem().as_bytes(), 0o644).unwrap();
    let tls = Some(HttpTls { cert, key });
    let app = baremetal_agent::app::App::bind(with_http(&site, Http { tls, ..Http::default() })).await;
    let error = format!("{:#}", app.err().expect("a key that others can read is refused"));
    assert!(error.contains("http.tls") && error.contains("chmod 600"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_is_served() {
    let site = site();
    let mut config = with_http(&site, Http { listen: "[::1]:0".parse().unwrap(), ..Http::default() });
    config.tftp.listen = "[::1]:0".parse().unwrap();
    let agent = start(config).await;
    assert!(agent.endpoints.http.starts_with("http://[::1]:"));
    assert_eq!(agent.get("/images/small/kernel").await.bytes().await.unwrap(), kernel("small"));
    let got = tftp::client::get(agent.tftp(), b"images/small/kernel", tftp::client::Get::default()).await.unwrap();
    assert!(got.content == kernel("small"));
}
