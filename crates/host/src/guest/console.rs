//! The serial console for people: many readers on QEMU's one connection, and one [`Keyboard`] that they share: who types has it until they
//! pause or go, so that no two lines get mixed. A reader begins with what was shown last. One that is slow misses something and is told
//! so; the guest never waits for it.
//!
//! QEMU writes everything to the log, and the connection is there only while somebody reads: a guest whose console nobody looks at
//! costs neither memory nor time. Who comes first is shown the end of the log; what the log gained until the connection was made follows.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::serial;

/// Bytes a new reader is shown of what came before.
pub const REPLAY: usize = 64 * 1024;
/// Pieces that a reader may be behind.
const BEHIND: usize = 256;
/// Pieces of input that may wait for the guest.
const WAITING: usize = 64;
/// Who has typed nothing for so long has left the keyboard to others.
const HOLD: Duration = Duration::from_secs(3);
/// A guest that takes no input for so long loses it.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// A guest's console, for as long as the agent runs; boots come and go below it.
#[derive(Debug, Clone)]
pub struct Console {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    log: PathBuf,
    shown: Mutex<Option<Shown>>,
    /// Somebody began to read.
    wanted: Notify,
    input: mpsc::Sender<Bytes>,
    /// Who typed last, and when.
    typist: Mutex<Option<(u64, Instant)>>,
    next_keyboard: AtomicU64,
    /// Taken by the boot that is connected.
    pending: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
}

/// What readers see; there is none without readers.
#[derive(Debug)]
struct Shown {
    recent: VecDeque<u8>,
    /// Up to here of the log, it has been shown.
    logged: u64,
    output: broadcast::Sender<Bytes>,
}

/// Why nothing was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("the guest takes no input: it is off, or does not read its console")]
    Deaf,
    #[error("somebody else is typing")]
    Busy,
}

/// One person's way to type; given up when it is dropped.
#[derive(Debug)]
pub struct Keyboard {
    shared: Arc<Shared>,
    id: u64,
}

impl Keyboard {
    /// Types.
    ///
    /// # Errors
    /// [`NotTaken`]; nothing of it was typed.
    pub fn write(&self, data: Bytes) -> Result<(), NotTaken> {
        let mut typist = self.shared.typist();
        if typist.is_some_and(|(id, last)| id != self.id && last.elapsed() < HOLD) {
            return Err(NotTaken::Busy);
        }
        self.shared.input.try_send(data).map_err(|_| NotTaken::Deaf)?;
        *typist = Some((self.id, Instant::now()));
        Ok(())
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let mut typist = self.shared.typist();
        if typist.is_some_and(|(id, _)| id == self.id) {
            *typist = None;
        }
    }
}

impl Console {
    #[must_use]
    pub fn new(log: PathBuf) -> Self {
        let (input, pending) = mpsc::channel(WAITING);
        let (shown, wanted, pending) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::new(pending));
        let (typist, next_keyboard) = (Mutex::default(), AtomicU64::default());
        Self { shared: Arc::new(Shared { log, shown, wanted, input, typist, next_keyboard, pending }) }
    }

    /// What was shown last, and what comes from then on, without a gap between them.
    #[must_use]
    pub fn read(&self) -> (Bytes, broadcast::Receiver<Bytes>) {
        let mut shown = self.shared.shown();
        let shown = shown.get_or_insert_with(|| Shown::load(&self.shared.log));
        let next = shown.output.subscribe();
        self.shared.wanted.notify_one();
        (shown.recent.iter().copied().collect::<Vec<_>>().into(), next)
    }

    /// For one more who may type.
    #[must_use]
    pub fn keyboard(&self) -> Keyboard {
        let id = self.shared.next_keyboard.fetch_add(1, Ordering::Relaxed);
        Keyboard { shared: Arc::clone(&self.shared), id }
    }

    /// Connects to the socket of a boot whenever somebody reads, until the guard is dropped.
    #[must_use]
    pub fn attach(&self, socket: &Path) -> DropGuard {
        let stop = CancellationToken::new();
        let (shared, socket, stopped) = (Arc::clone(&self.shared), socket.to_owned(), stop.clone());
        tokio::spawn(async move {
            tokio::select! { () = stopped.cancelled() => {}, () = shared.serve(&socket) => {} }
            shared.disconnected();
        });
        stop.drop_guard()
    }
}

impl Shown {
    fn load(log: &Path) -> Self {
        let logged = serial::length(log);
        let recent = serial::read(log, 0, REPLAY as u64).unwrap_or_default().into();
        Self { recent, logged, output: broadcast::Sender::new(BEHIND) }
    }

    /// What the log has gained.
    fn catch_up(&mut self, log: &Path) {
        let end = serial::length(log);
        if end != self.logged {
            self.show(&serial::read(log, self.logged, REPLAY as u64).unwrap_or_default());
            self.logged = end;
        }
    }

    fn show(&mut self, piece: &[u8]) {
        let surplus = (self.recent.len() + piece.len()).saturating_sub(REPLAY);
        self.recent.drain(..surplus.min(self.recent.len()));
        self.recent.extend(piece);
        let _ = self.output.send(Bytes::copy_from_slice(piece));
    }
}

impl Shared {
    fn typist(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.typist.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, Option<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True: nobody reads, and nothing is kept any more.
    fn forget_unread(&self) -> bool {
        let mut shown = self.shown();
        shown.take_if(|shown| shown.output.receiver_count() == 0);
        shown.is_none()
    }

    fn disconnected(&self) {
        if !self.forget_unread()
            && let Some(shown) = &mut *self.shown()
        {
            // The log may have been begun anew meanwhile.
            shown.logged = shown.logged.min(serial::length(&self.log));
        }
    }

    /// Where output goes to, once somebody reads.
    async fn read_by_somebody(&self) -> broadcast::Sender<Bytes> {
        loop {
            if !self.forget_unread()
                && let Some(shown) = &*self.shown()
            {
                return shown.output.clone();
            }
            self.wanted.notified().await;
        }
    }

    async fn serve(&self, socket: &Path) {
        let mut pending = self.pending.lock().await;
        // Typed at a boot that is over.
        while pending.try_recv().is_ok() {}
        loop {
            let output = self.read_by_somebody().await;
            if let Ok(stream) = UnixStream::connect(socket).await {
                if let Some(shown) = &mut *self.shown() {
                    // While nobody was connected, QEMU wrote to the log only.
                    shown.catch_up(&self.log);
                }
                let mut carrying = std::pin::pin!(self.carry(stream, &mut pending));
                loop {
                    tokio::select! {
                        () = &mut carrying => break,
                        // Another may have come in the very moment.
                        () = output.closed() => if self.forget_unread() { break },
                    }
                }
                self.disconnected();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn carry(&self, stream: UnixStream, pending: &mut mpsc::Receiver<Bytes>) {
        let (mut reader, mut writer) = stream.into_split();
        let reading = async {
            let mut piece = vec![0; 4096];
            loop {
                match reader.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    // With the lock: a reader sees each byte once, before or after.
                    Ok(count) => {
                        if let Some(shown) = &mut *self.shown() {
                            shown.show(&piece[..count]);
                            shown.logged += count as u64;
                        }
                    }
                }
            }
        };
        let writing = async {
            while let Some(data) = pending.recv().await {
                let written = tokio::time::timeout(WRITE_LIMIT, writer.write_all(&data)).await;
                if matches!(written, Ok(Err(_))) {
                    return;
                }
            }
        };
        tokio::select! { () = reading => {}, () = writing => {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    struct Guest {
        folder: tempfile::TempDir,
        listener: UnixListener,
    }
    impl Guest {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(folder.path().join("s")).unwrap();
            Self { folder, listener }
        }
        fn console(&self) -> (Console, PathBuf) {
            (Console::new(self.folder.path().join("serial.log")), self.folder.path().join("s"))
        }
        async fn accept(&self) -> UnixStream {
            self.listener.accept().await.unwrap().0
        }
    }

    async fn until(reader: &mut broadcast::Receiver<Bytes>, already: Bytes, wanted: &str) {
        let mut seen = already.to_vec();
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            let piece = tokio::time::timeout(Duration::from_secs(30), reader.recv()).await.unwrap().unwrap();
            seen.extend(piece);
        }
    }

    #[tokio::test]
    async fn everybody_reads_and_one_types_at_a_time() {
        let guest = Guest::new();
        std::fs::write(guest.folder.path().join("serial.log"), "from before\n").unwrap();
        let (console, socket) = guest.console();
        let (before, mut first) = console.read();
        assert_eq!(&*before, b"from before\n");
        let _attached = console.attach(&socket);
        let mut stream = guest.accept().await;
        stream.write_all(b"login: ").await.unwrap();
        until(&mut first, Bytes::new(), "login: ").await;
        let (replay, mut second) = console.read();
        until(&mut second, replay, "from before\nlogin: ").await;
        let (mine, yours) = (console.keyboard(), console.keyboard());
        mine.write("ro".into()).unwrap();
        assert_eq!(yours.write("reboot\n".into()), Err(NotTaken::Busy));
        mine.write("ot\n".into()).unwrap();
        drop(mine);
        yours.write("ls\n".into()).expect("the other has gone");
        // Who pauses for long has left the keyboard to others.
        console.shared.typist().as_mut().unwrap().1 -= HOLD;
        console.keyboard().write("id\n".into()).unwrap();
        let mut typed = [0; 11];
        stream.read_exact(&mut typed).await.unwrap();
        assert_eq!(&typed, b"root\nls\nid\n");
    }

    #[tokio::test]
    async fn a_console_that_nobody_reads_is_left_alone_and_the_next_reader_misses_nothing() {
        let guest = Guest::new();
        let log = guest.folder.path().join("serial.log");
        let (console, socket) = guest.console();
        let _attached = console.attach(&socket);
        std::fs::write(&log, "one\n").unwrap();
        let mut piece = [0; 64];
        for (said, before, gained) in [("two\n", "one\n", ""), ("three\n", "one\ntwo\n", "of the kernel\n")] {
            let (replay, mut reader) = console.read();
            assert_eq!(&*replay, before.as_bytes());
            // Printed before the connection was made.
            let logged = std::fs::read_to_string(&log).unwrap() + gained;
            std::fs::write(&log, logged).unwrap();
            let mut stream = guest.accept().await;
            stream.write_all(said.as_bytes()).await.unwrap();
            until(&mut reader, Bytes::new(), &format!("{gained}{said}")).await;
            std::fs::write(&log, std::fs::read_to_string(&log).unwrap() + said).unwrap();
            drop(reader);
            assert_eq!(stream.read(&mut piece).await.unwrap(), 0, "the connection ends with the last reader");
        }
        let whole = console.read().0;
        assert_eq!(std::str::from_utf8(&whole).unwrap(), std::fs::read_to_string(&log).unwrap());
    }

    #[tokio::test]
    async fn a_reader_who_stays_sees_what_the_next_boot_printed_before_it_was_connected() {
        let guest = Guest::new();
        let log = guest.folder.path().join("serial.log");
        std::fs::write(&log, "first boot\n").unwrap();
        let (console, socket) = guest.console();
        let (replay, mut reader) = console.read();
        let attached = console.attach(&socket);
        drop((guest.accept().await, attached));
        std::fs::write(&log, "first boot\nsecond boot\n").unwrap();
        let _attached = console.attach(&socket);
        let mut stream = guest.accept().await;
        stream.write_all(b"login: ").await.unwrap();
        until(&mut reader, replay, "first boot\nsecond boot\nlogin: ").await;
    }

    #[tokio::test]
    async fn a_reader_that_sleeps_holds_nobody_up() {
        let guest = Guest::new();
        let (console, socket) = guest.console();
        let (_, mut slow) = console.read();
        let _attached = console.attach(&socket);
        let mut stream = guest.accept().await;
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..64 {
            tokio::time::timeout(Duration::from_secs(30), stream.write_all(&piece)).await.unwrap().unwrap();
        }
        stream.write_all(b"END").await.unwrap();
        let (replay, mut fresh) = console.read();
        until(&mut fresh, replay, "END").await;
        assert!(matches!(slow.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
        assert!(console.read().0.len() <= REPLAY);
    }

    #[tokio::test]
    async fn input_for_a_guest_that_is_off_is_refused_in_the_end_and_never_reaches_the_next_boot() {
        let guest = Guest::new();
        let (console, socket) = guest.console();
        let keyboard = console.keyboard();
        assert_eq!((0..=WAITING).map(|_| keyboard.write("old".into())).find(Result::is_err), Some(Err(NotTaken::Deaf)));
        let (replay, mut reader) = console.read();
        let attached = console.attach(&socket);
        let mut stream = guest.accept().await;
        stream.write_all(b"up").await.unwrap();
        until(&mut reader, replay, "up").await;
        keyboard.write("new".into()).unwrap();
        let mut typed = [0; 3];
        stream.read_exact(&mut typed).await.unwrap();
        assert_eq!(&typed, b"new");
        drop(attached);
        assert_eq!(stream.read(&mut typed).await.unwrap(), 0, "the connection ends with the boot");
    }
}
