//! Waiting for the rescue system's proof. Success is the proof, nothing else.

use std::time::Duration;

use types::id::SessionId;
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::{Cx, Guest};
use super::link::Proof;
use super::running::Running;
use super::start::Boot;
use super::{failure, serial};

/// A kernel that panics may leave QEMU running.
const PANIC_LOOK: Duration = Duration::from_millis(500);

/// What came of the waiting.
enum Waited {
    Decided(Proof),
    Ended(Option<String>),
    Panicked,
    TimedOut,
}

impl Guest {
    pub(super) async fn await_ready(
        &mut self,
        session: SessionId,
        timeout: Duration,
        cx: &Cx,
    ) -> Result<Outcome, Failure> {
        cx.progress.say("waiting for the rescue system");
        let log = self.paths.serial_log();
        let is_mine = |boot: &Boot| boot.rescue.is_some_and(|boot| boot.session == session);
        let running = self.running.as_ref().filter(|it| is_mine(&it.boot));
        // It may have ended before anybody asked; then the file says which boot it was.
        let boot = running.map(|it| it.boot.clone()).or_else(|| Boot::read(&self.paths.boot()).filter(is_mine));
        let Some(Boot { began, serial_from: from, .. }) = boot else {
            return Err(failure(FailureCode::Qemu, "the rescue system of this session was not started"));
        };
        let fail = |code, message: String| {
            let evidence = serial::evidence(&log, from);
            Err(Failure { code, message, evidence })
        };
        let waited = match running {
            Some(running) => cx.unless_overtaken(wait(running, &log, timeout)).await?,
            None => Waited::Ended(self.last_end.clone()),
        };
        match waited {
            Waited::Decided(Proof::Ready { report, at }) => {
                // In whole milliseconds: the same number when it has been written down and read again.
                let seconds = (at - began).num_milliseconds().max(0) as f64 / 1000.0;
                metrics::histogram!("host_rescue_ready_seconds").record(seconds);
                let notices = self.stored.as_ref().map_or_else(Vec::new, |stored| self.rescue_notices(&stored.desc));
                Ok(Outcome::Ready { ready: report, seconds, notices })
            }
            Waited::Decided(Proof::Bad(problem)) => fail(FailureCode::BadProof, problem),
            Waited::Panicked => fail(FailureCode::Panic, "the rescue system's kernel gave up".into()),
            Waited::Ended(reason) => {
                let reason = reason.as_deref().unwrap_or("no reason given");
                if reason == "guest-reset" || serial::panicked(&log, from) {
                    fail(FailureCode::Panic, "the rescue system gave up before it was ready".into())
                } else {
                    fail(FailureCode::Qemu, format!("QEMU ended before the rescue system was ready ({reason})"))
                }
            }
            Waited::TimedOut | Waited::Decided(Proof::Waiting(None)) => fail(
                FailureCode::NotReady,
                format!("the rescue system did not prove itself within {} s", timeout.as_secs()),
            ),
            Waited::Decided(Proof::Waiting(Some(problem))) => fail(FailureCode::BadProof, problem),
        }
    }
}

async fn wait(running: &Running, log: &std::path::Path, timeout: Duration) -> Waited {
    let from = running.boot.serial_from;
    let decided = async {
        match &running.link {
            Some(link) => link.decided().await,
            None => std::future::pending().await,
        }
    };
    let panicked = async {
        loop {
            tokio::time::sleep(PANIC_LOOK).await;
            let log = log.to_owned();
            if tokio::task::spawn_blocking(move || serial::panicked(&log, from)).await.unwrap_or(false) {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        proof = decided => Waited::Decided(proof),
        reason = running.machine.ended() => Waited::Ended(reason),
        () = panicked => Waited::Panicked,
        () = tokio::time::sleep(timeout) => match &running.link {
            // On the serial console something came, again and again, that did not hold.
            Some(link) => match link.proof() {
                Proof::Waiting(None) => Waited::TimedOut,
                proof => Waited::Decided(proof),
            },
            None => Waited::TimedOut,
        },
    }
}
