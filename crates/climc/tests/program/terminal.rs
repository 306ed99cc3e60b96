//! A real terminal (a pseudo-terminal of the kernel), and a person before it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::process::Command;
use tokio::sync::mpsc;

/// The side of a pseudo-terminal where a person sits.
pub struct Person {
    terminal: File,
    shown: mpsc::UnboundedReceiver<String>,
}

impl Person {
    /// Waits for a text; answers all that was shown since the last call.
    pub async fn sees(&mut self, text: &str) -> String {
        let mut seen = String::new();
        let look = async {
            while !seen.contains(text) {
                seen.push_str(&self.shown.recv().await.expect("the terminal is gone"));
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), look).await.is_ok();
        assert!(in_time, "no {text:?} in {seen:?}");
        seen
    }

    pub fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }
}

/// A terminal of 80 columns and 24 lines: the person before it, and the end for a program.
pub fn terminal() -> (Person, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let theirs = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&theirs, size).unwrap();
    let terminal = File::from(ours);
    let mut reader = terminal.try_clone().unwrap();
    let (send, shown) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(n) = reader.read(&mut buffer) {
            if send.send(String::from_utf8_lossy(&buffer[..n]).into_owned()).is_err() {
                return;
            }
        }
    });
    (Person { terminal, shown }, theirs)
}

/// The program with all of its ends at the terminal.
pub fn at(terminal: &OwnedFd, mut command: Command) -> Command {
    let end = || Stdio::from(terminal.try_clone().unwrap());
    command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
    command
}
