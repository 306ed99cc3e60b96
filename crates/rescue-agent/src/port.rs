//! The line to the host: the virtio-serial port, and what is said on it.
//!
//! [`Port::step`] does one round: it notices that the host is there (again), then says hello and proves readiness; it reads
//! requests and sends heartbeats. A host that was restarted connects anew, and is told anew: the proof is for this boot, so
//! telling it twice gives nothing away. A change of hosts may be too quick to be noticed, so a host's hello is answered with both
//! frames as well.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use types::rescue::{Frame, PORT_NAME, PROTOCOL_VERSION};

use crate::command::timespec;
use crate::frames::{self, BadFrame, FrameReader};
use crate::verbs::Desk;

/// Time between two heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// A host that is connected but reads nothing for so long is given up; the port is opened again.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Frames of answers in one round: requests are read and heartbeats sent between them.
const FRAMES_A_ROUND: usize = 8;
/// A port without a host is looked at this often.
const HANG_UP_PAUSE: Duration = Duration::from_millis(100);

/// The device of the port, by the name that QEMU gave it.
pub fn find(sys: &Path, dev: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(sys.join("class/virtio-ports")).ok()?;
    entries.flatten().find_map(|entry| {
        let name = std::fs::read_to_string(entry.path().join("name")).ok()?;
        (name.trim() == PORT_NAME).then(|| dev.join(entry.file_name()))
    })
}

/// Opens the port without waiting for anybody.
///
/// # Errors
/// When it is gone, or another process has it.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    std::fs::OpenOptions::new().read(true).write(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path)
}

/// What a round brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// The announcement was written, all of it.
    Announced,
    /// The host wants the machine off.
    Shutdown,
}

pub struct Port {
    file: File,
    reader: FrameReader,
    host_is_there: bool,
    next_beat: Instant,
}

impl Port {
    /// `file` must not block.
    pub fn new(file: File) -> Self {
        Self { file, reader: FrameReader::default(), host_is_there: false, next_beat: Instant::now() }
    }

    /// One round, of at most `wait` (and the time to write). `ready` follows the hello; `uptime` is asked at each heartbeat;
    /// requests go to `desk`, and what is there of answers goes out.
    ///
    /// # Errors
    /// The port is of no use any more: it broke, or the host sent a frame over the limit. Open it again.
    pub fn step(
        &mut self,
        ready: &Frame,
        desk: &mut Desk,
        uptime: impl Fn() -> u64,
        wait: Duration,
    ) -> io::Result<Step> {
        let events = self.poll(PollFlags::IN, wait)?;
        if events.contains(PollFlags::HUP) {
            // Nobody is connected. What was half said before belongs to a connection that is gone.
            self.host_is_there = false;
            self.reader = FrameReader::default();
            desk.hang_up();
            std::thread::sleep(wait.min(HANG_UP_PAUSE));
            return Ok(Step::Nothing);
        }
        if !self.host_is_there {
            self.announce(ready)?;
            self.host_is_there = true;
            return Ok(Step::Announced);
        }
        if events.contains(PollFlags::IN) && self.receive(ready, desk)? {
            return Ok(Step::Shutdown);
        }
        for _ in 0..FRAMES_A_ROUND {
            let Some(frame) = desk.next() else { break };
            self.send(&frame)?;
        }
        if Instant::now() >= self.next_beat {
            self.next_beat = Instant::now() + HEARTBEAT;
            self.send(&Frame::Heartbeat { uptime_s: uptime() })?;
        }
        Ok(Step::Nothing)
    }

    fn announce(&mut self, ready: &Frame) -> io::Result<()> {
        self.send(&Frame::Hello { version: PROTOCOL_VERSION })?;
        self.send(ready)?;
        self.next_beat = Instant::now() + HEARTBEAT;
        Ok(())
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the host does not take it in time.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let line = frames::line(frame);
        let mut rest = &line[..];
        let deadline = Instant::now() + WRITE_LIMIT;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || self.poll(PollFlags::OUT, left)?.contains(PollFlags::HUP) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there; true when the host wants the machine off.
    fn receive(&mut self, ready: &Frame, desk: &mut Desk) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        let count = match self.file.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        for frame in self.reader.push(&bytes[..count]) {
            match frame {
                Ok(Frame::Shutdown) => return Ok(true),
                Ok(Frame::Hello { .. }) => self.announce(ready)?,
                Ok(Frame::Request { id, verb }) => desk.request(id, verb),
                Ok(
                    Frame::Ready { .. }
                    | Frame::Heartbeat { .. }
                    | Frame::Progress { .. }
                    | Frame::Answer { .. }
                    | Frame::Error { .. },
                ) => {}
                Err(error @ BadFrame::Unknown) => self.send(&Frame::Error { message: error.to_string() })?,
                Err(error @ BadFrame::TooLong) => {
                    let _ = self.send(&Frame::Error { message: error.to_string() });
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
        Ok(false)
    }

    fn poll(&self, wanted: PollFlags, wait: Duration) -> io::Result<PollFlags> {
        let fd = self.file.as_fd();
        let mut fds = [PollFd::new(&fd, wanted)];
        match poll(&mut fds, Some(&timespec(wait))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(fds[0].revents()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use types::verb::{Answers, Verb};

    use super::*;

    const WAIT: Duration = Duration::from_millis(10);

    /// A port, its other end, and a desk that answers each notice with its text, and a diagnosis with more than a frame holds.
    struct Line {
        port: Port,
        desk: Desk,
        _folder: tempfile::TempDir,
    }

    fn pair() -> (Line, UnixStream) {
        let folder = tempfile::tempdir().unwrap();
        let work = || -> crate::verbs::Work {
            Box::new(|verb, tell| {
                tell(1, 1, "seen");
                match verb {
                    Verb::Notice { text } => Ok(serde_json::to_string(&text).unwrap()),
                    _ => Ok(serde_json::to_string(&"\"".repeat(100_000)).unwrap()),
                }
            })
        };
        let desk = Desk::open(folder.path(), work(), work());
        let (port, host) = port_pair();
        (Line { port, desk, _folder: folder }, host)
    }
    fn port_pair() -> (Port, UnixStream) {
        let (guest, host) = UnixStream::pair().unwrap();
        guest.set_nonblocking(true).unwrap();
        host.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (Port::new(File::from(OwnedFd::from(guest))), host)
    }
    fn ready() -> Frame {
        Frame::Ready { payload: "{}".into(), mac: "ab".into() }
    }
    fn step(line: &mut Line) -> io::Result<Step> {
        line.port.step(&ready(), &mut line.desk, || 7, WAIT)
    }
    fn read(host: &UnixStream, count: usize) -> Vec<Frame> {
        let lines = io::BufReader::new(host).lines();
        lines.take(count).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }

    #[test]
    fn hello_comes_first_and_then_the_proof() {
        let (mut port, host) = pair();
        assert_eq!(step(&mut port).unwrap(), Step::Announced);
        assert_eq!(read(&host, 2), [Frame::Hello { version: PROTOCOL_VERSION }, ready()]);
        assert_eq!(step(&mut port).unwrap(), Step::Nothing, "it is said once to each host");
    }

    #[test]
    fn a_shutdown_is_understood_among_other_frames() {
        let (mut port, mut host) = pair();
        step(&mut port).unwrap();
        host.write_all(b"{\"type\":\"heartbeat\",\"uptime_s\":1}\n{\"type\":\"shut").unwrap();
        assert_eq!(step(&mut port).unwrap(), Step::Nothing);
        host.write_all(b"down\"}\n").unwrap();
        assert_eq!(step(&mut port).unwrap(), Step::Shutdown);
    }

    #[test]
    fn what_is_not_understood_is_answered_and_a_hello_brings_the_proof_again() {
        let (mut port, mut host) = pair();
        step(&mut port).unwrap();
        read(&host, 2);
        host.write_all(b"{\"type\":\"dance\"}\n{\"type\":\"hello\",\"version\":9}\n").unwrap();
        assert_eq!(step(&mut port).unwrap(), Step::Nothing);
        let answers = read(&host, 3);
        assert!(matches!(answers[0], Frame::Error { .. }), "{answers:?}");
        assert_eq!(answers[1..], [Frame::Hello { version: PROTOCOL_VERSION }, ready()]);
    }

    #[test]
    fn a_heartbeat_is_sent_when_it_is_due() {
        let (mut port, host) = pair();
        step(&mut port).unwrap();
        read(&host, 2);
        port.port.next_beat = Instant::now();
        assert_eq!(step(&mut port).unwrap(), Step::Nothing);
        assert_eq!(read(&host, 1), [Frame::Heartbeat { uptime_s: 7 }]);
    }

    #[test]
    fn requests_are_answered_in_parts_and_again_to_who_asks_again() {
        let (mut port, mut host) = pair();
        step(&mut port).unwrap();
        read(&host, 2);
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let served = std::thread::spawn(move || {
            while stopped.try_recv().is_err() {
                step(&mut port).unwrap();
            }
        });
        let mut lines = io::BufReader::new(host.try_clone().unwrap()).lines();
        for id in [5, 5, 6] {
            let verb =
                if id == 5 { Verb::Diagnose { serial_log: String::new() } } else { Verb::Notice { text: "hi".into() } };
            host.write_all(&frames::line(&Frame::Request { id, verb })).unwrap();
            let mut answers = Answers::to(id);
            let answer = lines.by_ref().find_map(|line| {
                let line = line.unwrap();
                assert!(line.len() < types::rescue::MAX_FRAME);
                answers.push(&serde_json::from_str(&line).unwrap()).unwrap()
            });
            let text: String = serde_json::from_str(&answer.unwrap().unwrap()).unwrap();
            assert_eq!(text.len(), if id == 5 { 100_000 } else { 2 });
        }
        stop.send(()).unwrap();
        served.join().unwrap();
    }

    #[test]
    fn a_frame_over_the_limit_ends_the_connection() {
        let (mut port, mut host) = pair();
        step(&mut port).unwrap();
        let sender = std::thread::spawn(move || {
            let _ = host.write_all(&vec![b'x'; types::rescue::MAX_FRAME + 1]);
            host
        });
        let error = loop {
            match step(&mut port) {
                Ok(step) => assert_eq!(step, Step::Nothing),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(port);
        sender.join().unwrap();
    }

    #[test]
    fn a_host_that_went_away_is_noticed_and_nothing_is_announced() {
        let (mut port, host) = pair();
        drop(host);
        assert_eq!(step(&mut port).unwrap(), Step::Nothing);
        assert!(!port.port.host_is_there);
    }

    #[test]
    fn a_port_is_found_by_its_name() {
        let sys = tempfile::tempdir().unwrap();
        for (entry, name) in [("vport0p1", "org.qemu.guest_agent.0\n"), ("vport2p1", "org.lifeboat.rescue.0\n")] {
            let folder = sys.path().join("class/virtio-ports").join(entry);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("name"), name).unwrap();
        }
        assert_eq!(find(sys.path(), Path::new("/dev")), Some("/dev/vport2p1".into()));
        assert_eq!(find(Path::new("/none"), Path::new("/dev")), None);
    }
}
