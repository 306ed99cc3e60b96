//! Which of the machine's processes is a guest's QEMU, beyond doubt.
//!
//! A pid file alone proves nothing: after a crash another process may have the number. So a process is known by its own arguments
//! (the guest's id and the guest's pid file), is held by a pidfd from then on, and is compared with its start time once more after
//! the pidfd was opened: a number that changed hands in between is noticed. Source: proc(5), pidfd_open(2).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use types::id::{GuestId, SessionId};
use types::rescue::CMDLINE_SESSION;

/// From the start of a QEMU to its pid file, on a busy machine.
const BECOMING: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Seconds; one that is older has written its pid file long ago, if it ever will.
const YOUNG: f64 = 30.0;
/// In a second, as /proc counts: USER_HZ, the same on all that QEMU's KVM runs on.
const TICKS: f64 = 100.0;

/// A process that is held: it may end, but its number can't be mistaken any more.
#[derive(Debug)]
pub struct Process {
    pub pid: i32,
    /// Clock ticks between the start of the machine and that of the process.
    pub started: u64,
    pub arguments: Vec<String>,
    fd: AsyncFd<OwnedFd>,
}

impl Process {
    /// The session whose rescue system it was started with.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        let words = self.arguments.iter().flat_map(|argument| argument.split_ascii_whitespace());
        words.filter_map(|word| word.strip_prefix(CMDLINE_SESSION)).find_map(|id| id.parse().ok())
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        // A pidfd is readable once the process has ended, also before its parent has waited for it.
        let fd = self.fd.get_ref().as_fd();
        let zero = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&zero)).is_ok_and(|ready| ready == 0)
    }

    /// Until it has ended.
    pub async fn ended(&self) {
        while self.is_alive() {
            match self.fd.readable().await {
                Ok(mut guard) => {
                    if self.is_alive() {
                        guard.clear_ready();
                    }
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// SIGKILL. No error if it has ended already.
    ///
    /// # Errors
    /// The kernel refused, for example because the process belongs to another user.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(self.fd.get_ref(), Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The guest's QEMU, if one runs. While one is starting there are up to three (`-daemonize` forks twice), and only the last one stays: it is
/// the one that has written the pid file, which is waited for: a matter of milliseconds, that blocks. The file may be lost, or name another
/// process; then all processes are looked through.
///
/// # Errors
/// `/proc` can't be read.
pub fn find(guest: GuestId, pid_file: &Path) -> io::Result<Option<Process>> {
    let deadline = Instant::now() + BECOMING;
    loop {
        let named = std::fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok());
        if let Some(process) = named.and_then(|pid| open(pid, guest, pid_file)) {
            return Ok(Some(process));
        }
        let found = look(guest, pid_file)?;
        if !found.iter().any(is_young) || Instant::now() >= deadline {
            return Ok(youngest(found));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Of those that run, where the pid file names none: the last one of the line.
fn youngest(found: Vec<Process>) -> Option<Process> {
    let parents: Vec<_> = found.iter().filter_map(|process| parent(process.pid)).collect();
    let last = |process: &Process| !parents.contains(&process.pid) && process.is_alive();
    found.into_iter().filter(last).max_by_key(|process| (process.started, process.pid))
}

fn look(guest: GuestId, pid_file: &Path) -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        found.extend(open(pid, guest, pid_file));
    }
    Ok(found)
}

/// Whether it was started a moment ago.
fn is_young(process: &Process) -> bool {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::MAX);
    uptime - process.started as f64 / TICKS < YOUNG
}

/// The process of this number, if it is this guest's QEMU.
fn open(pid: i32, guest: GuestId, pid_file: &Path) -> Option<Process> {
    if !is_ours(&arguments(pid)?, guest, pid_file) {
        return None;
    }
    let started = start_time(pid)?;
    let fd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::NONBLOCK).ok()?;
    // Read again, now that the number can't change hands unnoticed.
    let arguments = arguments(pid).filter(|arguments| is_ours(arguments, guest, pid_file))?;
    if start_time(pid)? != started {
        return None;
    }
    // The safe form. What it is deprecated for is a descriptor that somebody else closes; an `OwnedFd` is closed by its owner.
    #[allow(deprecated, reason = "its successor is unsafe")]
    let fd = AsyncFd::new(fd).ok()?;
    Some(Process { pid, started, arguments, fd })
}

fn is_ours(arguments: &[String], guest: GuestId, pid_file: &Path) -> bool {
    let has = |name: &str, value: &str| arguments.windows(2).any(|pair| pair[0] == name && pair[1] == value);
    has("-uuid", &guest.to_string()) && has("-pidfile", &pid_file.to_string_lossy())
}

fn arguments(pid: i32) -> Option<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // Empty for kernel threads and for processes that have ended.
    let text = String::from_utf8_lossy(bytes.strip_suffix(&[0])?).into_owned();
    Some(text.split('\0').map(str::to_owned).collect())
}

/// Field of `/proc/PID/stat`, numbered as in proc(5); the second may hold anything, so what follows its last bracket is counted.
fn stat(pid: i32, field: usize) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(field - 3)?.parse().ok()
}

fn start_time(pid: i32) -> Option<u64> {
    stat(pid, 22)
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid, 4).and_then(|pid| i32::try_from(pid).ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// A process with the arguments of a QEMU.
    pub(crate) fn pretend(guest: GuestId, pid_file: &str, more: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "read x", "qemu", "-uuid", &guest.to_string(), "-pidfile", pid_file, "-append", more]);
        let child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        // For a moment it runs without arguments.
        let pid = i32::try_from(child.id()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while arguments(pid).is_none_or(|arguments| !is_ours(&arguments, guest, Path::new(pid_file))) {
            assert!(std::time::Instant::now() < deadline, "it has no arguments");
            std::thread::yield_now();
        }
        child
    }

    #[tokio::test]
    async fn a_process_is_known_by_its_guest_and_its_pid_file() {
        let (guest, session) = (GuestId::generate(), SessionId::generate());
        let file = Path::new("/w/qemu.pid");
        assert!(find(guest, file).unwrap().is_none());
        let mut child = pretend(guest, "/w/qemu.pid", &format!("quiet {CMDLINE_SESSION}{session} x"));
        assert!(
            find(guest, Path::new("/elsewhere/qemu.pid")).unwrap().is_none(),
            "another agent's guest of the same id"
        );
        assert!(find(GuestId::generate(), file).unwrap().is_none());
        let process = find(guest, file).unwrap().unwrap();
        assert_eq!(process.pid, i32::try_from(child.id()).unwrap());
        assert_eq!(process.session(), Some(session));
        assert!(process.is_alive() && process.started > 0);

        process.kill().unwrap();
        tokio::time::timeout(Duration::from_secs(30), process.ended()).await.unwrap();
        assert!(!process.is_alive());
        child.wait().unwrap();
        process.kill().expect("one that is gone need not be killed");
    }

    #[tokio::test]
    async fn a_pid_file_is_a_hint_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (guest, path) = (GuestId::generate(), folder.path().join("qemu.pid"));
        let mut child = pretend(guest, path.to_str().unwrap(), "");
        let pid = i32::try_from(child.id()).unwrap();
        let own = std::process::id().to_string();
        // Right; of another process; of none; torn; lost.
        for content in [Some(pid.to_string()), Some(own), Some("2147483646\n".into()), Some("x".into()), None] {
            match &content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            assert_eq!(find(guest, &path).unwrap().map(|it| it.pid), Some(pid), "{content:?}");
        }
        std::fs::write(&path, std::process::id().to_string()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(find(guest, &path).unwrap().is_none());
    }

    #[tokio::test]
    async fn of_those_that_are_there_while_one_starts_the_one_of_the_pid_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (guest, pid_file) = (GuestId::generate(), folder.path().join("qemu.pid"));
        let mut three: Vec<_> = (0..3).map(|_| pretend(guest, pid_file.to_str().unwrap(), "")).collect();
        for at in [1, 0, 2] {
            let pid = i32::try_from(three[at].id()).unwrap();
            std::fs::write(&pid_file, format!("{pid}\n")).unwrap();
            assert_eq!(find(guest, &pid_file).unwrap().unwrap().pid, pid);
        }
        // A pid file that names another: after a while, the last that was started.
        std::fs::write(&pid_file, "1\n").unwrap();
        assert_eq!(find(guest, &pid_file).unwrap().unwrap().pid, i32::try_from(three[2].id()).unwrap());
        for child in &mut three {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(find(guest, &pid_file).unwrap().is_none());
    }
}
