//! The sockets of one guest, in one thread that sleeps until somebody speaks. As QEMU does, a socket serves one client at a time.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};
use types::rescue::{BootSecrets, Frame, PROTOCOL_VERSION, ReadyReport, SeenDisk, prove};
use types::verb::{VerbFault, answer};

use crate::control::{self, State, carry_out, greeting};
use crate::options::Options;
use crate::orders::Order;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Control,
    Serial,
    Port,
}

struct Socket {
    kind: Kind,
    listener: UnixListener,
    client: Option<Client>,
}

struct Client {
    stream: UnixStream,
    /// What came of a line that is not whole yet.
    begun: Vec<u8>,
}

impl Socket {
    /// The client, or, where there is none, whether one comes.
    fn watched(&self) -> PollFd<'_> {
        match &self.client {
            Some(client) => PollFd::new(&client.stream, PollFlags::IN),
            None => PollFd::new(&self.listener, PollFlags::IN),
        }
    }
}

/// Everything that is open.
pub struct Guest {
    sockets: Vec<Socket>,
    /// What a rescue system says to whoever connects: hello, and its proof.
    proof: Vec<u8>,
    state: State,
    ends: bool,
}

impl Guest {
    /// `order`: how a rescue system is to fail.
    ///
    /// # Errors
    /// A socket can't be opened, or the rescue system's secrets can't be read.
    pub fn open(options: &Options, order: Option<Order>) -> Result<Self, String> {
        let paths = options.control.iter().map(|path| (Kind::Control, path));
        let paths = paths.chain(options.serial.iter().map(|path| (Kind::Serial, path)));
        let paths = paths.chain(options.port.iter().map(|path| (Kind::Port, path)));
        let open = |(kind, path): (Kind, &std::path::PathBuf)| {
            let listener = UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(Socket { kind, listener, client: None })
        };
        let sockets = paths.map(open).collect::<Result<_, _>>()?;
        let proof = match (&options.port, &options.secrets) {
            (Some(_), Some(secrets)) => frames(secrets, &options.disks, order)?,
            _ => Vec::new(),
        };
        let state = State { paused: false, no_reboot: options.no_reboot };
        Ok(Self { sockets, proof, state, ends: false })
    }

    /// Until it is told to end.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn serve(mut self) -> io::Result<()> {
        while !self.ends {
            for at in self.ready()? {
                if self.sockets[at].client.is_none() {
                    self.accept(at);
                } else {
                    self.hear(at);
                }
            }
        }
        Ok(())
    }

    /// Sockets with a new client, or with something to read.
    fn ready(&self) -> io::Result<Vec<usize>> {
        let mut watched: Vec<PollFd<'_>> = self.sockets.iter().map(Socket::watched).collect();
        loop {
            match poll(&mut watched, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((0..watched.len()).filter(|at| !watched[*at].revents().is_empty()).collect())
    }

    fn accept(&mut self, at: usize) {
        let Ok((mut stream, _)) = self.sockets[at].listener.accept() else { return };
        let greeted = match self.sockets[at].kind {
            Kind::Control => write(&mut stream, &greeting()),
            Kind::Port => stream.write_all(&self.proof),
            Kind::Serial => Ok(()),
        };
        if greeted.is_ok() {
            self.sockets[at].client = Some(Client { stream, begun: Vec::new() });
        }
    }

    fn hear(&mut self, at: usize) {
        let Some(client) = &mut self.sockets[at].client else { return };
        let mut piece = [0; 4096];
        match client.stream.read(&mut piece) {
            Ok(count) if count > 0 => client.begun.extend_from_slice(&piece[..count]),
            _ => {
                self.sockets[at].client = None;
                return;
            }
        }
        while let Some(line) = self.line(at) {
            match self.sockets[at].kind {
                Kind::Control => self.obey(at, &line),
                Kind::Port => match serde_json::from_slice(&line) {
                    Ok(Frame::Shutdown) => {
                        self.tell(&control::shutdown("guest-shutdown", true));
                        self.ends = true;
                    }
                    Ok(Frame::Request { id, .. }) => self.refuse(at, id),
                    _ => {}
                },
                Kind::Serial => {}
            }
        }
    }

    fn line(&mut self, at: usize) -> Option<Vec<u8>> {
        let begun = &mut self.sockets[at].client.as_mut()?.begun;
        let end = begun.iter().position(|byte| *byte == b'\n')?;
        Some(begun.drain(..=end).collect())
    }

    fn obey(&mut self, at: usize, line: &[u8]) {
        let Some(reply) = carry_out(line, &mut self.state) else { return };
        self.send(at, &reply.answer);
        reply.events.iter().for_each(|event| self.tell(event));
        self.ends |= reply.ends;
    }

    /// There is no machine that could be looked at.
    fn refuse(&mut self, at: usize, id: u64) {
        let fault = VerbFault { message: "a simulated rescue system can't look at disks".into() };
        for frame in answer(id, false, &json!(fault).to_string()) {
            self.send(at, &json!(frame));
        }
    }

    /// An event goes to all control sockets.
    fn tell(&mut self, event: &Value) {
        for at in 0..self.sockets.len() {
            if self.sockets[at].kind == Kind::Control {
                self.send(at, event);
            }
        }
    }

    fn send(&mut self, at: usize, message: &Value) {
        let Some(client) = &mut self.sockets[at].client else { return };
        if write(&mut client.stream, message).is_err() {
            self.sockets[at].client = None;
        }
    }
}

/// One message, in one piece.
fn write(stream: &mut UnixStream, message: &Value) -> io::Result<()> {
    stream.write_all(format!("{message}\n").as_bytes())
}

/// What the rescue system says first: that it is there, and the proof that it holds the session's key.
fn frames(secrets: &Path, disks: &[String], order: Option<Order>) -> Result<Vec<u8>, String> {
    let wrong = |problem: &dyn std::fmt::Display| format!("{}: {problem}", secrets.display());
    let json = std::fs::read(secrets).map_err(|error| wrong(&error))?;
    let secrets_read: BootSecrets = serde_json::from_slice(&json).map_err(|error| wrong(&error))?;
    let seen = |serial: &String| SeenDisk {
        name: "vda".into(),
        size: 1 << 20,
        serial: serial.clone(),
        read_only: false,
        ..SeenDisk::default()
    };
    let mut report = ReadyReport {
        session: secrets_read.session,
        nonce: secrets_read.nonce,
        boot: secrets_read.boot,
        kernel: "simulated".into(),
        image: "simulated".into(),
        disks: disks.iter().map(seen).collect(),
        addresses: Vec::new(),
        ssh_fingerprint: None,
        ssh_host_key: None,
    };
    let mut key = secrets_read.key;
    match order {
        Some(Order::Wrong) => key = types::Secret::new("0".repeat(64)),
        Some(Order::Replayed) => report.boot = report.boot.saturating_sub(1),
        Some(Order::OtherSession) => report.session = types::SessionId::generate(),
        Some(Order::Fewer) => report.disks.clear(),
        Some(Order::Silent | Order::Panics | Order::Dies) | None => {}
    }
    let ready = prove(&key, &report).map_err(|error| wrong(&error))?;
    let line = |frame: &Frame| serde_json::to_string(frame).map(|json| json + "\n").map_err(|error| wrong(&error));
    let hello = line(&Frame::Hello { version: PROTOCOL_VERSION })?;
    let said = if order == Some(Order::Silent) { hello } else { hello + &line(&ready)? };
    Ok(said.into_bytes())
}
