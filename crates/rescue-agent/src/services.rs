//! Keeps DHCP, SSH and the consoles running: what ends is started again.
//!
//! They are not lines in init's table, because busybox init looks at a change there only after a second, and readiness waits for
//! SSH. They outlive this program: each one's pid and start time are on file, and an agent that init had to start anew takes over
//! what still runs instead of starting it twice.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

/// Starts the service, or takes over the one that runs, and keeps it running. What it prints is dropped: the console belongs to
/// people and to the host.
pub fn keep(folder: &Path, service: Service) {
    let file = folder.join(&service.name);
    let mut running = std::fs::read_to_string(&file).ok().filter(|mark| is_running(mark));
    std::thread::spawn(move || {
        loop {
            match running.take() {
                Some(mark) => {
                    while is_running(&mark) {
                        std::thread::sleep(PAUSE);
                    }
                }
                None => run(&service, &file),
            }
            std::thread::sleep(PAUSE);
        }
    });
}

fn run(service: &Service, file: &PathBuf) {
    match start(service) {
        Ok(mut child) => {
            let mark = mark(child.id()).unwrap_or_default();
            if let Err(error) = std::fs::write(file, mark) {
                eprintln!("lifeboat: {} can't be written: {error}", file.display());
            }
            let _ = child.wait();
        }
        Err(error) => eprintln!("lifeboat: {} can't be started: {error}", service.name),
    }
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
        keep(folder.path(), service.clone());
        let first = wait_for(|| running(&file));
        // As an agent that was started anew: nothing is started beside the first.
        keep(folder.path(), service);
        assert_eq!(running(&file), Some(first.clone()));
        end(&first);
        let second = wait_for(|| running(&file).filter(|mark| *mark != first));
        end(&second);
    }

    #[test]
    fn a_pid_of_another_program_is_not_taken_for_the_service() {
        let me = mark(std::process::id()).unwrap();
        assert!(is_running(&me));
        assert!(!is_running(&format!("{me}9")));
        assert!(!is_running("") && !is_running("x y"));
    }
}
