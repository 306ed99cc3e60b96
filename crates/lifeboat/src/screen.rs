//! A server's serial console, followed over boots: what it shows is kept, and can be waited for.
//!
//! The console ends when the server is off and begins with what was shown last when it is on again; both are bridged here, so that text
//! is seen once and "after this moment" has a meaning.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use client::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Between two tries to open the console of a server that is off.
const AGAIN: Duration = Duration::from_millis(300);
/// A console that has shown nothing for so long has said what it has to say.
const STILL: Duration = Duration::from_millis(1500);
/// What region says in the server's place when its host does not answer: nothing that the server showed.
const NOT_OPEN: &str = "[the host does not open the console";
/// Text that repeats over so many bytes is the same text.
const OVERLAP: usize = 400;

pub struct Screen {
    text: Arc<Mutex<String>>,
    changed: watch::Receiver<()>,
    keys: mpsc::UnboundedSender<Vec<u8>>,
    task: JoinHandle<()>,
    /// What was shown before this many bytes is past.
    from: usize,
    /// Where the page began.
    page: usize,
}

impl Screen {
    /// Follows the console of a server, by id or name, from now on.
    pub fn follow(client: Client, server: &str) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let (tell, changed) = watch::channel(());
        let (keys, typed) = mpsc::unbounded_channel();
        let task = tokio::spawn(watch_console(client, server.to_owned(), text.clone(), tell, typed));
        Self { text, changed, keys, task, from: 0, page: 0 }
    }

    /// What is on the screen now is past: only what comes later is found.
    pub fn turn_page(&mut self) {
        self.from = lock(&self.text).len();
        self.page = self.from;
    }

    /// Types.
    pub fn type_line(&self, line: &str) {
        // A console that is closed at the moment drops what is typed, as a real one would.
        let _ = self.keys.send(format!("{line}\n").into_bytes());
    }

    /// Waits until one of the texts is shown; returns that line, and looks only behind it from then on.
    ///
    /// # Errors
    /// None was shown in time: with what was shown last.
    pub async fn until(&mut self, wanted: &[&str], limit: Duration) -> Result<String> {
        let found = timeout(limit, async {
            loop {
                self.changed.mark_unchanged();
                if let Some((line, end)) = find(&lock(&self.text)[self.from..], wanted) {
                    self.from += end;
                    return line;
                }
                if self.changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
        match found.await {
            Ok(line) => Ok(line),
            Err(_) => bail!(
                "the console did not show {} within {} s; the last it showed:\n{}",
                wanted.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" or "),
                limit.as_secs(),
                self.last_lines(12).iter().map(|line| format!("  | {line}\n")).collect::<String>()
            ),
        }
    }

    /// Waits until nothing new has been shown for a while, so that a line is not read by halves.
    pub async fn settle(&mut self) {
        while matches!(timeout(STILL, self.changed.changed()).await, Ok(Ok(()))) {}
    }

    /// The last lines of this page that hold anything.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let text = plain(&lock(&self.text)[self.page..]);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch_console(
    client: Client,
    server: String,
    text: Arc<Mutex<String>>,
    tell: watch::Sender<()>,
    mut typed: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    loop {
        let Ok(mut console) = client.console(&server).await else {
            sleep(AGAIN).await;
            while typed.try_recv().is_ok() {}
            continue;
        };
        let mut first = true;
        loop {
            let bytes = tokio::select! {
                bytes = console.receive() => bytes,
                Some(keys) = typed.recv() => {
                    if console.send(keys).await.is_err() {
                        break;
                    }
                    continue;
                }
            };
            let Ok(Some(bytes)) = bytes else { break };
            let shown = String::from_utf8_lossy(&bytes);
            if shown.contains(NOT_OPEN) {
                break;
            }
            let mut text = lock(&text);
            let new = if first { unseen(&text, &shown) } else { &shown };
            first = false;
            text.push_str(new);
            drop(text);
            let _ = tell.send(());
        }
        sleep(AGAIN).await;
    }
}

/// What of `shown` is not at the end of `seen` already.
fn unseen<'a>(seen: &str, shown: &'a str) -> &'a str {
    let mut begin = seen.len().saturating_sub(OVERLAP);
    while !seen.is_char_boundary(begin) {
        begin += 1;
    }
    let tail = &seen[begin..];
    match shown.rfind(tail) {
        Some(at) if !tail.is_empty() => &shown[at + tail.len()..],
        _ => shown,
    }
}

/// The first line that holds one of the texts, and where what was found ends.
fn find(text: &str, wanted: &[&str]) -> Option<(String, usize)> {
    let (at, what) = wanted.iter().filter_map(|what| Some((text.find(what)?, what))).min()?;
    let begin = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let end = text[at..].find(['\r', '\n']).map_or(text.len(), |n| at + n);
    Some((plain(&text[begin..end]).trim().to_owned(), at + what.len()))
}

fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without escape sequences (ECMA-48, section 5.4) and control characters but the end of line.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\x1b' => {
                chars.next();
            }
            '\n' => out.push('\n'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_was_seen_before_the_console_closed_is_not_seen_again() {
        let long = "x".repeat(1000);
        for (seen, shown, new) in [
            ("", "abc", "abc"),
            ("boot one\n", "boot one\nboot two\n", "boot two\n"),
            ("boot one\n", "one thing\n", "one thing\n"),
            ("abc", "abc", ""),
        ] {
            assert_eq!(unseen(seen, shown), new, "{seen:?} {shown:?}");
            assert_eq!(unseen(&format!("{long}{seen}"), &format!("{long}{shown}")).len() % 1000, new.len(), "{seen:?}");
        }
    }

    #[test]
    fn the_line_around_what_was_wanted_is_found_first_come_first() {
        let text = "\x1b[32mone\x1b[0m two\r\n[ 1.0] kernel: panic here\r\nlogin: ";
        assert_eq!(find(text, &["login:", "panic"]).unwrap().0, "[ 1.0] kernel: panic here");
        assert_eq!(find(text, &["two"]).unwrap().0, "one two");
        assert_eq!(find(text, &["none"]), None);
        let end = find(text, &["panic"]).unwrap().1;
        assert_eq!(find(&text[end..], &["panic"]), None);
    }
}
