//! What a host may ask of a rescue system that has proven itself, and how the answer comes back.
//!
//! A [`Verb`] goes in one [`Frame::Request`](crate::rescue::Frame). There are exactly these: nothing runs a command of the host's
//! choice. The answer's JSON is cut into parts ([`answer`]) and put together on the other side by [`Answers`], which trusts nothing.

use serde::{Deserialize, Serialize};

use crate::rescue::{Frame, MAX_FRAME};
use crate::secret::Secret;

/// A part's text, in bytes, at most. Text of JSON inside JSON at most doubles: only quotes and backslashes are escaped once more.
pub const MAX_PART: usize = MAX_FRAME / 2 - 1024;
/// All parts of one answer together, in bytes.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The most of a boot's serial log that goes into a request, in bytes: its end says why the boot failed.
pub const MAX_SERIAL_LOG: usize = MAX_FRAME / 2 - 8 * 1024;
/// Characters of a notice.
pub const MAX_NOTICE: usize = 1000;

/// A request. Serialised with a tag: `{"verb":"repair","codes":["fstab_comment_out"],"dry_run":false}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Look at the machine, read-only. Answer: [`Diagnosis`](crate::diagnosis::Diagnosis).
    Diagnose {
        /// What the machine's own system last printed on its serial console, as [`serial_log`] makes it; empty if there is none.
        #[serde(default)]
        serial_log: String,
    },
    /// Mend by these codes of fixes. Answer: [`RepairReport`](crate::diagnosis::RepairReport), also where a fix failed.
    Repair { codes: Vec<String>, dry_run: bool },
    /// Show a line on all consoles and in all logins. Answer: [`NoticeShown`].
    Notice { text: String },
    /// Let in these and nobody else from now on; open logins stay. Answer: [`CredentialsReplaced`].
    Credentials {
        /// Lines for root's `authorized_keys`.
        ssh_keys: Vec<String>,
        /// A crypt(3) hash for root; without one no password opens anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_hash: Option<Secret>,
    },
}

impl Verb {
    /// The word of its tag.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Diagnose { .. } => "diagnose",
            Self::Repair { .. } => "repair",
            Self::Notice { .. } => "notice",
            Self::Credentials { .. } => "credentials",
        }
    }
}

/// Where a notice was shown: names of terminals, `ttyS0`, `pts/0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeShown {
    pub terminals: Vec<String>,
}

/// Which ways are open after credentials were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsReplaced {
    /// SSH keys that were usable.
    pub keys: usize,
    pub password: bool,
    /// As in [`ReadyReport`](crate::rescue::ReadyReport): a system that let nobody in had none until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_host_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_fingerprint: Option<String>,
}

/// Why a verb was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct VerbFault {
    pub message: String,
}

/// The frames of an answer. `json` is the text of one JSON value, as serde writes it: control characters escaped.
#[must_use]
pub fn answer(id: u64, ok: bool, json: &str) -> Vec<Frame> {
    let mut parts = Vec::new();
    let mut rest = json;
    loop {
        let mut cut = rest.len().min(MAX_PART);
        while !rest.is_char_boundary(cut) {
            cut -= 1;
        }
        let (text, left) = rest.split_at(cut);
        let part = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        parts.push(Frame::Answer { id, part, last: left.is_empty(), ok, text: text.to_owned() });
        if left.is_empty() {
            return parts;
        }
        rest = left;
    }
}

/// Puts the parts of one request's answer together, on the side that asked.
#[derive(Debug)]
pub struct Answers {
    id: u64,
    next: u32,
    ok: bool,
    text: String,
}

/// The parts of an answer that can't be used. Ask again, by the same id: the answer is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    #[error("part {got} of the answer came where part {wanted} was due")]
    Order { wanted: u32, got: u32 },
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
    #[error("the parts of the answer contradict each other")]
    Contradiction,
}

impl Answers {
    /// For the answer to the request of that id.
    #[must_use]
    pub fn to(id: u64) -> Self {
        Self { id, next: 0, ok: true, text: String::new() }
    }

    /// Takes a frame. Returns the whole answer with its last part: `Ok` the verb's JSON, `Err` that of a [`VerbFault`]. What belongs
    /// to another request, and every frame that is no answer, is ignored. Part 0 begins anew: the answer is being repeated.
    ///
    /// # Errors
    /// [`BadAnswer`]; what was collected is dropped.
    pub fn push(&mut self, frame: &Frame) -> Result<Option<Result<String, String>>, BadAnswer> {
        let Frame::Answer { id, part, last, ok, text } = frame else { return Ok(None) };
        if *id != self.id {
            return Ok(None);
        }
        if *part == 0 {
            *self = Self { ok: *ok, ..Self::to(self.id) };
        }
        let fault = if *part != self.next {
            Some(BadAnswer::Order { wanted: self.next, got: *part })
        } else if *ok != self.ok {
            Some(BadAnswer::Contradiction)
        } else if self.text.len() + text.len() > MAX_ANSWER {
            Some(BadAnswer::TooLong)
        } else {
            None
        };
        if let Some(fault) = fault {
            *self = Self::to(self.id);
            return Err(fault);
        }
        self.text += text;
        self.next += 1;
        if !last {
            return Ok(None);
        }
        let whole = std::mem::replace(self, Self::to(self.id));
        Ok(Some(if whole.ok { Ok(whole.text) } else { Err(whole.text) }))
    }
}

/// Without escape sequences (ECMA-48 CSI, and those of one character) and control characters other than line feeds and tabs.
fn printed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{1b}' => drop(characters.next()),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The end of a serial log as a request takes it: line feeds and tabs, no other control characters, at most [`MAX_SERIAL_LOG`]
/// bytes of JSON, whole lines.
#[must_use]
pub fn serial_log(log: &[u8]) -> String {
    // More than fits is not looked at: what comes out is never much shorter than what goes in.
    let tail = &log[log.len().saturating_sub(2 * MAX_SERIAL_LOG)..];
    let clean = printed(&String::from_utf8_lossy(tail));
    let mut size = 0;
    let cost = |c: char| if matches!(c, '\n' | '\t' | '"' | '\\') { 2 } else { c.len_utf8() };
    let begin = clean.char_indices().rev().take_while(|(_, c)| {
        size += cost(*c);
        size <= MAX_SERIAL_LOG
    });
    let Some((begin, _)) = begin.last() else { return String::new() };
    let kept = &clean[begin..];
    let cut = begin > 0 || tail.len() < log.len();
    match kept.split_once('\n') {
        Some((_, whole)) if cut => whole.to_owned(),
        _ => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(frames: &[Frame]) -> Result<String, String> {
        let mut answers = Answers::to(7);
        let mut got = None;
        for frame in frames {
            assert!(got.is_none(), "nothing comes after the last part");
            got = answers.push(frame).unwrap();
        }
        got.expect("the last part was there")
    }

    #[test]
    fn an_answer_of_any_length_fits_frames_and_comes_back() {
        // The worst there is: everything escaped a second time, and characters of several bytes at the cuts.
        for text in [String::new(), "\"\\".repeat(MAX_PART), "ä€".repeat(MAX_PART / 3)] {
            let json = serde_json::to_string(&text).unwrap();
            let frames = answer(7, true, &json);
            for frame in &frames {
                assert!(serde_json::to_vec(frame).unwrap().len() < MAX_FRAME);
            }
            assert_eq!(collect(&frames), Ok(json));
        }
        let fault = serde_json::to_string(&VerbFault { message: "no".into() }).unwrap();
        assert_eq!(collect(&answer(7, false, &fault)), Err(fault));
    }

    fn part(id: u64, part: u32, last: bool, ok: bool, text: &str) -> Frame {
        Frame::Answer { id, part, last, ok, text: text.into() }
    }

    #[test]
    fn parts_of_others_are_ignored_and_a_repetition_begins_anew() {
        let mut answers = Answers::to(7);
        assert_eq!(answers.push(&part(7, 0, false, true, "{\"a\"")), Ok(None));
        assert_eq!(answers.push(&part(8, 0, true, true, "evil")), Ok(None));
        assert_eq!(answers.push(&Frame::Heartbeat { uptime_s: 1 }), Ok(None));
        assert_eq!(answers.push(&part(7, 0, false, true, "{\"a\"")), Ok(None));
        assert_eq!(answers.push(&part(7, 1, true, true, ":1}")), Ok(Some(Ok("{\"a\":1}".into()))));
    }

    #[test]
    fn gaps_contradictions_and_endless_answers_are_refused() {
        let mut answers = Answers::to(7);
        assert_eq!(answers.push(&part(7, 1, true, true, "x")), Err(BadAnswer::Order { wanted: 0, got: 1 }));
        answers.push(&part(7, 0, false, true, "x")).unwrap();
        assert_eq!(answers.push(&part(7, 1, true, false, "x")), Err(BadAnswer::Contradiction));
        let long = "x".repeat(MAX_FRAME);
        let fits = u32::try_from(MAX_ANSWER / MAX_FRAME).unwrap();
        for number in 0..fits {
            answers.push(&part(7, number, false, true, &long)).unwrap();
        }
        assert_eq!(answers.push(&part(7, fits, false, true, "x")), Err(BadAnswer::TooLong));
    }

    #[test]
    fn verbs_are_tagged_and_nothing_else_is_one() {
        let verb: Verb = serde_json::from_str(r#"{"verb":"diagnose"}"#).unwrap();
        assert_eq!(verb, Verb::Diagnose { serial_log: String::new() });
        let repair = Verb::Repair { codes: vec!["e2fsck".into()], dry_run: true };
        let frame = Frame::Request { id: 3, verb: repair };
        let text = serde_json::to_string(&frame).unwrap();
        assert_eq!(text, r#"{"type":"request","id":3,"verb":{"verb":"repair","codes":["e2fsck"],"dry_run":true}}"#);
        assert_eq!(serde_json::from_str::<Frame>(&text).unwrap(), frame);
        assert!(serde_json::from_str::<Verb>(r#"{"verb":"run","command":"sh"}"#).is_err());
    }

    #[test]
    fn the_end_of_a_serial_log_fits_a_request_in_whole_lines() {
        assert_eq!(serial_log(b"one\r\n\x1b[1;31mtwo\x00\x1bc\x1b[0m\n"), "one\ntwo\n");
        let long: String = (0..20_000).map(|n| format!("line \"{n}\"\n")).collect();
        let kept = serial_log(long.as_bytes());
        assert!(kept.ends_with("line \"19999\"\n") && kept.starts_with("line \"") && long.ends_with(&kept));
        assert!(kept.len() > MAX_SERIAL_LOG / 2);
        let frame = Frame::Request { id: u64::MAX, verb: Verb::Diagnose { serial_log: kept } };
        assert!(serde_json::to_vec(&frame).unwrap().len() < MAX_FRAME);
        assert_eq!(serial_log(b""), "");
    }
}
