//! For scripts: stdin in, harmless text out, an exit code that says whether the text that was waited for came.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use client::Client;
use tokio::time::{Instant, sleep_until};

use super::Args;
use super::filter::Filter;
use crate::exit::{self, Exit};
use crate::lang::{self, say};
use crate::text;

/// Looks for a text in what comes piece by piece.
#[derive(Debug)]
struct Seek {
    text: String,
    tail: String,
}

impl Seek {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), tail: String::new() }
    }

    /// Whether the text is complete with this piece; and what of the piece came after it.
    fn found(&mut self, piece: &str) -> Option<String> {
        self.tail.push_str(piece);
        if let Some(at) = self.tail.find(&self.text) {
            return Some(self.tail.split_off(at + self.text.len()));
        }
        let mut keep = self.tail.len().saturating_sub(self.text.len());
        while !self.tail.is_char_boundary(keep) {
            keep -= 1;
        }
        self.tail.drain(..keep);
        None
    }
}

/// Before the first key: a console begins with what it showed last, and that must not be taken for an answer.
const SETTLED: Duration = Duration::from_millis(300);
/// A console that is never silent is typed at all the same.
const UNSETTLED: Duration = Duration::from_secs(3);

pub async fn run(client: &Client, args: &Args) -> Result<(), Exit> {
    // A terminal's keys are not meant for a script.
    let mut input = (!std::io::stdin().is_terminal()).then(super::stdin);
    let began = Instant::now();
    let mut console = client.console(&args.id).await?;
    let mut after = args.after.as_deref().map(Seek::new);
    let mut until = args.until.as_deref().map(Seek::new);
    let deadline = args.timeout.map(|seconds| began + Duration::from_secs(seconds.into()));
    let idle = Duration::from_secs(args.idle.into());
    let far = began + Duration::from_secs(365 * 24 * 3600);
    // The first of stdin, until it is sent; and since when it could have been.
    let mut held: Option<Vec<u8>> = None;
    let mut ready = began;
    let mut heard = began;
    let mut filter = Filter::default();
    let mut out = Out::default();
    let mut sent = false;
    // Whether there is something to type must be known before the console's first words are weighed.
    if let Some(stdin) = &mut input {
        match tokio::time::timeout(SETTLED, stdin.recv()).await {
            Ok(None) => input = None,
            Ok(some) => held = some,
            // It comes later, if at all.
            Err(_) => {}
        }
    }
    loop {
        // Silence ends it only where nothing is waited for.
        let silence = (input.is_none() && held.is_none() && until.is_none() && after.is_none()).then(|| heard + idle);
        let settled = (held.is_some() && after.is_none()).then(|| (heard + SETTLED).min(ready + UNSETTLED));
        tokio::select! {
            printed = console.receive() => {
                let Some(bytes) = printed? else { break };
                heard = Instant::now();
                let mut piece = filter.push(&bytes);
                out.write(&piece)?;
                if let Some(seek) = &mut after {
                    let Some(later) = seek.found(&piece) else { continue };
                    (after, ready, piece) = (None, heard, later);
                }
                let found = until.as_mut().is_some_and(|seek| seek.found(&piece).is_some());
                // Where something is to be typed, only what comes after it is an answer to it.
                if found && held.is_none() {
                    console.close().await;
                    return out.end();
                }
            }
            typed = async { match &mut input { Some(input) => input.recv().await, None => None } }, if input.is_some() && held.is_none() => {
                match typed {
                    Some(bytes) if sent => console.send(keys(&bytes)).await?,
                    Some(bytes) => (held, ready) = (Some(bytes), Instant::now()),
                    None => (input, heard) = (None, Instant::now()),
                }
            }
            () = sleep_until(settled.unwrap_or(far)) => {
                if let Some(bytes) = held.take() {
                    until = args.until.as_deref().map(Seek::new);
                    console.send(keys(&bytes)).await?;
                    (sent, heard) = (true, Instant::now());
                }
            }
            () = sleep_until(silence.unwrap_or(far)) => {
                console.close().await;
                return out.end();
            }
            () = sleep_until(deadline.unwrap_or(far)) => {
                out.end()?;
                return Err(missed(args, after.is_some(), exit::TIMED_OUT, lang::text("in the time given")));
            }
        }
    }
    out.end()?;
    if after.is_some() || until.is_some() {
        return Err(missed(args, after.is_some(), exit::FAILED, lang::text("before the console closed")));
    }
    Ok(())
}

/// A terminal's Enter is a carriage return.
fn keys(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect()
}

/// Stdout, whose last line is ended.
#[derive(Debug, Default)]
struct Out {
    open: bool,
}

impl Out {
    fn write(&mut self, piece: &str) -> Result<(), Exit> {
        let Some(last) = piece.chars().last() else { return Ok(()) };
        self.open = last != '\n';
        let mut out = std::io::stdout();
        out.write_all(piece.as_bytes())?;
        Ok(out.flush()?)
    }

    fn end(&mut self) -> Result<(), Exit> {
        if self.open { self.write("\n") } else { Ok(()) }
    }
}

fn missed(args: &Args, after: bool, code: i32, when: &str) -> Exit {
    let wanted = if after { &args.after } else { &args.until };
    let message = match wanted {
        Some(wanted) => say!(
            "{server}: '{wanted}' was not seen {when}",
            server = text::line(&args.id),
            wanted = text::line(wanted),
            when = when
        ),
        None => say!("{server}: not done {when}", server = text::line(&args.id), when = when),
    };
    let next = Some(say!("see what it does: climc server-console {server}", server = text::line(&args.id)));
    Exit { code, message, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_across_pieces() {
        let mut seek = Seek::new("logün:");
        for piece in ["web1 lo", "", "g", "ü"] {
            assert_eq!(seek.found(piece), None);
        }
        assert_eq!(seek.found("n: root"), Some(" root".into()));
        assert_eq!(Seek::new("aab").found("aaab"), Some(String::new()));
    }
}
