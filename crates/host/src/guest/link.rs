//! What the rescue system of one boot says, and whether its proof holds: over its virtio-serial port, or, where that does not
//! work, on the serial console.
//!
//! The rescue system says hello and proves itself again whenever somebody connects to its port. So nothing is lost when this
//! agent was not there at the moment, or was restarted since.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use qmp::lines::Lines;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use types::rescue::{BootSecrets, Frame, MAX_FRAME, ReadyReport, verify};
use types::verb::{Answers, Verb};

use super::serial;

/// What the proof is worth so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// None has come, or on the serial console only such as may have been garbled there; the text says what was wrong.
    Waiting(Option<String>),
    Ready {
        report: Box<ReadyReport>,
        at: DateTime<Utc>,
    },
    /// It came, and does not hold.
    Bad(String),
}

/// What a proof of this boot must say.
#[derive(Debug, Clone)]
pub struct Expected {
    pub secrets: BootSecrets,
    /// Serial numbers of the desc's disks.
    pub disks: BTreeSet<String>,
}

impl Expected {
    /// The report, if key, session, boot and nonce are right, and every disk was seen.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, payload: &str, mac: &str) -> Result<ReadyReport, String> {
        let report = verify(&self.secrets, payload, mac).map_err(|error| error.to_string())?;
        let seen: BTreeSet<_> = report.disks.iter().map(|disk| disk.serial.as_str()).collect();
        let missing: Vec<_> = self.disks.iter().map(String::as_str).filter(|serial| !seen.contains(serial)).collect();
        if missing.is_empty() {
            return Ok(report);
        }
        let seen = if seen.is_empty() { "none".into() } else { seen.into_iter().collect::<Vec<_>>().join(", ") };
        Err(format!("the rescue system does not see every disk: missing {}, seen {seen}", missing.join(", ")))
    }
}

/// The line to the rescue system of one boot; it ends when this is dropped.
#[derive(Debug)]
pub struct Link {
    proof: watch::Receiver<Proof>,
    requests: mpsc::Sender<Frame>,
    heard: broadcast::Sender<Frame>,
    /// Of the frames that the rescue system speaks, as its hello has told; 0 before.
    version: Arc<AtomicU32>,
    silence: watch::Receiver<Option<Instant>>,
    _stop: DropGuard,
}

/// What the line tells the guest's owner, and asks.
pub struct Hooks {
    /// The proof holds.
    pub ready: Box<dyn Fn() + Send + Sync>,
    /// Whether the machine is not paused: a paused one says nothing, and is not to blame.
    pub runs: Box<dyn Fn() -> bool + Send + Sync>,
    /// Nothing was heard on the port for [`MISSED`] heartbeats, and when something was heard last; None: something is heard again.
    pub silent: Box<dyn Fn(Option<Instant>) + Send + Sync>,
}

/// Where it can be heard.
#[derive(Debug, Clone)]
pub struct Places {
    pub socket: PathBuf,
    pub serial_log: PathBuf,
    /// Where this boot begins in the log.
    pub serial_from: u64,
}

impl Link {
    #[must_use]
    pub fn open(expected: Expected, places: Places, hooks: Hooks) -> Self {
        Self::open_with(expected, places, hooks, HEARTBEAT)
    }

    fn open_with(expected: Expected, places: Places, hooks: Hooks, beat: Duration) -> Self {
        let (proof, seen) = watch::channel(Proof::Waiting(None));
        let (silent, silence) = watch::channel(None);
        let (requests, outgoing) = mpsc::channel(4);
        let (heard, version) = (broadcast::Sender::new(HEARD), Arc::new(AtomicU32::new(0)));
        let stop = CancellationToken::new();
        let listener = Arc::new(Listener {
            expected,
            proof,
            hooks,
            heard: heard.clone(),
            version: Arc::clone(&version),
            last: Mutex::new(None),
            logged: AtomicU32::new(0),
        });
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = listener.port(&places.socket, outgoing) => {}
                () = listener.console(&places.serial_log, places.serial_from) => {}
                () = listener.attend(beat, silent) => {}
            }
        });
        Self { proof: seen, requests, heard, version, silence, _stop: stop.drop_guard() }
    }

    /// When something was heard last, where nothing was for [`MISSED`] heartbeats.
    #[must_use]
    pub fn silent_since(&self) -> Option<Instant> {
        *self.silence.borrow()
    }

    #[must_use]
    pub fn proof(&self) -> Proof {
        self.proof.borrow().clone()
    }

    /// Until the proof holds, or does not.
    pub async fn decided(&self) -> Proof {
        let mut proof = self.proof.clone();
        let decided = proof.wait_for(|proof| !matches!(proof, Proof::Waiting(_))).await.map(|proof| proof.clone());
        match decided {
            Ok(proof) => proof,
            // The listener goes only with this handle.
            Err(_) => std::future::pending().await,
        }
    }

    /// Asks for a verb, and waits for the answer: `Ok` its JSON, `Err` the words of a rescue system that could not do it. A connection
    /// that breaks meanwhile costs nothing: the request is sent again, and the rescue system answers what it has done.
    pub async fn ask(&self, id: u64, verb: &Verb, mut told: impl FnMut(&str)) -> Result<String, String> {
        if self.version.load(Ordering::Relaxed) < 2 {
            return Err("the rescue system takes no requests: its image is too old (publish a newer one), or its virtio-serial port does not work".into());
        }
        let mut heard = self.heard.subscribe();
        let mut answers = Answers::to(id);
        for _ in 0..ATTEMPTS {
            // Only a listener that is gone takes no requests, and it goes with this handle.
            let _ = self.requests.send(Frame::Request { id, verb: verb.clone() }).await;
            loop {
                match heard.recv().await {
                    // Somebody connected anew; the request may have been lost.
                    Ok(Frame::Hello { .. }) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Ok(Frame::Progress { id: of, text, .. }) if of == id => told(&text),
                    Ok(frame) => match answers.push(&frame) {
                        Ok(None) => {}
                        Ok(Some(answer)) => return answer,
                        Err(bad) => {
                            tracing::warn!(error = %bad, "the answer of a rescue system is asked for again");
                            break;
                        }
                    },
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        }
        Err(format!("the rescue system's answer was cut off {ATTEMPTS} times"))
    }

    /// Asks the rescue system to sync, unmount and power off. Nothing is answered; the machine ends.
    pub fn ask_shutdown(&self) {
        let _ = self.requests.try_send(Frame::Shutdown);
    }
}

/// Frames kept for whoever waits for an answer: one of the longest, and some.
const HEARD: usize = 256;
/// How often a request is sent.
const ATTEMPTS: usize = 8;
/// Time between two heartbeats of a rescue system, as its agent has it.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Heartbeats without any frame that are a silence.
pub const MISSED: u32 = 3;
/// Lines of the log that the rescue system of one boot may cause by what it sends.
const LOGGED: u32 = 64;

struct Listener {
    expected: Expected,
    proof: watch::Sender<Proof>,
    hooks: Hooks,
    heard: broadcast::Sender<Frame>,
    version: Arc<AtomicU32>,
    /// When a frame came over the port last; on the serial console there are no heartbeats.
    last: Mutex<Option<Instant>>,
    logged: AtomicU32,
}

impl Listener {
    /// Connects to the port, again and again.
    async fn port(&self, socket: &Path, mut outgoing: mpsc::Receiver<Frame>) {
        loop {
            if let Ok(stream) = UnixStream::connect(socket).await {
                self.converse(stream, &mut outgoing).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Until the connection ends, also because the other side sent more than a frame may have: it is not to be trusted.
    async fn converse(&self, mut stream: UnixStream, outgoing: &mut mpsc::Receiver<Frame>) {
        let mut lines = Lines::new(MAX_FRAME);
        let mut piece = vec![0; 4096];
        loop {
            tokio::select! {
                read = stream.read(&mut piece) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(count) => lines.push(&piece[..count]),
                },
                Some(frame) = outgoing.recv() => {
                    let mut line = serde_json::to_vec(&frame).expect("a frame is plain data");
                    line.push(b'\n');
                    let written = tokio::time::timeout(Duration::from_secs(5), stream.write_all(&line)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        return;
                    }
                }
            }
            loop {
                match lines.next_line() {
                    Ok(Some(line)) => self.hear(&line),
                    Ok(None) => break,
                    Err(error) => {
                        if self.may_log() {
                            tracing::warn!(%error, "the rescue system's port is read anew");
                        }
                        return;
                    }
                }
            }
        }
    }

    fn hear(&self, line: &[u8]) {
        let frame = serde_json::from_slice(line);
        if frame.is_ok() {
            *self.last() = Some(Instant::now());
        }
        match frame {
            Ok(Frame::Ready { payload, mac }) => match self.expected.check(&payload, &mac) {
                Ok(report) => self.accept(report),
                Err(problem) => self.refuse(problem),
            },
            Ok(Frame::Error { message }) => {
                if self.may_log() {
                    tracing::warn!(
                        message = message.chars().take(300).collect::<String>(),
                        "the rescue system reports"
                    );
                }
            }
            Ok(frame @ (Frame::Hello { .. } | Frame::Progress { .. } | Frame::Answer { .. })) => {
                if let Frame::Hello { version } = frame {
                    self.version.store(version, Ordering::Relaxed);
                }
                // Nobody may be waiting.
                let _ = self.heard.send(frame);
            }
            Ok(Frame::Heartbeat { .. } | Frame::Shutdown | Frame::Request { .. }) => {}
            // A newer rescue system may say more than is known here.
            Err(error) => tracing::debug!(%error, "a frame that is not known here"),
        }
    }

    /// Whether one more line may be logged that the rescue system has caused: it may send without end.
    fn may_log(&self) -> bool {
        let before =
            self.logged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |logged| Some(logged.saturating_add(1)));
        let before = before.unwrap_or(u32::MAX);
        if before == LOGGED {
            tracing::warn!("what else the rescue system reports is not logged: look at its console");
        }
        before < LOGGED
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notices when nothing is heard any more where something was, and when something is again.
    async fn attend(&self, beat: Duration, silence: watch::Sender<Option<Instant>>) {
        let mut tick = tokio::time::interval(beat);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let mut last = self.last();
            // What is silent stays so until it is heard.
            if !(self.hooks.runs)() && silence.borrow().is_none() {
                *last = last.map(|_| Instant::now());
            }
            let since = last.filter(|last| last.elapsed() > beat * MISSED);
            drop(last);
            let changed = silence.send_if_modified(|now| {
                let changed = now.is_some() != since.is_some();
                *now = since;
                changed
            });
            if changed {
                (self.hooks.silent)(since);
            }
        }
    }

    /// Looks for frames in the log until there is a proof.
    async fn console(&self, log: &Path, from: u64) {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if matches!(*self.proof.borrow(), Proof::Ready { .. }) {
                std::future::pending::<()>().await;
            }
            let log = log.to_owned();
            let frames = tokio::task::spawn_blocking(move || serial::frames(&log, from)).await.unwrap_or_default();
            for frame in frames {
                let Frame::Ready { payload, mac } = frame else { continue };
                match self.expected.check(&payload, &mac) {
                    Ok(report) => self.accept(report),
                    // Perhaps garbled by what else was printed; it comes again.
                    Err(problem) => {
                        self.proof.send_if_modified(|proof| match proof {
                            Proof::Waiting(last) if last.as_ref() != Some(&problem) => {
                                *last = Some(problem);
                                true
                            }
                            Proof::Waiting(_) | Proof::Ready { .. } | Proof::Bad(_) => false,
                        });
                    }
                }
            }
        }
    }

    fn accept(&self, report: ReadyReport) {
        let first = self.proof.send_if_modified(|proof| {
            let first = !matches!(proof, Proof::Ready { .. });
            if first {
                *proof = Proof::Ready { report: Box::new(report), at: Utc::now() };
            }
            first
        });
        if first {
            (self.hooks.ready)();
        }
    }

    /// Once proven, a bad frame changes nothing: whoever sends it does not hold the key.
    fn refuse(&self, problem: String) {
        self.proof.send_if_modified(|proof| {
            let waiting = matches!(proof, Proof::Waiting(_));
            if waiting {
                *proof = Proof::Bad(problem);
            }
            waiting
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;
    use types::id::SessionId;
    use types::rescue::{PROTOCOL_VERSION, SERIAL_PREFIX, SeenDisk, prove};
    use types::secret::Secret;

    fn expected() -> Expected {
        let secrets = BootSecrets {
            version: PROTOCOL_VERSION,
            session: SessionId::generate(),
            key: Secret::new("ab".repeat(32)),
            nonce: "01".repeat(16),
            boot: 2,
            ssh_keys: vec![],
            password_hash: None,
            host_key: None,
            network: None,
            disk_names: std::collections::BTreeMap::new(),
        };
        Expected { secrets, disks: ["root-1".to_owned(), "data-1".to_owned()].into() }
    }

    fn line(secrets: &BootSecrets, disks: &[&str]) -> String {
        let disk = |serial: &&str| SeenDisk {
            name: "vda".into(),
            size: 1,
            serial: (*serial).to_owned(),
            read_only: false,
            ..SeenDisk::default()
        };
        let report = ReadyReport {
            session: secrets.session,
            nonce: secrets.nonce.clone(),
            boot: secrets.boot,
            kernel: "6.1".into(),
            image: "small 1".into(),
            disks: disks.iter().map(disk).collect(),
            addresses: vec![],
            ssh_fingerprint: None,
            ssh_host_key: None,
        };
        serde_json::to_string(&prove(&secrets.key, &report).unwrap()).unwrap() + "\n"
    }

    struct Port {
        _folder: tempfile::TempDir,
        listener: UnixListener,
        log: PathBuf,
        link: Link,
        told: Arc<AtomicU32>,
        /// Whether it became silent, or is heard again, as it was told.
        silences: mpsc::UnboundedReceiver<bool>,
        runs: watch::Sender<bool>,
    }

    impl Port {
        fn open(expected: &Expected) -> Self {
            Self::open_with(expected, HEARTBEAT)
        }
        fn open_with(expected: &Expected, beat: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (socket, log) = (folder.path().join("r"), folder.path().join("serial.log"));
            let listener = UnixListener::bind(&socket).unwrap();
            let told = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&told);
            let places = Places { socket, serial_log: log.clone(), serial_from: 0 };
            let ((tell, silences), runs) = (mpsc::unbounded_channel(), watch::Sender::new(true));
            let now = runs.subscribe();
            let hooks = Hooks {
                ready: Box::new(move || {
                    count.fetch_add(1, Ordering::SeqCst);
                }),
                runs: Box::new(move || *now.borrow()),
                silent: Box::new(move |since| tell.send(since.is_some()).unwrap()),
            };
            let link = Link::open_with(expected.clone(), places, hooks, beat);
            Self { _folder: folder, listener, log, link, told, silences, runs }
        }
        async fn silence(&mut self) -> bool {
            tokio::time::timeout(Duration::from_secs(30), self.silences.recv()).await.unwrap().unwrap()
        }
        async fn accept(&self) -> UnixStream {
            tokio::time::timeout(Duration::from_secs(30), self.listener.accept()).await.unwrap().unwrap().0
        }
        async fn decided(&self) -> Proof {
            tokio::time::timeout(Duration::from_secs(30), self.link.decided()).await.unwrap()
        }
    }

    const BOTH: &[&str] = &["data-1", "root-1"];

    #[tokio::test]
    async fn a_proof_holds_and_a_shutdown_goes_the_other_way() {
        let expected = expected();
        let port = Port::open(&expected);
        // Cut off in the middle of a frame: the next connection brings all of it.
        let mut first = port.accept().await;
        first.write_all(b"{\"type\":\"hello\",\"version\":1}\n{\"type\":\"ready\",\"pay").await.unwrap();
        drop(first);
        let mut second = port.accept().await;
        second.write_all(b"{\"type\":\"of the future\"}\nnot even json\n").await.unwrap();
        second.write_all(line(&expected.secrets, BOTH).as_bytes()).await.unwrap();
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        second.write_all(line(&expected.secrets, &[]).as_bytes()).await.unwrap();
        port.link.ask_shutdown();
        let mut asked = vec![0; 64];
        let count = second.read(&mut asked).await.unwrap();
        assert_eq!(std::str::from_utf8(&asked[..count]).unwrap(), "{\"type\":\"shutdown\"}\n");
        assert!(matches!(port.link.proof(), Proof::Ready { .. }), "what was proven stays proven");
        assert_eq!(port.told.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn another_key_another_boot_and_fewer_disks_are_refused() {
        let expected = expected();
        let other_key = BootSecrets { key: Secret::new("cd".repeat(32)), ..expected.secrets.clone() };
        let boot_before = BootSecrets { boot: 1, ..expected.secrets.clone() };
        let cases = [
            (line(&other_key, BOTH), "key"),
            (line(&boot_before, BOTH), "boot"),
            (line(&expected.secrets, &["root-1"]), "missing data-1, seen root-1"),
            (line(&expected.secrets, &[]), "missing data-1, root-1, seen none"),
        ];
        for (line, word) in cases {
            let port = Port::open(&expected);
            port.accept().await.write_all(line.as_bytes()).await.unwrap();
            let Proof::Bad(problem) = port.decided().await else { panic!("{word} was not refused") };
            assert!(problem.contains(word), "{problem} should speak of {word}");
            assert_eq!(port.told.load(Ordering::SeqCst), 0);
        }
    }

    #[tokio::test]
    async fn the_serial_console_will_do_and_what_is_garbled_there_is_not_the_end() {
        let expected = expected();
        let port = Port::open(&expected);
        let garbled = line(&expected.secrets, BOTH).replace("small 1", "sm[ 1.2] x");
        let echo = "Command line: yn_rescue_mode=true\n";
        std::fs::write(&port.log, format!("{echo}{SERIAL_PREFIX}{garbled}")).unwrap();
        let mut proof = port.link.proof.clone();
        let waited = proof.wait_for(|proof| matches!(proof, Proof::Waiting(Some(_))));
        tokio::time::timeout(Duration::from_secs(30), waited).await.unwrap().unwrap();
        let whole = line(&expected.secrets, BOTH);
        std::fs::write(&port.log, format!("{SERIAL_PREFIX}{garbled}\n{SERIAL_PREFIX}{whole}")).unwrap();
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
    }

    /// The rescue system's side, line by line.
    struct Inside(tokio::io::BufReader<UnixStream>);

    impl Inside {
        async fn connected(port: &Port, expected: &Expected) -> Self {
            let mut stream = port.accept().await;
            let hello = serde_json::to_string(&Frame::Hello { version: PROTOCOL_VERSION }).unwrap();
            stream.write_all(format!("{hello}\n{}", line(&expected.secrets, BOTH)).as_bytes()).await.unwrap();
            Self(tokio::io::BufReader::new(stream))
        }
        async fn asked(&mut self) -> (u64, Verb) {
            use tokio::io::AsyncBufReadExt;
            let mut text = String::new();
            self.0.read_line(&mut text).await.unwrap();
            match serde_json::from_str(&text).unwrap() {
                Frame::Request { id, verb } => (id, verb),
                other => panic!("no request: {other:?}"),
            }
        }
        async fn say(&mut self, frames: &[Frame]) {
            for frame in frames {
                let text = serde_json::to_string(frame).unwrap() + "\n";
                self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn an_answer_comes_back_whole_although_the_connection_breaks_and_others_answer() {
        let expected = expected();
        let port = Port::open(&expected);
        let mut first = Inside::connected(&port, &expected).await;
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        let verb = Verb::Notice { text: "soon".into() };
        let told = std::sync::Mutex::new(Vec::new());
        let asking = port.link.ask(7, &verb, |text| told.lock().unwrap().push(text.to_owned()));
        let long = serde_json::to_string(&"x".repeat(100_000)).unwrap();
        let answering = async {
            assert_eq!(first.asked().await, (7, verb.clone()));
            let parts = types::verb::answer(7, true, &long);
            assert!(parts.len() > 1);
            let progress = Frame::Progress { id: 7, done: 1, of: 2, text: "half".into() };
            first.say(&[progress, parts[0].clone()]).await;
            drop(first);
            // The host asks again, and the rescue system answers all of it once more; what is for others is none of it.
            let mut second = Inside::connected(&port, &expected).await;
            assert_eq!(second.asked().await.0, 7);
            second.say(&types::verb::answer(8, true, "\"of another\"")).await;
            second.say(&parts).await;
            second
        };
        let both = async { tokio::join!(asking, answering) };
        let (answer, mut inside) = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
        assert_eq!(answer, Ok(long));
        assert_eq!(*told.lock().unwrap(), ["half"]);

        // What it could not do, and what never fits together.
        let asking = port.link.ask(9, &verb, |_| {});
        let refusing = async {
            inside.asked().await;
            inside.say(&types::verb::answer(9, false, "{\"message\":\"no\"}")).await;
        };
        assert_eq!(tokio::join!(asking, refusing).0, Err("{\"message\":\"no\"}".into()));
        let asking = port.link.ask(10, &verb, |_| {});
        let confusing = async {
            for _ in 0..ATTEMPTS {
                inside.asked().await;
                inside.say(&[Frame::Answer { id: 10, part: 3, last: true, ok: true, text: "x".into() }]).await;
            }
        };
        assert!(tokio::join!(asking, confusing).0.unwrap_err().contains("cut off"));
    }

    #[tokio::test]
    async fn an_old_rescue_system_is_asked_for_nothing() {
        let expected = expected();
        let port = Port::open(&expected);
        let mut stream = port.accept().await;
        let hello = "{\"type\":\"hello\",\"version\":1}\n";
        stream.write_all(format!("{hello}{}", line(&expected.secrets, BOTH)).as_bytes()).await.unwrap();
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        let verb = Verb::Diagnose { serial_log: String::new() };
        assert!(port.link.ask(1, &verb, |_| {}).await.unwrap_err().contains("too old"));
    }

    #[tokio::test]
    async fn an_endless_line_ends_the_connection() {
        let port = Port::open(&expected());
        let mut stream = port.accept().await;
        let _ = stream.write_all(&vec![b'x'; 2 * MAX_FRAME]).await;
        port.accept().await;
        assert_eq!(port.link.proof(), Proof::Waiting(None));
    }

    const BEAT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_rescue_system_that_is_not_heard_any_more_is_told_once_and_so_is_its_return() {
        let expected = expected();
        let mut port = Port::open_with(&expected, BEAT);
        let mut inside = Inside::connected(&port, &expected).await;
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        // Half a frame is nothing heard, and holds up nothing: it is told only once, and requests go out.
        inside.0.get_mut().write_all(b"{\"type\":\"heartbeat\",").await.unwrap();
        assert!(port.silence().await && port.link.silent_since().unwrap().elapsed() > BEAT * MISSED);
        assert!(matches!(port.link.proof(), Proof::Ready { .. }), "what was proven stays proven");
        let verb = Verb::Notice { text: "soon".into() };
        let asking = port.link.ask(1, &verb, |_| {});
        let answering = async {
            assert_eq!(inside.asked().await.0, 1);
            inside.0.get_mut().write_all(b"\"uptime_s\":1}\n").await.unwrap();
            inside.say(&types::verb::answer(1, true, "1")).await;
        };
        assert_eq!(tokio::join!(asking, answering).0, Ok("1".into()));
        assert!(!port.silence().await && port.link.silent_since().is_none());

        // Paused for longer than that: the next thing told is the silence after it, and that counts from its end.
        port.runs.send_replace(false);
        let mut tick = tokio::time::interval(BEAT);
        for _ in 0..MISSED * 3 {
            tick.tick().await;
        }
        assert!(port.silences.try_recv().is_err());
        let resumed = Instant::now();
        port.runs.send_replace(true);
        assert!(port.silence().await && resumed.elapsed() > BEAT);
    }

    #[tokio::test]
    async fn where_the_port_never_worked_nothing_is_missed() {
        let expected = expected();
        let mut port = Port::open_with(&expected, Duration::from_millis(1));
        std::fs::write(&port.log, format!("{SERIAL_PREFIX}{}", line(&expected.secrets, BOTH))).unwrap();
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        assert!(port.silences.try_recv().is_err());
    }

    /// Warnings that are logged on this thread.
    struct Warnings(Arc<AtomicU32>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() <= tracing::Level::WARN
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    /// Sends the first, and then the second again and again, until nobody listens.
    fn flood(inside: Inside, first: Vec<u8>, endless: Vec<u8>) -> std::thread::JoinHandle<()> {
        use std::io::Write;
        let mut stream = inside.0.into_inner().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            let _ = stream.write_all(&first);
            while stream.write_all(&endless).is_ok() {}
        })
    }
    fn bytes(frames: &[Frame]) -> Vec<u8> {
        frames.iter().map(|frame| serde_json::to_string(frame).unwrap() + "\n").collect::<String>().into_bytes()
    }

    #[tokio::test]
    async fn a_flood_of_frames_keeps_nobody_waiting_and_fills_neither_memory_nor_log() {
        let warned = Arc::new(AtomicU32::new(0));
        let _logging = tracing::subscriber::set_default(Warnings(Arc::clone(&warned)));
        let expected = expected();
        let (bad, good) = (Port::open(&expected), Port::open(&expected));
        let mut inside = Inside::connected(&good, &expected).await;
        let flooding = Inside::connected(&bad, &expected).await;
        assert!(matches!(bad.decided().await, Proof::Ready { .. }));
        assert!(matches!(good.decided().await, Proof::Ready { .. }));
        let errors = vec![Frame::Error { message: "no".into() }; 10 * LOGGED as usize];
        let progress = Frame::Progress { id: 1, done: 1, of: 2, text: "x".repeat(1000) };
        let slow = bad.link.heard.subscribe();
        let flooder = flood(flooding, bytes(&errors), bytes(&[progress]));
        let verb = Verb::Notice { text: "soon".into() };
        let limit = Duration::from_secs(60);
        let answer = tokio::time::timeout(limit, bad.link.ask(1, &verb, |_| {})).await.expect("it ends");
        assert!(answer.unwrap_err().contains("cut off"));
        assert_eq!(bad.link.heard.len(), HEARD, "no more is kept");
        assert_eq!(warned.load(Ordering::SeqCst), LOGGED + 1);
        // The flood goes on.
        let answering = async {
            let id = inside.asked().await.0;
            inside.say(&types::verb::answer(id, true, "1")).await;
        };
        let both = async { tokio::join!(good.link.ask(2, &verb, |_| {}), answering).0 };
        assert_eq!(tokio::time::timeout(limit, both).await.expect("others are served"), Ok("1".into()));
        assert!(!flooder.is_finished());
        drop((bad, slow));
        tokio::task::spawn_blocking(|| flooder.join().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_without_end_ends_with_the_limit() {
        let expected = expected();
        let port = Port::open(&expected);
        let mut inside = Inside::connected(&port, &expected).await;
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        let verb = Verb::Notice { text: "soon".into() };
        let asking = port.link.ask(1, &verb, |_| {});
        let answering = async {
            let text = "x".repeat(types::verb::MAX_PART);
            for _ in 0..ATTEMPTS {
                inside.asked().await;
                // One part more than the longest answer has.
                for part in 0..=u32::try_from(types::verb::MAX_ANSWER / text.len()).unwrap() {
                    inside.say(&[Frame::Answer { id: 1, part, last: false, ok: true, text: text.clone() }]).await;
                }
            }
        };
        let both = async { tokio::join!(asking, answering).0 };
        let answer = tokio::time::timeout(Duration::from_secs(60), both).await.expect("it ends");
        assert!(answer.unwrap_err().contains("cut off"));
        // Who asks next is answered.
        let answering = async {
            assert_eq!(inside.asked().await.0, 2);
            inside.say(&types::verb::answer(2, true, "1")).await;
        };
        assert_eq!(tokio::join!(port.link.ask(2, &verb, |_| {}), answering).0, Ok("1".into()));
    }

    #[tokio::test]
    async fn connections_that_break_again_and_again_end_a_request_and_not_the_line() {
        let warned = Arc::new(AtomicU32::new(0));
        let _logging = tracing::subscriber::set_default(Warnings(Arc::clone(&warned)));
        let expected = expected();
        let port = Port::open(&expected);
        drop(Inside::connected(&port, &expected).await);
        assert!(matches!(port.decided().await, Proof::Ready { .. }));
        let verb = Verb::Notice { text: "soon".into() };
        let asking = port.link.ask(1, &verb, |_| {});
        let breaking = async {
            loop {
                // Half a frame each time.
                let mut inside = Inside::connected(&port, &expected).await;
                inside.0.get_mut().write_all(b"{\"type\":\"answer\",\"id\":1,").await.unwrap();
            }
        };
        let answer = tokio::select! {
            answer = asking => answer,
            () = breaking => unreachable!("it breaks for ever"),
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("it ends"),
        };
        assert!(answer.unwrap_err().contains("cut off"));
        let mut inside = Inside::connected(&port, &expected).await;
        let answering = async {
            while inside.asked().await.0 != 2 {}
            inside.say(&types::verb::answer(2, true, "1")).await;
        };
        let both = async { tokio::join!(port.link.ask(2, &verb, |_| {}), answering).0 };
        let answer = tokio::time::timeout(Duration::from_secs(30), both).await.expect("it is answered");
        assert_eq!((answer, warned.load(Ordering::SeqCst)), (Ok("1".into()), 0));
        assert_eq!(port.told.load(Ordering::SeqCst), 1, "ready is told once");
    }
}
