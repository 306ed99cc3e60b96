//! The load of `make bench-boot`: many clients at once, for a set time, against any server. Prints one line of JSON.
//!
//!   boot-load tftp IP:PORT NAME BLKSIZE WINDOWSIZE CLIENTS SECONDS
//!   boot-load http IP:PORT PATH CLIENTS SECONDS
//!
//! Each client has a thread that blocks, and fetches the file again and again. What counts are payload bytes that came in order; nothing is
//! stored. A TFTP client that hears nothing repeats itself after a second, as ROMs do, so that recovery from loss is the server's work.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tftp::Mode;
use tftp::packet::{Packet, Request};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Default)]
struct Totals {
    bytes: AtomicU64,
    complete: AtomicU64,
    failed: AtomicU64,
    blksize: AtomicU64,
    windowsize: AtomicU64,
}

/// How often a client that hears nothing repeats itself.
const REPEAT: Duration = Duration::from_secs(1);

struct Tftp {
    server: SocketAddr,
    name: String,
    blksize: u16,
    windowsize: u16,
}

impl Tftp {
    fn request(&self) -> Vec<u8> {
        let (blksize, windowsize) = (self.blksize.to_string(), self.windowsize.to_string());
        let mut options = Vec::new();
        if self.blksize != 512 {
            options.push((&b"blksize"[..], blksize.as_bytes()));
        }
        if self.windowsize != 1 {
            options.push((b"windowsize", windowsize.as_bytes()));
        }
        Packet::Read(Request { name: self.name.as_bytes(), mode: Mode::Octet, options }).encode()
    }

    /// One transfer, or as much of it as there is time for.
    fn fetch(&self, end: Instant, buffer: &mut [u8], totals: &Totals) -> Result<bool> {
        let socket = UdpSocket::bind(if self.server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" })?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let request = self.request();
        socket.send_to(&request, self.server)?;
        let (mut blksize, mut windowsize) = (512, 1);
        let (mut newest, mut in_window, mut gap, mut peer) = (0u16, 0u64, false, None);
        let mut said = Instant::now();
        let mut bytes = 0;
        let result = loop {
            // Looking at the clock costs as much as a small block.
            let received = match peer {
                None => socket.recv_from(buffer).map(|(n, from)| (n, Some(from))),
                Some(_) => socket.recv(buffer).map(|n| (n, None)),
            };
            let (length, from) = match received {
                Ok(received) => received,
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    if Instant::now() >= end {
                        break Ok(false);
                    }
                    if said.elapsed() >= REPEAT {
                        said = Instant::now();
                        match peer {
                            None => drop(socket.send_to(&request, self.server)?),
                            Some(_) => drop(socket.send(&Packet::Ack { block: newest }.encode())?),
                        }
                        in_window = 0;
                        gap = false;
                    }
                    continue;
                }
                Err(e) => break Err(e.into()),
            };
            if let Some(from) = from {
                socket.connect(from)?;
                peer = Some(from);
            }
            let ack = |block| socket.send(&Packet::Ack { block }.encode());
            match Packet::decode(&buffer[..length])? {
                Packet::OptionAck(options) => {
                    for (name, value) in options {
                        let value: u64 = std::str::from_utf8(value)?.parse()?;
                        match name.to_ascii_lowercase().as_slice() {
                            b"blksize" => blksize = usize::try_from(value)?,
                            b"windowsize" => windowsize = value,
                            _ => {}
                        }
                    }
                    ack(0)?;
                    said = Instant::now();
                }
                Packet::Data { block, body } if block == newest.wrapping_add(1) => {
                    newest = block;
                    in_window += 1;
                    gap = false;
                    bytes += body.len() as u64;
                    let last = body.len() < blksize;
                    if last || in_window >= windowsize {
                        in_window = 0;
                        ack(newest)?;
                        said = Instant::now();
                        if last || said >= end {
                            break Ok(last);
                        }
                    }
                }
                // Something is missing, said once; or the newest again, since its acknowledgement was lost.
                Packet::Data { block, .. } => {
                    let ahead = block.wrapping_sub(newest) < u16::MAX / 2;
                    if (ahead && block != newest && !gap) || (block == newest && in_window == 0) {
                        gap = ahead && block != newest;
                        in_window = 0;
                        ack(newest)?;
                        said = Instant::now();
                    }
                    if Instant::now() >= end {
                        break Ok(false);
                    }
                }
                Packet::Error { message, .. } => break Err(String::from_utf8_lossy(message).into()),
                _ => {}
            }
        };
        if !matches!(result, Ok(true)) && peer.is_some() {
            let stop = Packet::Error { code: tftp::ErrorCode::Undefined, message: b"time is up" };
            let _ = socket.send(&stop.encode());
        }
        totals.bytes.fetch_add(bytes, Ordering::Relaxed);
        totals.blksize.store(blksize as u64, Ordering::Relaxed);
        totals.windowsize.store(windowsize, Ordering::Relaxed);
        result
    }
}

struct Http {
    server: SocketAddr,
    path: String,
}

impl Http {
    fn fetch(&self, end: Instant, buffer: &mut [u8], totals: &Totals) -> Result<bool> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", self.path);
        loop {
            stream.write_all(request.as_bytes())?;
            let mut filled = 0;
            let head = loop {
                let n = stream.read(&mut buffer[filled..])?;
                if n == 0 {
                    return Err("closed within a head".into());
                }
                filled += n;
                if let Some(at) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
            };
            let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
            if !text.starts_with("http/1.1 200") {
                return Err(text.into());
            }
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let length: u64 = length.ok_or("no length")?.parse()?;
            let mut got = (filled - head) as u64;
            while got < length {
                let n = stream.read(buffer)?;
                if n == 0 {
                    return Err("closed within a body".into());
                }
                got += n as u64;
                totals.bytes.fetch_add(n as u64, Ordering::Relaxed);
                if Instant::now() >= end {
                    return Ok(got >= length);
                }
            }
            totals.bytes.fetch_add((filled - head) as u64, Ordering::Relaxed);
            if Instant::now() >= end {
                return Ok(true);
            }
            totals.complete.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    type Client = Box<dyn Fn(Instant, &mut [u8], &Totals) -> Result<bool> + Send + Sync>;
    let (client, clients, seconds): (Client, usize, f64) = match all[..] {
        ["tftp", server, name, blksize, windowsize, clients, seconds] => {
            let tftp = Tftp {
                server: server.parse()?,
                name: name.into(),
                blksize: blksize.parse()?,
                windowsize: windowsize.parse()?,
            };
            (Box::new(move |end, buffer, totals| tftp.fetch(end, buffer, totals)), clients.parse()?, seconds.parse()?)
        }
        ["http", server, path, clients, seconds] => {
            let http = Http { server: server.parse()?, path: path.into() };
            (Box::new(move |end, buffer, totals| http.fetch(end, buffer, totals)), clients.parse()?, seconds.parse()?)
        }
        _ => return Err("see the first lines of boot-load.rs".into()),
    };
    let (client, totals) = (Arc::new(client), Arc::new(Totals::default()));
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let (client, totals) = (client.clone(), totals.clone());
            std::thread::spawn(move || {
                let mut buffer = vec![0; 256 * 1024];
                let mut failures = 0;
                while Instant::now() < end && failures < 5 {
                    match client(end, &mut buffer, &totals) {
                        Ok(true) => drop(totals.complete.fetch_add(1, Ordering::Relaxed)),
                        Ok(false) => {}
                        Err(error) => {
                            eprintln!("boot-load: {error}");
                            failures += 1;
                            totals.failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a client panicked")?;
    }
    let took = began.elapsed().as_secs_f64();
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mib = of(&totals.bytes) as f64 / f64::from(1 << 20);
    println!(
        "{{\"mib_s\": {:.3}, \"bytes\": {}, \"seconds\": {took:.3}, \"complete\": {}, \"failed\": {}, \"blksize\": {}, \"windowsize\": {}}}",
        mib / took,
        of(&totals.bytes),
        of(&totals.complete),
        of(&totals.failed),
        of(&totals.blksize),
        of(&totals.windowsize)
    );
    Ok(())
}
