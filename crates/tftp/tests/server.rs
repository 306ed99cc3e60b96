//! The server over real sockets: our own client, busybox's, and raw datagrams.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tftp::client::{Get, GetError, Got, get};
use tftp::packet::{ErrorCode, Packet, Request};
use tftp::receiver::{Ask, Refusal};
use tftp::{Config, FileSource, Mode, OpenError, OpenFile, Server, Wanted};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

fn content(name: &[u8]) -> Option<Vec<u8>> {
    let size = std::str::from_utf8(name).ok()?.strip_prefix("zeros-").map(str::parse::<usize>);
    if let Some(Ok(size)) = size {
        return Some((0..size).map(|i| (i * 7 % 251) as u8).collect());
    }
    (name == b"text").then(|| b"one\ntwo\rthree\r\n".to_vec())
}

/// Files by name: `zeros-N` has N bytes, `shrinks` is shorter than it says, `secret` is denied.
fn files(wanted: &Wanted<'_>) -> Result<OpenFile, OpenError> {
    if wanted.name == b"secret" {
        return Err(OpenError::Denied);
    }
    if wanted.name == b"shrinks" {
        return Ok(OpenFile { reader: Box::new(&[0u8; 700][..]), size: Some(2000) });
    }
    let content = content(wanted.name).ok_or(OpenError::NotFound)?;
    let size = Some(content.len() as u64);
    Ok(OpenFile { reader: Box::new(std::io::Cursor::new(content)), size })
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start_with(config: Config, source: Arc<dyn FileSource>) -> Running {
    start_at("127.0.0.1:0", config, source).await
}

async fn start_at(address: &str, config: Config, source: Arc<dyn FileSource>) -> Running {
    let server = Server::bind(address.parse().unwrap(), config, source).await.unwrap();
    let (address, shutdown) = (server.local_addr(), CancellationToken::new());
    let task = tokio::spawn(server.run(shutdown.clone()));
    Running { address, shutdown, task }
}

async fn start(config: Config) -> Running {
    start_with(config, Arc::new(files)).await
}

async fn fetch(server: &Running, name: &str, ask: Ask) -> Result<Got, GetError> {
    get(server.address, name.as_bytes(), Get { ask, ..Get::default() }).await
}

fn refusal(result: Result<Got, GetError>) -> (ErrorCode, String) {
    match result {
        Err(GetError::Refused(Refusal::Server { code, message })) => (code, message),
        other => panic!("an error of the server is wanted, not {other:?}"),
    }
}

/// Sends raw bytes to the server's port and gives the answer and where it came from.
async fn raw(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> (Vec<u8>, SocketAddr) {
    socket.send_to(datagram, to).await.unwrap();
    receive(socket).await
}

async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let answer = tokio::time::timeout(Duration::from_secs(10), socket.recv_from(&mut buffer)).await;
    let (length, from) = answer.expect("an answer within ten seconds").unwrap();
    buffer.truncate(length);
    (buffer, from)
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

fn read_request(name: &str) -> Vec<u8> {
    Packet::Read(Request { name: name.as_bytes(), mode: Mode::Octet, options: vec![] }).encode()
}

fn error_code(datagram: &[u8]) -> ErrorCode {
    match Packet::decode(datagram).unwrap() {
        Packet::Error { code, .. } => code,
        other => panic!("an error packet is wanted, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_arrive_with_every_set_of_options() {
    let server = start(Config::default()).await;
    let sizes = ["zeros-0", "zeros-1", "zeros-511", "zeros-512", "zeros-513", "zeros-100000", "zeros-1048576"];
    let asks = [
        Ask::default(),
        Ask { tsize: true, ..Ask::default() },
        Ask { blksize: Some(1428), timeout: Some(3), tsize: true, ..Ask::default() },
        Ask { blksize: Some(65464), ..Ask::default() },
        Ask { blksize: Some(1024), windowsize: Some(16), tsize: true, ..Ask::default() },
        Ask { windowsize: Some(7), ..Ask::default() },
    ];
    for name in sizes {
        for ask in asks {
            let got = fetch(&server, name, ask).await.unwrap();
            assert!(got.content == content(name.as_bytes()).unwrap(), "{name} {ask:?}");
            assert_eq!(got.granted.get("tsize").copied(), ask.tsize.then_some(got.content.len() as u64));
            assert_eq!(got.granted.get("blksize").copied(), ask.blksize.map(u64::from));
            assert_eq!(got.granted.get("windowsize").copied(), ask.windowsize.map(u64::from));
            assert_eq!(got.granted.get("timeout").copied(), ask.timeout.map(u64::from));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn netascii_arrives_as_text() {
    let server = start(Config::default()).await;
    let get_text = Get { mode: Mode::Netascii, ..Get::default() };
    let got = get(server.address, b"text", get_text).await.unwrap();
    assert_eq!(got.content, content(b"text").unwrap());
    let (wire, _) = raw(&socket().await, server.address, b"\0\x01text\0NetASCII\0tsize\x000\0").await;
    assert_eq!(&wire[4..], b"one\r\ntwo\r\0three\r\0\r\n", "begins with data: tsize is not known for netascii");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_refused_with_the_right_error() {
    let server = start(Config::default()).await;
    let ask = Ask::default();
    assert_eq!(refusal(fetch(&server, "nowhere", ask).await), (ErrorCode::NotFound, "no such file".into()));
    assert_eq!(refusal(fetch(&server, "secret", ask).await), (ErrorCode::AccessViolation, "access denied".into()));
    assert_eq!(refusal(fetch(&server, "shrinks", ask).await).0, ErrorCode::Undefined);
    for (datagram, want) in [
        (&b"\0\x02up\0octet\0"[..], ErrorCode::AccessViolation),
        (b"\0\x01file\0mail\0", ErrorCode::IllegalOperation),
        (b"\0\x01\0octet\0", ErrorCode::IllegalOperation),
        (b"\0\x2afile\0octet\0", ErrorCode::IllegalOperation),
        (b"\0\x04\0\x01", ErrorCode::UnknownTransfer),
        (b"\0\x03\0\x01data", ErrorCode::UnknownTransfer),
    ] {
        let (answer, from) = raw(&socket().await, server.address, datagram).await;
        assert_eq!(error_code(&answer), want, "{datagram:?}");
        assert_eq!(from, server.address);
    }
    // An error packet is never answered: the next answer belongs to the next question.
    let client = socket().await;
    client.send_to(b"\0\x05\0\0\0", server.address).await.unwrap();
    client.send_to(b"", server.address).await.unwrap();
    let (answer, _) = raw(&client, server.address, b"\0\x02up\0octet\0").await;
    assert_eq!(error_code(&answer), ErrorCode::AccessViolation);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transfer_has_a_port_of_its_own_and_strangers_do_not_disturb_it() {
    let server = start(Config::default()).await;
    let client = socket().await;
    let (first, port) = raw(&client, server.address, &read_request("zeros-600")).await;
    assert_ne!(port, server.address);
    assert_eq!(first.len(), 516);
    let stranger = socket().await;
    stranger.send_to(&Packet::Error { code: ErrorCode::Undefined, message: b"stop" }.encode(), port).await.unwrap();
    stranger.send_to(&Packet::Ack { block: 1 }.encode(), port).await.unwrap();
    let (second, from) = raw(&client, port, &Packet::Ack { block: 1 }.encode()).await;
    assert_eq!((second.len(), from), (4 + 88, port));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_does_not_begin_a_second_transfer() {
    let server = start(Config::default()).await;
    let client = socket().await;
    let (_, port) = raw(&client, server.address, &read_request("zeros-600")).await;
    client.send_to(&read_request("zeros-600"), server.address).await.unwrap();
    let (again, from) = receive(&client).await;
    assert_eq!(from, port, "the first transfer repeats its block by itself");
    assert_eq!(again.len(), 516);
    // After an answer the same request means: from the start.
    raw(&client, port, &Packet::Ack { block: 1 }.encode()).await;
    let (anew, from) = raw(&client, server.address, &read_request("zeros-600")).await;
    assert_ne!(from, port);
    assert_eq!(&anew[..4], b"\0\x03\0\x01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_block_is_sent_again_after_the_measured_time_and_not_the_asked_one() {
    let server = start(Config::default()).await;
    let client = socket().await;
    let request = b"\0\x01zeros-2000\0octet\0timeout\x0060\0";
    let (_, port) = raw(&client, server.address, request).await;
    let (first, _) = raw(&client, port, &Packet::Ack { block: 0 }.encode()).await;
    let began = Instant::now();
    let (again, _) = receive(&client).await;
    assert_eq!(first, again);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_wants_the_size_ends_the_transfer() {
    let server = start(Config { max_transfers_per_client: 1, ..Config::default() }).await;
    for _ in 0..5 {
        let client = socket().await;
        let request = b"\0\x01zeros-70000\0octet\0TSIZE\x000\0";
        // Room is made as soon as the transfer before has heard the error.
        let deadline = Instant::now() + Duration::from_secs(10);
        let (answer, port) = loop {
            let (answer, port) = raw(&client, server.address, request).await;
            if port != server.address {
                break (answer, port);
            }
            assert!(Instant::now() < deadline, "the transfer before never ends");
        };
        assert_eq!(answer, b"\0\x06tsize\x0070000\0");
        let error = Packet::Error { code: ErrorCode::OptionsRefused, message: b"only asking" }.encode();
        client.send_to(&error, port).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold() {
    let server = start(Config { max_transfers: 2, max_transfers_per_client: 1, ..Config::default() }).await;
    let one = socket().await;
    raw(&one, server.address, &read_request("zeros-600")).await;
    let (answer, from) = raw(&socket().await, server.address, &read_request("zeros-600")).await;
    assert_eq!((error_code(&answer), from), (ErrorCode::Undefined, server.address));
    let two = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    raw(&two, server.address, &read_request("zeros-600")).await;
    // The server is full: silence, so that the client asks again. The write request shows that it was read.
    let three = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    three.send_to(&read_request("zeros-600"), server.address).await.unwrap();
    let (answer, _) = raw(&three, server.address, b"\0\x02up\0octet\0").await;
    assert_eq!(error_code(&answer), ErrorCode::AccessViolation);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_a_transfer_end_but_does_not_wait_for_ever() {
    let server = start(Config::default()).await;
    let client = socket().await;
    let (_, port) = raw(&client, server.address, &read_request("zeros-600")).await;
    server.shutdown.cancel();
    let (second, _) = raw(&client, port, &Packet::Ack { block: 1 }.encode()).await;
    assert_eq!(second.len(), 4 + 88);
    client.send_to(&Packet::Ack { block: 2 }.encode(), port).await.unwrap();
    server.task.await.unwrap().unwrap();

    let server = start(Config { drain: Duration::from_millis(10), ..Config::default() }).await;
    let (_, _) = raw(&client, server.address, &read_request("zeros-600")).await;
    server.shutdown.cancel();
    let (goodbye, _) = receive(&client).await;
    assert_eq!(error_code(&goodbye), ErrorCode::Undefined);
    server.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_not_be_read_on_is_an_error_and_not_a_short_file() {
    struct Breaks(u32);
    impl Read for Breaks {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 1 { Err(std::io::Error::other("the disk is gone")) } else { Ok(out.len()) }
        }
    }
    let source = |_: &Wanted<'_>| Ok(OpenFile { reader: Box::new(Breaks(0)), size: None });
    let server = start_with(Config::default(), Arc::new(source)).await;
    let (code, message) = refusal(fetch(&server, "any", Ask::default()).await);
    assert_eq!(code, ErrorCode::Undefined);
    assert!(!message.contains("disk"), "the cause is for the log: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn busybox_fetches_what_is_served() {
    let server = start(Config::default()).await;
    let folder = tempfile::tempdir().unwrap();
    for (blksize, name) in [("512", "zeros-513"), ("1428", "zeros-300000"), ("65464", "zeros-1000000")] {
        let file = folder.path().join(name);
        let output = tokio::process::Command::new("busybox")
            .args(["tftp", "-g", "-b", blksize, "-r", name, "-l"])
            .arg(&file)
            .args([server.address.ip().to_string(), server.address.port().to_string()])
            .output()
            .await
            .expect("busybox is wanted for this test: apt-get install busybox-static");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(&file).unwrap() == content(name.as_bytes()).unwrap(), "{name}");
    }
    let output = tokio::process::Command::new("busybox")
        .args(["tftp", "-p", "-r", "up", "-l"])
        .arg(folder.path().join("zeros-513"))
        .args([server.address.ip().to_string(), server.address.port().to_string()])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not accept files"));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_ip_are_served() {
    let ask = Ask { blksize: Some(1428), windowsize: Some(16), tsize: true, ..Ask::default() };
    let six = start_at("[::1]:0", Config::default(), Arc::new(files)).await;
    let got = fetch(&six, "zeros-300000", ask).await.unwrap();
    assert!(got.content == content(b"zeros-300000").unwrap());
    assert_eq!(refusal(fetch(&six, "nowhere", ask).await).0, ErrorCode::NotFound);
    // One socket for both, as a listener on `[::]` is.
    let any = start_at("[::]:0", Config::default(), Arc::new(files)).await;
    for ip in ["127.0.0.1", "::1"] {
        let at = SocketAddr::new(ip.parse().unwrap(), any.address.port());
        let got = get(at, b"zeros-300000", Get { ask, ..Get::default() }).await.unwrap();
        assert!(got.content == content(b"zeros-300000").unwrap(), "{ip}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_no_larger_than_the_path_when_told_so() {
    let config = Config { blksize_within_mtu: true, ..Config::default() };
    let mtu = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap().trim().parse::<u64>().unwrap();
    for (address, headers) in [("127.0.0.1:0", 32), ("[::1]:0", 52)] {
        let server = start_at(address, config.clone(), Arc::new(files)).await;
        let got = fetch(&server, "zeros-300000", Ask { blksize: Some(65464), ..Ask::default() }).await.unwrap();
        assert_eq!(got.granted["blksize"], 65464.min(mtu - headers), "{address}");
        assert!(got.content == content(b"zeros-300000").unwrap());
    }
}
