//! Exit codes, and how a failure is told.

use client::Error;

use crate::told;

pub const OK: i32 = 0;
/// The request, one of several, or its task failed.
pub const FAILED: i32 = 1;
/// The command line can't be understood.
pub const USAGE: i32 = 2;
/// `--timeout` passed while waiting. The task goes on.
pub const TIMED_OUT: i32 = 3;
/// No connection, or not logged in.
pub const ACCESS: i32 = 4;
/// Ctrl-C while waiting. The task goes on. (128 + SIGINT, as shells have it.)
pub const INTERRUPTED: i32 = 130;

/// For the help.
pub const TABLE: &str = "\
Exit codes:
  0    done
  1    it failed; with several ids: at least one of them
  2    the command line can't be understood
  3    --timeout passed while waiting (the task goes on)
  4    cannot connect, or not logged in
  130  Ctrl-C while waiting (the task goes on)";

/// Why the program ends before it is done.
#[derive(Debug)]
pub struct Exit {
    pub code: i32,
    /// Empty where all has been said.
    pub message: String,
    pub next: Option<String>,
}

impl Exit {
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into(), next: None }
    }
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into(), next: None }
    }
    /// All has been said already.
    pub fn silent(code: i32) -> Self {
        Self { code, message: String::new(), next: None }
    }

    /// To stderr.
    pub fn tell(&self) {
        if !self.message.is_empty() {
            eprintln!("climc: {}", crate::text::plain(&self.message));
        }
        if let Some(next) = &self.next {
            eprintln!("{}{}", crate::lang::text("Next: "), crate::text::plain(next));
        }
    }
}

/// The exit code that a failed request alone would give.
pub fn code_of(error: &Error) -> i32 {
    match error {
        Error::Input(_) => USAGE,
        error if error.is_access() => ACCESS,
        _ => FAILED,
    }
}

impl From<Error> for Exit {
    fn from(error: Error) -> Self {
        Self { code: code_of(&error), next: told::next_step(&error), message: told::error(&error) }
    }
}

/// A reader that went away (`climc ... | head`) is no failure of ours.
impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(OK);
        }
        Self::failed(crate::lang::say!("cannot write the output: {error}", error = error))
    }
}
