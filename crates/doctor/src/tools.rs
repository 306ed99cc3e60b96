//! Programs of the rescue system, run with a limit. Which there are depends on the image: what is absent is told, not missed.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The most that is kept of what a program prints.
const MAX_OUTPUT: usize = 2 * 1024 * 1024;
/// Where programs are; the rescue system's own, never the machine's.
const PLACES: [&str; 4] = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];

/// Why something was not done where a deadline had passed.
pub const NO_TIME: &str = "no time was left";

/// Until when work may go on, if there is an end to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Some(Instant::now() + time))
    }

    /// As much of a limit as is left until then.
    #[must_use]
    pub fn within(self, limit: Duration) -> Duration {
        self.0.map_or(limit, |end| end.saturating_duration_since(Instant::now()).min(limit))
    }

    #[must_use]
    pub fn is_over(self) -> bool {
        self.within(Duration::MAX).is_zero()
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; None if it was killed, or had to be at the limit.
    pub code: Option<i32>,
    /// Standard output and error, as they came.
    pub text: String,
    pub too_slow: bool,
}

impl Ended {
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// The last lines, for people.
    #[must_use]
    pub fn tail(&self, lines: usize) -> Vec<String> {
        let all: Vec<&str> = self.text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        all.iter().skip(all.len().saturating_sub(lines)).map(|line| clean(line)).collect()
    }
}

/// A line without control characters, of bounded length: it ends up on terminals and in answers.
#[must_use]
pub fn clean(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// The text without the passwords that lines of configuration may hold: `password=x` among options (fstab), and GRUB's `password ...`.
#[must_use]
pub fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

fn masked_line(line: &str) -> String {
    let word = line.trim_start_matches(['+', '-', ' ', '\t', '#']);
    if word.starts_with("password") && !word.starts_with("password=") {
        let indent = &line[..line.len() - word.len()];
        let first = word.split_ascii_whitespace().next().unwrap_or_default();
        return format!("{indent}{first} ...{}", if line.ends_with('\n') { "\n" } else { "" });
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = ["password=", "passwd=", "pass="]
        .iter()
        .filter_map(|key| rest.find(key).map(|at| at + key.len()))
        .min()
        .map(|at| rest.split_at(at))
    {
        let end = after.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(after.len());
        out = out + before + "...";
        rest = &after[end..];
    }
    out + rest
}

/// The path of a program, if this image has it.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists())
}

/// Runs a program to its end, `limit` at most; then it is killed. Its output is kept as far as it came.
///
/// # Errors
/// When it is not in this image, can't be started, or the limit leaves it no time; the text says so.
pub fn run(name: &str, args: &[&str], limit: Duration) -> Result<Ended, String> {
    let program = find(name).ok_or_else(|| format!("this rescue image has no {name}"))?;
    if limit.is_zero() {
        return Err(NO_TIME.into());
    }
    run_command(Command::new(program).args(args), limit).map_err(|error| format!("{name} can't be run: {error}"))
}

/// The same for a command that is already put together. Its input is empty; its outputs come together.
///
/// # Errors
/// When it can't be started.
pub fn run_command(command: &mut Command, limit: Duration) -> std::io::Result<Ended> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let deadline = Instant::now() + limit;
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::from(write.try_clone()?))
        .stderr(Stdio::from(write))
        .spawn()?;
    // The command holds the pipe's other end too, and would keep it open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut bytes = Vec::new();
    let complete = read_until(read, &mut bytes, deadline);
    let code = if complete { wait(&mut child, deadline) } else { None };
    if code.is_none() {
        let _ = child.kill();
        let _ = child.try_wait();
    }
    let too_slow = code.is_none() && Instant::now() >= deadline;
    Ok(Ended { code: code.flatten(), text: String::from_utf8_lossy(&bytes).into_owned(), too_slow })
}

/// What exceeds the limit of the output is read and dropped, so that the program comes to its end.
fn read_until(pipe: OwnedFd, bytes: &mut Vec<u8>, deadline: Instant) -> bool {
    let mut pipe = Limited::new(std::fs::File::from(pipe), u64::MAX, deadline);
    let mut chunk = [0; 8192];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return true,
            Ok(count) => {
                let room = MAX_OUTPUT.saturating_sub(bytes.len());
                bytes.extend_from_slice(&chunk[..count.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Reads so many bytes and so long at most. What goes beyond is an error: `FileTooLarge`, `TimedOut`.
#[derive(Debug)]
pub struct Limited<R> {
    from: R,
    left: u64,
    deadline: Instant,
}

impl<R> Limited<R> {
    pub fn new(from: R, most: u64, deadline: Instant) -> Self {
        Self { from, left: most, deadline }
    }

    pub fn into_inner(self) -> R {
        self.from
    }
}

impl<R: Read + AsFd> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        // The clock counts also for what always has more to read.
        if left.is_zero() || poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&wait))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = self.from.read(buffer)?;
        let left = self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

fn wait(child: &mut Child, deadline: Instant) -> Option<Option<i32>> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.code());
        }
        if Instant::now() >= deadline {
            return None;
        }
        // Its output is closed, so it is about to end.
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn both_outputs_and_the_code_come_back() {
        let ended = run("sh", &["-c", "echo out; echo err >&2; exit 3"], LONG).unwrap();
        assert_eq!((ended.code, ended.text.as_str(), ended.too_slow), (Some(3), "out\nerr\n", false));
        assert_eq!(ended.tail(1), ["err"]);
    }

    #[test]
    fn what_is_absent_is_named_and_what_hangs_is_cut_off() {
        assert_eq!(run("no-such-tool", &[], LONG).unwrap_err(), "this rescue image has no no-such-tool");
        let ended = run("sh", &["-c", "echo half; exec sleep 100"], Duration::from_millis(200)).unwrap();
        assert_eq!((ended.code, ended.text.as_str(), ended.too_slow), (None, "half\n", true));
        let ended = run("sh", &["-c", "exec yes"], Duration::from_millis(200)).unwrap();
        assert_eq!((ended.code, ended.too_slow), (None, true));
    }

    #[test]
    fn a_limit_ends_with_the_deadline_and_without_time_nothing_is_run() {
        assert_eq!(Deadline::default().within(LONG), LONG);
        assert!(Deadline::after(LONG).within(Duration::MAX) <= LONG && !Deadline::after(LONG).is_over());
        let over = Deadline::after(Duration::ZERO);
        assert!(over.is_over());
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ran");
        assert_eq!(run("touch", &[mark.to_str().unwrap()], over.within(LONG)).unwrap_err(), NO_TIME);
        assert!(!mark.exists());
    }

    #[test]
    fn passwords_in_configuration_are_not_shown() {
        let text =
            "//s/x /n cifs user=me,password=hunter2,ro 0 0\n+password_pbkdf2 root grub.hunter2\n/dev/vda1 / ext4 x 0 1";
        let shown = masked(text);
        assert_eq!(shown, "//s/x /n cifs user=me,password=...,ro 0 0\n+password_pbkdf2 ...\n/dev/vda1 / ext4 x 0 1");
    }

    #[test]
    fn endless_output_does_not_fill_memory() {
        let ended = run("sh", &["-c", "yes | head -c 4000000"], LONG).unwrap();
        assert!(ended.success() && ended.text.len() == MAX_OUTPUT);
    }
}
