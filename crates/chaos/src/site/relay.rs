//! Connections that pass through us, so that we can break them: the door to the regions, and the way to each baremetal agent's HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What becomes of what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Connections break, and no other comes about.
    Shut,
    /// So many bytes, then as many milliseconds of nothing.
    Slow {
        bytes: usize,
        pause_ms: u64,
    },
    /// One bit of each answer is another, this many bytes after its beginning.
    Flip {
        after: usize,
    },
    /// Answers end here.
    Cut {
        after: usize,
    },
    /// Requests are answered with this, and not passed on.
    Answer(u16),
}

/// Ends with the value.
pub struct Relay {
    way: Arc<watch::Sender<Way>>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// Listens on `at`, and passes each connection on to the first of `to` that takes it, beginning with another one each time.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub async fn open(at: SocketAddr, to: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind(at).await.with_context(|| at.to_string())?;
        let way = Arc::new(watch::Sender::new(Way::Open));
        let (ways, turn) = (Arc::clone(&way), Arc::new(Mutex::new(0)));
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let first = {
                    let mut turn = turn.lock().expect("nobody panics with it");
                    *turn += 1;
                    *turn
                };
                tokio::spawn(pass(client, to.clone(), first, ways.subscribe()));
            }
        });
        Ok(Self { way, task })
    }

    /// From now on it goes so, also for connections that are open: those that would be passed on otherwise are broken.
    pub fn go(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, to: Vec<SocketAddr>, first: usize, mut ways: watch::Receiver<Way>) {
    let way = *ways.borrow_and_update();
    match way {
        Way::Shut => return,
        Way::Answer(status) => return answer(client, status).await,
        Way::Open | Way::Slow { .. } | Way::Flip { .. } | Way::Cut { .. } => {}
    }
    let mut server = None;
    for at in (0..to.len()).map(|n| to[(first + n) % to.len()]) {
        if let Ok(Ok(stream)) = timeout(Duration::from_secs(1), TcpStream::connect(at)).await {
            server = Some(stream);
            break;
        }
    }
    let Some(mut server) = server else { return };
    let passed = async {
        if way == Way::Open {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let forth = tokio::io::copy(&mut from_client, &mut to_server);
        tokio::select! { _ = forth => {}, () = back(&mut from_server, &mut to_client, way) => {} }
    };
    // Another way: whoever speaks must begin anew.
    tokio::select! { () = passed => {}, _ = ways.changed() => {} }
}

async fn back(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin), way: Way) {
    let mut piece = vec![0; if let Way::Slow { bytes, .. } = way { bytes } else { 16 * 1024 }];
    let mut before = 0;
    loop {
        let Ok(count @ 1..) = from.read(&mut piece).await else { return };
        let mut said = &mut piece[..count];
        match way {
            Way::Flip { after } if (before..before + count).contains(&after) => said[after - before] ^= 0x10,
            Way::Cut { after } if before + count > after => said = &mut said[..after.saturating_sub(before)],
            _ => {}
        }
        if to.write_all(said).await.is_err() {
            return;
        }
        before += count;
        match way {
            Way::Slow { pause_ms, .. } => sleep(Duration::from_millis(pause_ms)).await,
            Way::Cut { after } if before > after => return,
            _ => {}
        }
    }
}

async fn answer(mut client: TcpStream, status: u16) {
    let mut request = [0; 4096];
    let _ = timeout(Duration::from_secs(2), client.read(&mut request)).await;
    // Nobody may be led to another place: the address is one that must never be asked.
    let text = format!(
        "HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnope\n"
    );
    let _ = client.write_all(text.as_bytes()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes back through a relay that goes so, of `1000` times `a`.
    async fn through(way: Way) -> Vec<u8> {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let _ = stream.write_all(&[b'a'; 1000]).await;
            }
        });
        let free = lifeboat::stack::free_port().unwrap();
        let door = SocketAddr::from(([127, 0, 0, 1], free));
        let nobody = SocketAddr::from(([127, 0, 0, 1], lifeboat::stack::free_port().unwrap()));
        let relay = Relay::open(door, vec![nobody, at]).await.unwrap();
        relay.go(way);
        let mut said = Vec::new();
        let mut stream = TcpStream::connect(door).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        let _ = stream.read_to_end(&mut said).await;
        said
    }

    #[tokio::test]
    async fn each_way_does_what_it_says() {
        let whole = vec![b'a'; 1000];
        assert_eq!(through(Way::Open).await, whole);
        assert_eq!(through(Way::Slow { bytes: 300, pause_ms: 1 }).await, whole);
        assert_eq!(through(Way::Shut).await, b"");
        assert_eq!(through(Way::Cut { after: 700 }).await, whole[..700]);
        let flipped = through(Way::Flip { after: 500 }).await;
        assert_eq!(flipped.iter().filter(|byte| **byte != b'a').count(), 1);
        assert_eq!((flipped.len(), flipped[500]), (1000, b'a' ^ 0x10));
        assert!(through(Way::Answer(302)).await.starts_with(b"HTTP/1.1 302 "));
    }
}
