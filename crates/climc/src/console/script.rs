//! For scripts: stdin in, harmless text out, an exit code that says whether the text that was waited for came.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use client::Client;
use tokio::time::{Instant, sleep_until};

use super::Args;
use super::filter::Filter;
use crate::exit::{self, Exit};
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

pub async fn run(client: &Client, args: &Args) -> Result<(), Exit> {
    let began = Instant::now();
    let mut console = client.console(&args.id).await?;
    let mut after = args.after.as_deref().map(Seek::new);
    let mut until = args.until.as_deref().map(Seek::new);
    // A terminal's keys are not meant for a script.
    let mut input = (!std::io::stdin().is_terminal()).then(super::stdin);
    let deadline = args.timeout.map(|seconds| began + Duration::from_secs(seconds.into()));
    let idle = Duration::from_secs(args.idle.into());
    let mut heard = Instant::now();
    let mut filter = Filter::default();
    let mut out = std::io::stdout();
    let far = began + Duration::from_secs(365 * 24 * 3600);
    loop {
        // Silence ends it only where nothing is waited for.
        let silence = (input.is_none() && until.is_none() && after.is_none()).then(|| heard + idle);
        tokio::select! {
            printed = console.receive() => {
                let Some(bytes) = printed? else { break };
                heard = Instant::now();
                let piece = filter.push(&bytes);
                out.write_all(piece.as_bytes())?;
                out.flush()?;
                let mut rest = piece;
                if let Some(seek) = &mut after {
                    let Some(later) = seek.found(&rest) else { continue };
                    after = None;
                    rest = later;
                }
                if until.as_mut().is_some_and(|seek| seek.found(&rest).is_some()) {
                    console.close().await;
                    return end_line(&mut out);
                }
            }
            typed = async { match &mut input { Some(input) => input.recv().await, None => None } }, if input.is_some() && after.is_none() => {
                match typed {
                    // A terminal's Enter is a carriage return.
                    Some(bytes) => console.send(bytes.into_iter().map(|b| if b == b'\n' { b'\r' } else { b }).collect::<Vec<u8>>()).await?,
                    None => input = None,
                }
                heard = Instant::now();
            }
            () = sleep_until(silence.unwrap_or(far)) => {
                console.close().await;
                return end_line(&mut out);
            }
            () = sleep_until(deadline.unwrap_or(far)) => {
                end_line(&mut out)?;
                return Err(missed(args, after.is_some(), exit::TIMED_OUT, "in the time given"));
            }
        }
    }
    end_line(&mut out)?;
    if after.is_some() || until.is_some() {
        return Err(missed(args, after.is_some(), exit::FAILED, "before the console closed"));
    }
    Ok(())
}

fn missed(args: &Args, after: bool, code: i32, when: &str) -> Exit {
    let wanted = if after { &args.after } else { &args.until };
    let message = match wanted {
        Some(wanted) => format!("{}: '{}' was not seen {when}", text::line(&args.id), text::line(wanted)),
        None => format!("{}: not done {when}", text::line(&args.id)),
    };
    let next = Some(format!("see what it does: climc server-console {}", text::line(&args.id)));
    Exit { code, message, next }
}

fn end_line(out: &mut std::io::Stdout) -> Result<(), Exit> {
    out.write_all(b"\n")?;
    Ok(out.flush()?)
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
