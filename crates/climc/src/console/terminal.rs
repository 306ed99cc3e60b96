//! At a terminal: raw mode, every key goes to the server, every byte of the server to the terminal. Ctrl-] leaves, as in telnet and virsh.

use std::io::Write;
use std::time::Duration;

use client::{Client, Console};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{self, Exit};
use crate::text;

/// Ctrl-]
const ESCAPE: u8 = 0x1d;

/// Raw mode, for as long as it lives.
struct Raw(Termios);

impl Raw {
    fn new() -> std::io::Result<Self> {
        let terminal = std::io::stdin();
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Drain, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The server may have left colours, a hidden cursor, the other screen, mouse or paste reports.
        let _ =
            std::io::stdout().write_all(b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?2004l\r\n");
        let _ = std::io::stdout().flush();
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// What ended it.
enum Left {
    Key,
    Server,
    Time,
    Signal,
}

pub async fn run(client: &Client, id: &str, timeout: Option<u32>) -> Result<(), Exit> {
    let mut console = client.console(id).await?;
    eprintln!("Connected to {}; Ctrl-] leaves.", text::line(id));
    let left = {
        let _raw = Raw::new()?;
        relay(&mut console, timeout).await
    };
    let why = match left? {
        Left::Key => "Left",
        Left::Server => "Closed by the service",
        Left::Time => {
            eprintln!("Time is over; the server goes on.");
            return Err(Exit::silent(exit::TIMED_OUT));
        }
        Left::Signal => "Ended by a signal",
    };
    console.close().await;
    eprintln!("{why}; the server goes on.");
    Ok(())
}

async fn relay(console: &mut Console, timeout: Option<u32>) -> Result<Left, Exit> {
    let mut keys = super::stdin();
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let over = async {
        match timeout {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut out = std::io::stdout();
    loop {
        tokio::select! {
            printed = console.receive() => match printed? {
                Some(bytes) => {
                    out.write_all(&bytes)?;
                    out.flush()?;
                }
                None => return Ok(Left::Server),
            },
            typed = keys.recv() => {
                let Some(typed) = typed else { return Ok(Left::Key) };
                let escape = typed.iter().position(|byte| *byte == ESCAPE);
                let before = &typed[..escape.unwrap_or(typed.len())];
                if !before.is_empty() {
                    console.send(before.to_vec()).await?;
                }
                if escape.is_some() {
                    return Ok(Left::Key);
                }
            }
            () = &mut over => return Ok(Left::Time),
            _ = terminate.recv() => return Ok(Left::Signal),
            _ = hang_up.recv() => return Ok(Left::Signal),
        }
    }
}
