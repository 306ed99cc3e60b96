//! What the host asks for: [`Desk`] takes requests and hands answers out, worker threads carry them out, so that heartbeats go on
//! meanwhile. [`notice`] and [`credentials`] take a moment and have a thread of their own; [`machine`]'s diagnosis and repair may take
//! minutes, and there is one of them at a time.
//!
//! Every request is on file by its id, and then its answer: one that comes again is answered again, not carried out again, even by
//! an agent that init had to start anew.

pub mod credentials;
pub mod machine;
pub mod notice;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use serde::{Deserialize, Serialize};
use types::rescue::Frame;
use types::verb::{MAX_ANSWER, Verb, VerbFault, answer};

/// Requests that wait or run, at most: a host asks for one thing at a time.
const MAX_OPEN: usize = 4;
/// Answers that are kept.
const MAX_KEPT: usize = 16;

/// Tells how far a request is: done, of, what.
pub type Tell<'a> = &'a mut dyn FnMut(u64, u64, &str);
/// Carries out a verb; returns its answer as JSON.
pub type Work = Box<dyn FnMut(Verb, Tell<'_>) -> Result<String, VerbFault> + Send>;

/// An answer on file.
#[derive(Serialize, Deserialize)]
struct Answered {
    ok: bool,
    json: String,
}

/// What a worker has to say: a progress frame, or the end of a request.
enum Said {
    Progress(Frame),
    Done(u64, Answered),
}

pub struct Desk {
    folder: PathBuf,
    open: HashSet<u64>,
    quick: Sender<(u64, Verb)>,
    slow: Sender<(u64, Verb)>,
    said: Receiver<Said>,
    /// To be sent, the last first.
    outbox: Vec<Frame>,
}

impl Desk {
    /// `folder` keeps requests and answers; it should not outlive the boot.
    pub fn open(folder: &Path, quick: Work, slow: Work) -> Self {
        if let Err(error) = fs::create_dir_all(folder) {
            eprintln!("lifeboat: {} can't be made, so requests are not remembered: {error}", folder.display());
        }
        let (say, said) = channel();
        let quick = worker(quick, say.clone());
        let slow = worker(slow, say);
        Self { folder: folder.to_owned(), open: HashSet::new(), quick, slow, said, outbox: Vec::new() }
    }

    /// Takes a request. Its answer comes out of [`Desk::next`] when it is there.
    pub fn request(&mut self, id: u64, verb: Verb) {
        if self.open.contains(&id) {
            return;
        }
        match fs::read(self.file(id)) {
            Ok(bytes) => {
                let answered = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                    fault("the rescue system's agent ended in the middle of this request; look at the machine again before asking anew")
                });
                self.hand_out(id, &answered);
            }
            Err(_) if self.open.len() >= MAX_OPEN => self.hand_out(
                id,
                &fault(
                    "the rescue system is busy with other requests; ask again, by another id, when one was answered",
                ),
            ),
            Err(_) => {
                self.note(id, b"");
                self.open.insert(id);
                let lane = match verb {
                    Verb::Notice { .. } | Verb::Credentials { .. } => &self.quick,
                    Verb::Diagnose { .. } | Verb::Repair { .. } => &self.slow,
                };
                // A worker ends only with the desk.
                let _ = lane.send((id, verb));
            }
        }
    }

    /// The next frame to send, if there is one.
    pub fn next(&mut self) -> Option<Frame> {
        if let Some(frame) = self.outbox.pop() {
            return Some(frame);
        }
        match self.said.try_recv() {
            Ok(Said::Progress(frame)) => Some(frame),
            Ok(Said::Done(id, answered)) => {
                self.note(id, &serde_json::to_vec(&answered).unwrap_or_default());
                self.forget_oldest();
                self.open.remove(&id);
                self.hand_out(id, &answered);
                self.outbox.pop()
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// Whether something is being carried out, or waits to be sent.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty() || !self.outbox.is_empty()
    }

    /// The connection is gone: what was about to be sent is dropped. Who connects next asks again.
    pub fn hang_up(&mut self) {
        while self.next().is_some() {}
    }

    fn hand_out(&mut self, id: u64, answered: &Answered) {
        let mut frames = answer(id, answered.ok, &answered.json);
        frames.reverse();
        frames.append(&mut self.outbox);
        self.outbox = frames;
    }

    fn file(&self, id: u64) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn note(&self, id: u64, bytes: &[u8]) {
        if let Err(error) = fs::write(self.file(id), bytes) {
            eprintln!("lifeboat: {} can't be written: {error}", self.file(id).display());
        }
    }

    fn forget_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut kept: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                (meta.len() > 0).then_some((meta.modified().ok()?, entry.path()))
            })
            .collect();
        kept.sort();
        for (_, path) in kept.iter().take(kept.len().saturating_sub(MAX_KEPT)) {
            let _ = fs::remove_file(path);
        }
    }
}

fn fault(message: &str) -> Answered {
    let fault = VerbFault { message: message.to_owned() };
    Answered { ok: false, json: serde_json::to_string(&fault).unwrap_or_default() }
}

fn worker(mut work: Work, say: Sender<Said>) -> Sender<(u64, Verb)> {
    let (sender, requests) = channel::<(u64, Verb)>();
    std::thread::spawn(move || {
        for (id, verb) in requests {
            let mut tell = |done, of, text: &str| {
                let text = text.chars().take(300).collect();
                let _ = say.send(Said::Progress(Frame::Progress { id, done, of, text }));
            };
            let answered = match work(verb, &mut tell) {
                Ok(json) if json.len() <= MAX_ANSWER => Answered { ok: true, json },
                Ok(json) => fault(&format!("the answer has {} bytes; at most {MAX_ANSWER} can be told", json.len())),
                Err(VerbFault { message }) => fault(&message),
            };
            if say.send(Said::Done(id, answered)).is_err() {
                return;
            }
        }
    });
    sender
}

/// Serialises an answer.
///
/// # Errors
/// When the value has no form in JSON.
pub fn json(value: &impl Serialize) -> Result<String, VerbFault> {
    serde_json::to_string(value).map_err(|error| VerbFault { message: format!("the answer can't be written: {error}") })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use types::verb::Answers;

    use super::*;

    fn notice() -> Verb {
        Verb::Notice { text: "x".into() }
    }
    fn diagnose() -> Verb {
        Verb::Diagnose { serial_log: String::new() }
    }

    /// A desk whose quick work counts how often it ran, and whose slow work waits for a word.
    fn desk(folder: &Path) -> (Desk, Arc<AtomicU32>, Sender<()>) {
        let ran = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ran);
        let (go, wait) = channel::<()>();
        let quick: Work = Box::new(move |_, tell| {
            tell(1, 2, "half");
            Ok(format!("\"run {}\"", count.fetch_add(1, Ordering::SeqCst) + 1))
        });
        let slow: Work = Box::new(move |_, _| {
            let _ = wait.recv();
            Err(VerbFault { message: "no disk".into() })
        });
        (Desk::open(folder, quick, slow), ran, go)
    }

    fn answer_of(desk: &mut Desk, id: u64) -> Result<String, String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut answers = Answers::to(id);
        loop {
            if let Some(whole) = desk.next().and_then(|frame| answers.push(&frame).unwrap()) {
                return whole;
            }
            assert!(Instant::now() < deadline, "no answer within 20 s");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_request_is_carried_out_once_and_its_answer_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let (mut desk, ran, _go) = desk(folder.path());
        desk.request(1, notice());
        desk.request(1, notice());
        assert!(desk.is_busy());
        assert_eq!(answer_of(&mut desk, 1), Ok("\"run 1\"".into()));
        desk.request(1, notice());
        assert_eq!(answer_of(&mut desk, 1), Ok("\"run 1\"".into()));
        assert!(!desk.is_busy());
        // The same after the agent was started anew.
        let (mut again, _, _go) = self::desk(folder.path());
        again.request(1, notice());
        assert_eq!(answer_of(&mut again, 1), Ok("\"run 1\"".into()));
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn quick_ones_do_not_wait_for_slow_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (mut desk, _, go) = desk(folder.path());
        desk.request(1, diagnose());
        desk.request(2, notice());
        assert_eq!(answer_of(&mut desk, 2), Ok("\"run 1\"".into()));
        go.send(()).unwrap();
        assert_eq!(answer_of(&mut desk, 1), Err(r#"{"message":"no disk"}"#.into()));
    }

    #[test]
    fn an_agent_that_died_in_the_middle_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, _, _go) = desk(folder.path());
        first.request(1, diagnose());
        let (mut second, _, _go) = desk(folder.path());
        second.request(1, diagnose());
        let fault = answer_of(&mut second, 1).unwrap_err();
        assert!(fault.contains("ended in the middle"), "{fault}");
    }

    #[test]
    fn too_many_at_once_are_refused_and_answers_do_not_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let (mut desk, _, go) = desk(folder.path());
        let most = u64::try_from(MAX_OPEN).unwrap();
        (0..most).for_each(|id| desk.request(id, diagnose()));
        desk.request(most, diagnose());
        assert!(answer_of(&mut desk, most).unwrap_err().contains("busy"));
        (0..most).for_each(|_| go.send(()).unwrap());
        for id in 0..most {
            answer_of(&mut desk, id).unwrap_err();
        }
        for id in 100..100 + u64::try_from(MAX_KEPT).unwrap() {
            desk.request(id, notice());
            answer_of(&mut desk, id).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), MAX_KEPT);
    }

    #[test]
    fn what_a_lost_connection_did_not_get_is_there_when_it_is_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let (mut desk, ran, _go) = desk(folder.path());
        desk.request(1, notice());
        let deadline = Instant::now() + Duration::from_secs(20);
        while desk.is_busy() {
            desk.hang_up();
            assert!(Instant::now() < deadline, "it is still busy after 20 s");
        }
        desk.request(1, notice());
        assert_eq!(answer_of(&mut desk, 1), Ok("\"run 1\"".into()));
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }
}
