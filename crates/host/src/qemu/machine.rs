//! One running QEMU, started by us or found running. Its process is held by a pidfd, its control socket is open where it answers;
//! a task of its own keeps [`Life`] current until the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use qmp::command::{Continue, QueryStatus, Quit, Stop, SystemPowerdown, SystemReset};
use qmp::{Command, Event, Limits, Qmp, QmpError};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use types::status::PowerState;

use super::process::Process;

/// A socket that is still open so long after its process has ended is given up.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A control socket that is being opened is waited for so long: a QEMU is known to run before its socket answers.
const REACH: Duration = Duration::from_secs(10);

/// Events that a listener may be behind by.
const EVENTS: usize = 64;

/// What is known of a running QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    Running,
    Paused,
    /// The process has ended. QEMU's reason, if it could give one: `guest-shutdown`, `guest-reset`, `host-qmp-quit`, ...
    Ended(Option<String>),
}

impl Life {
    #[must_use]
    pub const fn power(&self) -> PowerState {
        match self {
            Self::Running => PowerState::Running,
            Self::Paused => PowerState::Paused,
            Self::Ended(_) => PowerState::Shutoff,
        }
    }
}

/// A handle to it. Dropping it lets QEMU run on.
#[derive(Debug)]
pub struct Machine {
    pub process: Arc<Process>,
    life: watch::Receiver<Life>,
    qmp: watch::Receiver<Option<Qmp>>,
    events: broadcast::Sender<Event>,
    _watcher: DropGuard,
}

impl Machine {
    /// Watches a process that is known to be the guest's. `control` is the agent's socket; `changed` is called after each change.
    pub fn watch(process: Process, control: &Path, changed: impl Fn(&Life) + Send + Sync + 'static) -> Self {
        let process = Arc::new(process);
        let (life, life_seen) = watch::channel(Life::Running);
        let (qmp, qmp_seen) = watch::channel(None);
        let stop = CancellationToken::new();
        let (events, _) = broadcast::channel(EVENTS);
        let watcher = Watcher {
            process: Arc::clone(&process),
            life,
            qmp,
            events: events.clone(),
            changed: Box::new(changed),
            reason: None,
        };
        let (control, stopped) = (control.to_owned(), stop.clone());
        tokio::spawn(async move {
            tokio::select! { () = stopped.cancelled() => {}, () = watcher.run(&control) => {} }
        });
        Self { process, life: life_seen, qmp: qmp_seen, events, _watcher: stop.drop_guard() }
    }

    /// What QEMU says from now on. An event can be missed, when the control socket is opened anew: look as well.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    #[must_use]
    pub fn life(&self) -> Life {
        self.life.borrow().clone()
    }

    /// The end's reason, when it has come.
    pub async fn ended(&self) -> Option<String> {
        let mut life = self.life.clone();
        loop {
            if let Life::Ended(reason) = &*life.borrow_and_update() {
                return reason.clone();
            }
            if life.changed().await.is_err() {
                // The watcher is gone only together with this handle.
                std::future::pending::<()>().await;
            }
        }
    }

    /// As [`ended`](Self::ended), for at most this long. False: it still runs.
    pub async fn ends_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.ended()).await.is_ok()
    }

    /// Until QEMU has answered on its control socket; false if it did not within `limit`, or has ended.
    pub async fn answers_within(&self, limit: Duration) -> bool {
        let mut qmp = self.qmp.clone();
        let answered = async { qmp.wait_for(Option::is_some).await.is_ok() };
        tokio::select! {
            answered = tokio::time::timeout(limit, answered) => answered.unwrap_or(false),
            _ = self.ended() => false,
        }
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// [`QmpError`], also when QEMU does not answer.
    pub async fn press_power(&self) -> Result<(), QmpError> {
        self.execute(SystemPowerdown {}).await.map(|_| ())
    }
    /// Lets a paused guest go on, so that it can hear the power button.
    ///
    /// # Errors
    /// As [`press_power`](Self::press_power).
    pub async fn resume(&self) -> Result<(), QmpError> {
        self.execute(Continue {}).await.map(|_| ())
    }
    /// Presses the reset button.
    ///
    /// # Errors
    /// As [`press_power`](Self::press_power).
    pub async fn reset(&self) -> Result<(), QmpError> {
        self.execute(SystemReset {}).await.map(|_| ())
    }
    /// Stops the processors.
    ///
    /// # Errors
    /// As [`press_power`](Self::press_power).
    pub async fn pause(&self) -> Result<(), QmpError> {
        self.execute(Stop {}).await.map(|_| ())
    }
    /// Ends QEMU; the guest's memory is lost.
    ///
    /// # Errors
    /// As [`press_power`](Self::press_power).
    pub async fn quit(&self) -> Result<(), QmpError> {
        self.execute(Quit {}).await.map(|_| ())
    }

    /// Until it is so; false if it did not become so within `limit`, or has ended.
    pub async fn becomes_within(&self, wanted: &Life, limit: Duration) -> bool {
        let mut life = self.life.clone();
        let settled = async { life.wait_for(|life| life == wanted || matches!(life, Life::Ended(_))).await.is_ok() };
        tokio::time::timeout(limit, settled).await.unwrap_or(false) && self.life() == *wanted
    }

    /// One command. A socket that is just being opened is waited for, as right after a QEMU was found running.
    ///
    /// # Errors
    /// [`QmpError`], also when QEMU does not answer.
    pub async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, QmpError> {
        self.answers_within(REACH).await;
        let qmp = self.qmp.borrow().clone();
        qmp.ok_or(QmpError::Closed)?.execute(command).await
    }
}

struct Watcher {
    process: Arc<Process>,
    life: watch::Sender<Life>,
    qmp: watch::Sender<Option<Qmp>>,
    events: broadcast::Sender<Event>,
    changed: Box<dyn Fn(&Life) + Send + Sync>,
    reason: Option<String>,
}

impl Watcher {
    async fn run(mut self, control: &Path) {
        let process = Arc::clone(&self.process);
        // The socket's last words are read before the end is told: they hold its reason.
        let ended = async {
            process.ended().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = ended => {}
            () = self.listen(control) => {}
        }
        self.qmp.send_replace(None);
        let reason = self.reason.take();
        self.become_(Life::Ended(reason));
    }

    /// Until the process has ended. A socket that does not answer is tried again: the process decides, not the socket.
    async fn listen(&mut self, control: &Path) {
        let limits = Limits { connect: Duration::from_secs(5), ..Limits::default() };
        let mut pause = Duration::from_millis(20);
        loop {
            match Qmp::connect(control, limits).await {
                Ok((qmp, mut events)) => {
                    pause = Duration::from_millis(20);
                    if let Ok(status) = qmp.execute(QueryStatus {}).await {
                        let paused = !status.running && status.status == "paused";
                        self.become_(if paused { Life::Paused } else { Life::Running });
                    }
                    self.qmp.send_replace(Some(qmp));
                    self.follow(&mut events).await;
                    self.qmp.send_replace(None);
                }
                Err(error) => tracing::debug!(pid = self.process.pid, %error, "QEMU's control socket does not answer"),
            }
            // The socket closes a moment before the process ends.
            let process = Arc::clone(&self.process);
            if tokio::time::timeout(pause, process.ended()).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn follow(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            tracing::debug!(pid = self.process.pid, event = event.name, data = %event.data, "QEMU event");
            match event.name.as_str() {
                "SHUTDOWN" => self.reason = event.reason().map(str::to_owned),
                "STOP" => self.become_(Life::Paused),
                "RESUME" => self.become_(Life::Running),
                _ => {}
            }
            // Nobody need listen.
            let _ = self.events.send(event);
        }
    }

    fn become_(&self, life: Life) {
        if *self.life.borrow() != life {
            // First told, then shown: who waits for the end finds it told.
            (self.changed)(&life);
            self.life.send_replace(life);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use types::id::GuestId;

    use crate::qemu::process;

    /// As QEMU does: a greeting, then an answer to each command, until the one named `quit`.
    async fn serve(control: &Path) {
        let (stream, _) = tokio::net::UnixListener::bind(control).unwrap().accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let greeting =
            r#"{"QMP":{"version":{"qemu":{"major":10,"minor":0,"micro":0},"package":""},"capabilities":[]}}"#;
        write.write_all(format!("{greeting}\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            let command: serde_json::Value = serde_json::from_str(&line).unwrap();
            let status = serde_json::json!({"running": true, "status": "running", "singlestep": false});
            let result = if command["execute"] == "query-status" { status } else { serde_json::json!({}) };
            let answer = serde_json::json!({ "return": result, "id": command["id"] });
            write.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            if command["execute"] == "quit" {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_command_waits_for_the_socket_of_a_qemu_that_was_just_found() {
        let folder = tempfile::tempdir().unwrap();
        let (control, pid_file) = (folder.path().join("qmp"), folder.path().join("pid"));
        let guest = GuestId::generate();
        let mut pretended = process::tests::pretend(guest, pid_file.to_str().unwrap(), "");
        let found = process::find(guest, &pid_file).unwrap().expect("it runs");
        let machine = Machine::watch(found, &control, |_| {});
        // The command is there first; the socket comes after it.
        let (quit, ()) = tokio::join!(machine.quit(), serve(&control));
        quit.expect("it is carried out, not lost");

        // Of one that has ended there is nothing to wait for.
        pretended.kill().unwrap();
        pretended.wait().unwrap();
        let began = tokio::time::Instant::now();
        assert!(machine.ends_within(Duration::from_secs(60)).await);
        machine.quit().await.expect_err("nobody is there");
        assert!(began.elapsed() < REACH, "{:?}", began.elapsed());
    }
}
