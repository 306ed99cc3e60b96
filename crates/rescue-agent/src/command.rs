//! Runs small programs of the rescue system, with a limit: a probe of a dying disk may never come back.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

/// The most that is read from a program's standard output.
const MAX_OUTPUT: usize = 1024 * 1024;

/// What the program printed on its standard output, as far as it came before the limit, and whether it ended well and in time.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub success: bool,
}

/// Runs `program` and waits at most `limit`; then it is killed, and what it had printed is still returned.
///
/// # Errors
/// When the program can't be started, or its output can't be read.
pub fn run(program: &str, args: &[&str], limit: Duration) -> io::Result<Output> {
    let mut child =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let deadline = Instant::now() + limit;
    let mut bytes = Vec::new();
    let complete = match child.stdout.take() {
        Some(pipe) => read_until(File::from(std::os::fd::OwnedFd::from(pipe)), &mut bytes, deadline)?,
        None => true,
    };
    let success = complete && wait_until(&mut child, deadline)?;
    if !success {
        // Ended already, or stuck in the kernel: in the second case it is left behind, init reaps it one day.
        let _ = child.kill();
    }
    Ok(Output { stdout: String::from_utf8_lossy(&bytes).into_owned(), success })
}

fn read_until(mut pipe: File, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    while bytes.len() < MAX_OUTPUT {
        if !readable_before(&pipe, deadline)? {
            return Ok(false);
        }
        match pipe.read(&mut chunk)? {
            0 => return Ok(true),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
    Ok(false)
}

fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        // Its output is closed, so it is about to end.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether something can be read (or the other end is closed) before the deadline.
///
/// # Errors
/// When the descriptor can't be waited for.
pub fn readable_before(fd: impl AsFd, deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&timespec(left)))? > 0)
}

/// A duration in the kernel's form.
pub fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_was_printed() {
        let output = run("sh", &["-c", "echo one; echo two"], Duration::from_secs(10)).unwrap();
        assert_eq!(output, Output { stdout: "one\ntwo\n".into(), success: true });
        assert!(!run("sh", &["-c", "exit 3"], Duration::from_secs(10)).unwrap().success);
        assert!(run("/no/such/program", &[], Duration::from_secs(1)).is_err());
    }

    #[test]
    fn a_program_that_hangs_is_cut_off_and_its_output_kept() {
        let start = Instant::now();
        let output = run("sh", &["-c", "echo half; exec sleep 100"], Duration::from_millis(200)).unwrap();
        assert_eq!(output, Output { stdout: "half\n".into(), success: false });
        assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    }
}
