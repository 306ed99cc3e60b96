//! The server over real sockets and a relay that loses, repeats and reorders datagrams, the same way each time for a seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tftp::client::{Get, get};
use tftp::receiver::Ask;
use tftp::{Config, OpenError, OpenFile, Server, Wanted};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

#[path = "check/mutate.rs"]
#[allow(dead_code, reason = "only its random numbers are used")]
mod mutate;

#[derive(Debug, Clone, Copy)]
struct Weather {
    lost_percent: usize,
    repeated_percent: usize,
    /// So many of a hundred are held back, up to `delay_ms`, and overtaken.
    late_percent: usize,
    delay_ms: usize,
}

/// Relays one transfer: the client knows this address, the server's own port is learnt from its first answer.
async fn relay(server: SocketAddr, weather: Weather, seed: u64) -> SocketAddr {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let mut random = mutate::Random(seed);
        let (mut client, mut peer) = (None, server);
        let (mut up, mut down) = (vec![0; 70_000], vec![0; 70_000]);
        loop {
            let (datagram, socket, to) = tokio::select! {
                received = front.recv_from(&mut up) => {
                    let Ok((length, from)) = received else { continue };
                    client = Some(from);
                    (up[..length].to_vec(), &back, peer)
                }
                received = back.recv_from(&mut down) => {
                    let Ok((length, from)) = received else { continue };
                    peer = from;
                    let Some(client) = client else { continue };
                    (down[..length].to_vec(), &front, client)
                }
            };
            if random.below(100) < weather.lost_percent {
                continue;
            }
            let copies = 1 + usize::from(random.below(100) < weather.repeated_percent);
            for _ in 0..copies {
                if random.below(100) < weather.late_percent {
                    let delay = Duration::from_micros(random.below(weather.delay_ms * 1000 + 1) as u64);
                    let (socket, datagram) = (socket.clone(), datagram.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        let _ = socket.send_to(&datagram, to).await;
                    });
                } else {
                    let _ = socket.send_to(&datagram, to).await;
                }
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn files_arrive_whole_whatever_happens_on_the_way() {
    let content: Arc<Vec<u8>> = Arc::new((0..400_001u32).map(|i| (i * 31 % 253) as u8).collect());
    let served = content.clone();
    let source = move |_: &Wanted<'_>| -> Result<OpenFile, OpenError> {
        let content = served.to_vec();
        Ok(OpenFile { size: Some(content.len() as u64), reader: Box::new(std::io::Cursor::new(content)) })
    };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Config::default(), Arc::new(source)).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.run(CancellationToken::new()));
    let calm = Weather { lost_percent: 0, repeated_percent: 0, late_percent: 0, delay_ms: 0 };
    let mut transfers = Vec::new();
    for (number, weather) in [
        calm,
        Weather { repeated_percent: 100, ..calm },
        Weather { late_percent: 20, delay_ms: 5, ..calm },
        Weather { late_percent: 100, delay_ms: 8, ..calm },
        Weather { lost_percent: 1, repeated_percent: 1, late_percent: 5, delay_ms: 5 },
        Weather { lost_percent: 5, repeated_percent: 5, late_percent: 20, delay_ms: 10 },
    ]
    .into_iter()
    .enumerate()
    {
        for (blksize, windowsize) in [(1428, 1), (1428, 16), (8192, 4), (512, 64)] {
            let (seed, content) = (0xb00f_0000 + number as u64, content.clone());
            transfers.push(tokio::spawn(async move {
                let at = relay(address, weather, seed).await;
                let ask = Ask { blksize: Some(blksize), windowsize: Some(windowsize), tsize: true, ..Ask::default() };
                let began = Instant::now();
                let fetch = get(at, b"file", Get { ask, ..Get::default() });
                let got = tokio::time::timeout(Duration::from_secs(90), fetch).await;
                let got = got.unwrap_or_else(|_| panic!("{weather:?}, {blksize} x {windowsize} does not end"));
                let got = got.unwrap_or_else(|error| panic!("{weather:?}, {blksize} x {windowsize}: {error}"));
                assert!(got.content == *content, "{weather:?}, {blksize} x {windowsize}");
                println!("{weather:?}, {blksize} x {windowsize}: {:.2?}", began.elapsed());
            }));
        }
    }
    for transfer in transfers {
        transfer.await.unwrap();
    }
}
