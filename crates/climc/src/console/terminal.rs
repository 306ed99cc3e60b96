//! At a terminal: raw mode, every key goes to the server, every byte of the server to the terminal. Ctrl-] leaves, as in telnet and virsh;
//! Ctrl-^ types the terminal's size, which a serial line can't carry otherwise.

use std::io::Write;
use std::time::Duration;

use client::{Client, Console};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use super::{Args, Escape};
use crate::exit::{self, Exit};
use crate::lang::say;
use crate::text;

/// Ctrl-^
const SIZE: u8 = 0x1e;

/// What a server may have left: colours, a hidden cursor, the other screen, mouse or paste reports.
pub const AS_BEFORE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?2004l\r\n";

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
        let _ = std::io::stdout().write_all(AS_BEFORE);
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

pub async fn run(client: &Client, args: &Args) -> Result<(), Exit> {
    let mut console = client.console(&args.id).await?;
    let server = text::line(&args.id);
    eprintln!(
        "{}",
        say!(
            "Connected to {server}; {key} leaves, Ctrl-^ tells the server this terminal's size.",
            server = server,
            key = args.escape
        )
    );
    let left = {
        let _raw = Raw::new()?;
        relay(&mut console, args).await
    };
    let why = match left? {
        Left::Key => say!("Left; the server goes on."),
        Left::Server => say!("Closed by the service; the server goes on."),
        Left::Time => {
            eprintln!("{}", say!("Time is over; the server goes on."));
            return Err(Exit::silent(exit::TIMED_OUT));
        }
        Left::Signal => say!("Ended by a signal; the server goes on."),
    };
    console.close().await;
    eprintln!("{why}");
    Ok(())
}

/// What typed keys mean.
#[derive(Debug, PartialEq, Eq)]
enum Keys {
    Send(Vec<u8>),
    Size,
    Leave,
}

/// Keys in their order, up to the one that leaves.
fn keys(typed: &[u8], escape: Escape) -> Vec<Keys> {
    let mut meant = Vec::new();
    for byte in typed {
        match (meant.last_mut(), *byte) {
            (_, byte) if Some(byte) == escape.0 => {
                meant.push(Keys::Leave);
                return meant;
            }
            (_, SIZE) => meant.push(Keys::Size),
            (Some(Keys::Send(bytes)), byte) => bytes.push(byte),
            (_, byte) => meant.push(Keys::Send(vec![byte])),
        }
    }
    meant
}

/// What a shell is to be told of the terminal's size. The line is emptied first: half a command must not become part of it.
fn size() -> Option<Vec<u8>> {
    let size = tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0)?;
    Some(format!("\x15stty rows {} cols {}\r", size.ws_row, size.ws_col).into_bytes())
}

async fn relay(console: &mut Console, args: &Args) -> Result<Left, Exit> {
    let mut typing = super::stdin();
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut resized = signal(SignalKind::window_change())?;
    let mut hinted = args.resize;
    let over = async {
        match args.timeout {
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
            typed = typing.recv() => {
                let Some(typed) = typed else { return Ok(Left::Key) };
                for key in keys(&typed, args.escape) {
                    match key {
                        Keys::Send(bytes) => console.send(bytes).await?,
                        Keys::Size => if let Some(command) = size() { console.send(command).await? },
                        Keys::Leave => return Ok(Left::Key),
                    }
                }
            }
            _ = resized.recv() => {
                if args.resize {
                    if let Some(command) = size() {
                        console.send(command).await?;
                    }
                } else if !std::mem::replace(&mut hinted, true) {
                    write!(out, "\r\n[{}]\r\n", say!("the server does not see the new size: at a shell's prompt, Ctrl-^ tells it"))?;
                    out.flush()?;
                }
            }
            () = &mut over => return Ok(Left::Time),
            _ = terminate.recv() => return Ok(Left::Signal),
            _ = hang_up.recv() => return Ok(Left::Signal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_in_their_order() {
        let escape = Escape(Some(0x1d));
        let send = |text: &str| Keys::Send(text.as_bytes().to_vec());
        assert_eq!(keys(b"ls\r", escape), [send("ls\r")]);
        assert_eq!(keys(b"a\x1eb\x1dc", escape), [send("a"), Keys::Size, send("b"), Keys::Leave]);
        assert_eq!(keys(b"\x1d", Escape(None)), [send("\x1d")]);
    }
}
