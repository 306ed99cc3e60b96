//! Asking a rescue system that has proven itself for a verb. Its words are not trusted: an answer is read as what the verb tells, and
//! written anew.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use types::diagnosis::{Diagnosis, RepairReport};
use types::id::SessionId;
use types::operation::{Failure, FailureCode, Outcome};
use types::verb::{CredentialsReplaced, NoticeShown, Verb, VerbFault, serial_log};

use super::actor::{Cx, Guest};
use super::link::Proof;
use super::{failure, serial};

/// Bytes of an answer that goes on to region.
const MOST: usize = 1024 * 1024;
/// Characters of the rescue system's own words, in progress and in failures.
const WORDS: usize = 500;
/// Bytes of the log that are looked at for what the guest's own system printed last.
const LOG: u64 = 256 * 1024;

/// A request to a rescue system.
#[derive(Debug, Clone)]
pub struct Asked {
    pub session: SessionId,
    /// The same whenever it is repeated: the rescue system does it once.
    pub id: u64,
    pub verb: Verb,
    pub timeout: Duration,
}

impl Guest {
    pub(super) async fn run_in_rescue(&mut self, asked: &Asked, cx: &Cx) -> Result<Outcome, Failure> {
        let unproven =
            || failure(FailureCode::WrongState, "the rescue system has not proven itself: wait until it is ready");
        let running = self.running.as_ref().ok_or_else(unproven)?;
        let link =
            running.link.as_ref().filter(|link| matches!(link.proof(), Proof::Ready { .. })).ok_or_else(unproven)?;
        let verb = match &asked.verb {
            Verb::Diagnose { serial_log } if serial_log.is_empty() => {
                Verb::Diagnose { serial_log: self.said_before(running.boot.serial_from) }
            }
            other => other.clone(),
        };
        let name = verb.name();
        cx.progress.say(format!("the rescue system is at work: {name}"));
        let answering = link.ask(asked.id, &verb, |text| cx.progress.say(words(text)));
        let answered = cx.unless_overtaken(async {
            tokio::select! {
                answer = answering => Ok(answer),
                _ = running.machine.ended() => Err(failure(FailureCode::Qemu, format!("the rescue system ended during {name}"))),
                () = tokio::time::sleep(asked.timeout) => {
                    let message = format!("the rescue system gave no answer to {name} within {} s", asked.timeout.as_secs());
                    Err(failure(FailureCode::NotReady, message))
                }
            }
        });
        let answer = match answered.await?? {
            Ok(json) => check(&verb, &json).map_err(|problem| failure(FailureCode::Verb, problem))?,
            Err(text) => {
                let said = serde_json::from_str::<VerbFault>(&text).map_or(text, |fault| fault.message);
                return Err(failure(FailureCode::Verb, format!("{name}: {}", words(&said))));
            }
        };
        Ok(Outcome::RescueRan { answer })
    }

    /// What the guest's own system printed last, before the rescue system's boot began.
    fn said_before(&self, offset: u64) -> String {
        let log = self.paths.serial_log();
        let length = serial::length(&log);
        // A log that was begun anew since then holds the rescue system's words only.
        if offset > length {
            return String::new();
        }
        let bytes = serial::read(&log, offset.saturating_sub(LOG), LOG.min(offset)).unwrap_or_default();
        serial_log(&bytes)
    }
}

/// The answer, as what the verb tells.
fn check(verb: &Verb, json: &str) -> Result<String, String> {
    match verb {
        Verb::Diagnose { .. } => again::<Diagnosis>(json),
        Verb::Repair { .. } => again::<RepairReport>(json),
        Verb::Notice { .. } => again::<NoticeShown>(json),
        Verb::Credentials { .. } => again::<CredentialsReplaced>(json),
    }
}

fn again<T: Serialize + DeserializeOwned>(json: &str) -> Result<String, String> {
    let read: T =
        serde_json::from_str(json).map_err(|error| format!("the rescue system's answer can't be read: {error}"))?;
    let written = serde_json::to_string(&read).map_err(|error| error.to_string())?;
    if written.len() > MOST {
        return Err(format!("the rescue system's answer has {} bytes; {MOST} are the most", written.len()));
    }
    Ok(written)
}

/// One short line without control characters.
fn words(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_what_the_verb_tells() {
        let notice = Verb::Notice { text: "x".into() };
        let known = r#"{"terminals":["ttyS0"],"of the future":{"a":1}}"#;
        assert_eq!(check(&notice, known).unwrap(), r#"{"terminals":["ttyS0"]}"#);
        assert!(check(&Verb::Diagnose { serial_log: String::new() }, known).unwrap_err().contains("can't be read"));
        let long = serde_json::to_string(&NoticeShown { terminals: vec!["x".repeat(MOST)] }).unwrap();
        assert!(check(&notice, &long).unwrap_err().contains("are the most"));
        assert_eq!(words("a\u{1b}[31m\nb"), "a [31m b");
    }
}
