//! Requests as bytes on a socket, in the words of upstream's HTTP stack, and answers as they come: no client in between that would mend anything.

use serde_json::Value;
use testing::LIMIT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where region listens, and the token in use.
pub struct Wire {
    pub address: String,
    pub token: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    /// Unchunked and unzipped.
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A body that is not JSON would count as success at the other end: there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Wire {
    /// Sends `GET /servers?...` with a body, or without one where it is empty, and the headers that every request there has.
    pub async fn send(&self, line: &str, body: &str) -> Answer {
        self.send_with(line, body, &[]).await
    }

    pub async fn send_with(&self, line: &str, body: &str, more: &[(&str, &str)]) -> Answer {
        let mut request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nUser-Agent: yunioncloud-go/201708\r\nContent-Length: {}\r\nAccept: */*\r\n\
             Accept-Encoding: *\r\nContent-Type: application/json\r\n",
            self.address,
            body.len()
        );
        if !self.token.is_empty() {
            request.push_str(&format!("X-Auth-Token: {}\r\n", self.token));
        }
        for (name, value) in more {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        let told = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            read(&mut stream).await
        };
        tokio::time::timeout(LIMIT, told).await.unwrap_or_else(|_| panic!("no answer to {line}"))
    }
}

async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            break String::from_utf8(std::mem::replace(&mut bytes, rest)).unwrap();
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the connection ends in the head: {bytes:?}");
    };
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    let body = if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        chunks(stream, bytes).await
    } else {
        let length: usize = answer.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        while bytes.len() < length {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the connection ends in the body");
        }
        bytes.truncate(length);
        bytes
    };
    answer.body = match answer.header("content-encoding") {
        Some("gzip") => unzip(&body),
        None => body,
        Some(other) => panic!("an encoding that nobody asked for: {other}"),
    };
    answer
}

/// Chunked coding (RFC 9112, section 7.1).
async fn chunks(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(&bytes, b"\r\n") else {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the connection ends in a chunk's head");
            continue;
        };
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).expect("a chunk's size");
        while bytes.len() < end + 2 + size + 2 {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the connection ends in a chunk");
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes.drain(..end + 2 + size + 2);
        if size == 0 {
            return body;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// By the program: it is on every machine, and a reader of its own.
fn unzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = gzip.wait_with_output().unwrap();
    assert!(output.status.success(), "not gzip");
    output.stdout
}
