//! Keeps DHCP, SSH and the consoles running: what ends is started again.
//!
//! They are not lines in init's table, because busybox init looks at a change there only after a second, and readiness waits for
//! SSH. They outlive this program: each one's pid and start time are on file, and an agent that init had to start anew takes over
//! what still runs instead of starting it twice.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Before a service that ended is started again, and between two looks at one that was taken over.
const PAUSE: Duration = Duration::from_secs(1);

/// A program to keep running, and the name of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub command: Vec<String>,
}

impl Service {
    /// `command`: program and arguments, separated by spaces.
    pub fn new(name: &str, command: &str) -> Self {
        Self { name: name.into(), command: command.split_ascii_whitespace().map(String::from).collect() }
    }
}

/// A service that is kept running, and the way to change it.
pub struct Kept {
    /// None: it is to end. Held while one is being started, so that a change finds it on file.
    wanted: Arc<Mutex<Option<Service>>>,
    file: PathBuf,
}

impl Kept {
    /// From now on this one, or none. What runs is ended; what it has started, like logins, goes on.
    pub fn change(&self, service: Option<Service>) {
        let Ok(mut wanted) = self.wanted.lock() else { return };
        *wanted = service;
        let mark = std::fs::read_to_string(&self.file).unwrap_or_default();
        let pid = mark.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| is_running(&mark)) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Starts the service, or takes over the one that runs, and keeps it running. What it prints is dropped: the console belongs to
/// people and to the host.
pub fn keep(folder: &Path, service: Service) -> Kept {
    let file = folder.join(&service.name);
    let mut running = std::fs::read_to_string(&file).ok().filter(|mark| is_running(mark));
    let kept = Kept { wanted: Arc::new(Mutex::new(Some(service))), file: file.clone() };
    let wanted = Arc::clone(&kept.wanted);
    std::thread::spawn(move || {
        loop {
            match running.take() {
                Some(mark) => {
                    while is_running(&mark) {
                        std::thread::sleep(PAUSE);
                    }
                }
                None => {
                    if !run(&wanted, &file) {
                        return;
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
    });
    kept
}

/// Starts what is wanted and waits for its end; false if nothing is wanted any more.
fn run(wanted: &Mutex<Option<Service>>, file: &PathBuf) -> bool {
    let Ok(held) = wanted.lock() else { return false };
    let Some(service) = held.as_ref() else { return false };
    match start(service) {
        Ok(mut child) => {
            let mark = mark(child.id()).unwrap_or_default();
            if let Err(error) = std::fs::write(file, mark) {
                eprintln!("lifeboat: {} can't be written: {error}", file.display());
            }
            drop(held);
            let _ = child.wait();
        }
        Err(error) => eprintln!("lifeboat: {} can't be started: {error}", service.name),
    }
    true
}

fn start(service: &Service) -> std::io::Result<Child> {
    let [program, args @ ..] = service.command.as_slice() else { return Err(std::io::ErrorKind::InvalidInput.into()) };
    Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// `<pid> <start time>`: a pid alone may belong to another program by now. proc(5), stat: the name, which may hold anything, ends
/// at the last parenthesis; the start time is the 22nd field, the 20th after the name.
fn mark(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    // A zombie has ended.
    (state != "Z").then(|| fields.nth(18).map(|start| format!("{pid} {start}")))?
}

fn is_running(known: &str) -> bool {
    let pid = known.split(' ').next().and_then(|pid| pid.parse().ok());
    pid.and_then(mark).is_some_and(|now| now == known)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wait_for<T>(condition: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(value) = condition() {
                return value;
            }
            assert!(Instant::now() < deadline, "not within 20 s");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    fn running(file: &Path) -> Option<String> {
        std::fs::read_to_string(file).ok().filter(|mark| is_running(mark))
    }
    fn end(mark: &str) {
        let pid = mark.split(' ').next().unwrap().parse().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
            .unwrap();
    }

    #[test]
    fn what_ends_is_started_again_and_what_runs_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sleep");
        let service = Service::new("sleep", "sleep 1000");
        let _kept = keep(folder.path(), service.clone());
        let first = wait_for(|| running(&file));
        // As an agent that was started anew: nothing is started beside the first.
        let _kept = keep(folder.path(), service);
        assert_eq!(running(&file), Some(first.clone()));
        end(&first);
        let second = wait_for(|| running(&file).filter(|mark| *mark != first));
        end(&second);
    }

    #[test]
    fn a_change_ends_what_runs_and_none_is_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sleep");
        let kept = keep(folder.path(), Service::new("sleep", "sleep 1000"));
        let first = wait_for(|| running(&file));
        kept.change(Some(Service::new("sleep", "sleep 2000")));
        let second = wait_for(|| running(&file).filter(|mark| *mark != first));
        let pid = second.split(' ').next().unwrap();
        assert_eq!(std::fs::read(format!("/proc/{pid}/cmdline")).unwrap(), b"sleep\x002000\0");
        kept.change(None);
        wait_for(|| running(&file).is_none().then_some(()));
        // The keeper itself has ended: it held the other handle.
        wait_for(|| (Arc::strong_count(&kept.wanted) == 1).then_some(()));
    }

    #[test]
    fn a_pid_of_another_program_is_not_taken_for_the_service() {
        let me = mark(std::process::id()).unwrap();
        assert!(is_running(&me));
        assert!(!is_running(&format!("{me}9")));
        assert!(!is_running("") && !is_running("x y"));
    }
}
