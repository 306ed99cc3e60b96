//! `server-console`: at a terminal, raw and both ways ([`terminal`]); else for scripts ([`script`]), through [`filter`].

pub mod filter;
mod script;
pub mod terminal;

use std::io::IsTerminal;

use client::Client;

use crate::exit::Exit;
use crate::lang::say;

pub const HELP: &str = "\
At a terminal, all keys go to the server but two: Ctrl-] leaves, and nothing of the server ends by that; Ctrl-^ (Ctrl-6) tells the server how
large this terminal is. A serial line has no way to say it: what is typed is the command stty rows R cols C, so press it at a shell's prompt.
With --resize it is typed whenever the terminal has changed its size. --escape chooses another key for leaving. A console begins with what it
showed last.

When stdin is no terminal, or with --until or --after, it is for scripts: stdin is sent, what the server prints comes on stdout without
escape sequences, until the other end closes, --until is seen (exit code 0), or --timeout passes (exit code 3). Without --until it ends
when stdin has ended and the server has been silent for --idle seconds. A console begins with what it showed last: with something on
stdin, only what comes after it counts for --until. It also shows what was typed: choose a text that is not in what you send.

Examples:
  climc server-console web1
  climc server-console web1 --until 'login:' --timeout 60 < /dev/null
  echo 'mount /dev/vda1 /mnt && echo MOUNT\"\"ED' | climc server-console web1 --after '# ' --until MOUNTED --timeout 30";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id or name
    pub id: String,
    /// The key that leaves, as ^X; none: only the end of the connection does
    #[arg(long, value_name = "KEY", default_value = "^]", value_parser = escape)]
    pub escape: Escape,
    /// Type the terminal's new size, as a stty command, whenever it has changed
    #[arg(long)]
    pub resize: bool,
    /// End with exit code 0 once the server has printed this text
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub until: Option<String>,
    /// Send nothing of stdin before the server has printed this text
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub after: Option<String>,
    /// End with exit code 3 after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,
    /// After the end of stdin, wait for so many seconds of silence
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub idle: u32,
}

/// The key that leaves; `None`: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escape(pub Option<u8>);

impl std::fmt::Display for Escape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(byte) => write!(f, "Ctrl-{}", char::from(byte | 0x40)),
            None => f.write_str("-"),
        }
    }
}

/// `^]`, `^a`, `none`: a control character, by the key that it is typed with.
fn escape(text: &str) -> Result<Escape, String> {
    let wrong = || say!("one like ^] or ^A is wanted, or none");
    if text == "none" {
        return Ok(Escape(None));
    }
    let key = text.strip_prefix('^').filter(|key| key.len() == 1).ok_or_else(wrong)?;
    let byte = key.as_bytes()[0].to_ascii_uppercase();
    // Ctrl-^ has another meaning here; Ctrl-M is Enter, Ctrl-[ begins every arrow key.
    match byte {
        b'^' | b'M' | b'[' | b'J' | b'I' => Err(say!("this key is needed for something else")),
        b'@'..=b'_' => Ok(Escape(Some(byte & 0x1f))),
        _ => Err(wrong()),
    }
}

pub async fn run(client: &Client, args: &Args) -> Result<(), Exit> {
    let scripted = args.until.is_some() || args.after.is_some();
    if !scripted && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return terminal::run(client, args).await;
    }
    script::run(client, args).await
}

/// Reads stdin in a thread, because a read of a terminal can't be called back; the thread ends with the program. A closed channel is the
/// end of stdin.
fn stdin() -> tokio::sync::mpsc::Receiver<Vec<u8>> {
    let (send, receive) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match std::io::Read::read(&mut std::io::stdin().lock(), &mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    if send.blocking_send(buffer[..n].to_vec()).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_leave() {
        for (text, byte) in [("^]", Some(0x1d)), ("^a", Some(1)), ("^_", Some(0x1f)), ("none", None)] {
            assert_eq!(escape(text), Ok(Escape(byte)), "{text}");
        }
        for bad in ["", "x", "^", "^[", "^M", "^^", "^ä", "Ctrl-A"] {
            assert!(escape(bad).is_err(), "{bad}");
        }
        assert_eq!(Escape(Some(0x1d)).to_string(), "Ctrl-]");
    }
}
