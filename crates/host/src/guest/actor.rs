//! One loop owns one guest. It runs one operation at a time; what comes meanwhile waits, and asks the running one to give up its
//! place if it is later. An operation is never dropped in the middle: it notices at its next wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use trace::TraceParent;
use tracing::Instrument as _;
use types::id::GuestId;
use types::operation::{Failure, FailureCode, GuestReport, OperationHeader, Outcome, StopHow};
use types::status::PowerState;

use super::console::Console;
use super::desc::Stored;
use super::link::Proof;
use super::paths::Paths;
use super::recover;
use super::running::Running;
use super::state::{Decision, Described, Runs, decide};
use super::{Work, failure, serial, span};
use crate::env::Env;

/// Between two looks at what nobody tells us: the length of the serial log.
const HOUSEKEEPING: Duration = Duration::from_secs(30);
/// Between two looks for a QEMU that was started by hand: one look for a file, while nothing runs.
const BY_HAND: Duration = Duration::from_secs(2);

/// One request, on its way to the guest.
pub struct Job {
    pub header: OperationHeader,
    pub work: Work,
    /// Where in a trace it was asked for.
    pub place: Option<TraceParent>,
    /// Answered when the operation ends; nobody need wait for it.
    pub reply: oneshot::Sender<Outcome>,
}

/// What this host decides about a guest, without region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// It ran when the machine went down: it is started again.
    Revive,
    /// It ran when the machine went down: it stays off.
    StayOff,
}

/// What everybody may see of a guest at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// False: no desc; the guest does not exist, or not yet.
    pub exists: bool,
    pub report: GuestReport,
    /// MiB, as the desc has it.
    pub memory_mib: u32,
    /// When the rescue system was heard last, while its heartbeats do not come.
    pub silent_since: Option<Instant>,
}

/// What the running operation says of itself.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Said>>);

/// A text for people; of a download also the bytes that are there, and those in all.
pub type Said = (String, Option<(u64, u64)>);

impl Progress {
    pub fn say(&self, text: impl Into<String>) {
        self.set((text.into(), None));
    }
    /// The same, of a download.
    pub fn say_bytes(&self, text: impl Into<String>, bytes: u64, total: u64) {
        self.set((text.into(), Some((bytes, total))));
    }
    fn set(&self, said: Said) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }
    #[must_use]
    pub fn said(&self) -> Said {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What an operation is given besides the guest.
#[derive(Debug, Clone, Default)]
pub struct Cx {
    /// Cancelled when a later operation waits.
    pub overtaken: CancellationToken,
    pub progress: Progress,
}

impl Cx {
    /// Waits for something, unless a later operation comes.
    ///
    /// # Errors
    /// [`FailureCode::WrongState`] if it came.
    pub async fn unless_overtaken<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.overtaken.cancelled() => Err(overtaken()),
            done = waiting => Ok(done),
        }
    }
}

fn overtaken() -> Failure {
    failure(FailureCode::WrongState, "a later operation took this one's place")
}

/// The guest, as its loop owns it.
#[derive(Debug)]
pub struct Guest {
    pub id: GuestId,
    pub paths: Paths,
    pub env: Arc<Env>,
    pub stored: Option<Stored>,
    pub running: Option<Running>,
    /// QEMU's reason for the latest end that came by itself.
    pub last_end: Option<String>,
    /// It ran when the machine went down, and nobody has decided yet what becomes of it.
    pub interrupted: bool,
    pub console: Console,
    pub view: Arc<watch::Sender<View>>,
}

impl Guest {
    /// Reads what is on disk, and takes charge of a QEMU that runs already.
    ///
    /// # Errors
    /// The desc can't be read: the guest is not served, as nothing is known of it.
    pub fn open(id: GuestId, env: Arc<Env>) -> Result<Self, Failure> {
        let paths = Paths::new(&env.config.workspace, &env.config.runtime_dir, id);
        let stored = recover::read(&paths, id)?;
        let report = GuestReport {
            guest: id,
            power: PowerState::Shutoff,
            rescue_session: None,
            rescue_boot: 0,
            rescue_ready: false,
            interrupted: false,
        };
        let view = Arc::new(watch::Sender::new(View { exists: false, report, memory_mib: 0, silent_since: None }));
        let console = Console::new(paths.serial_log());
        let mut guest =
            Self { id, paths, env, stored, running: None, last_end: None, interrupted: false, console, view };
        guest.adopt()?;
        guest.look_for_interruption();
        guest.release_disks();
        guest.publish();
        Ok(guest)
    }

    #[must_use]
    pub fn described(&self) -> Described {
        match &self.stored {
            None => Described::Not,
            Some(stored) => stored.desc.rescue.as_ref().map_or(Described::Own, |it| Described::Rescue(it.session)),
        }
    }

    #[must_use]
    pub fn runs(&self) -> Runs {
        match &self.running {
            Some(running) if running.machine.process.is_alive() => {
                running.boot.rescue.map_or(Runs::Own, |it| Runs::Rescue(it.session))
            }
            Some(_) | None => Runs::Nothing,
        }
    }

    /// Shows everybody how things are now.
    pub fn publish(&self) {
        let power = self.running.as_ref().map_or(PowerState::Shutoff, |running| running.machine.life().power());
        let proven =
            |running: &Running| running.link.as_ref().is_some_and(|link| matches!(link.proof(), Proof::Ready { .. }));
        let section = self.stored.as_ref().and_then(|stored| stored.desc.rescue.as_ref());
        let boot = section.and_then(|_| self.secrets()).map_or(0, |secrets| secrets.boot);
        let view = View {
            exists: self.stored.is_some(),
            report: GuestReport {
                guest: self.id,
                power,
                rescue_session: section.map(|section| section.session),
                rescue_boot: boot,
                rescue_ready: power != PowerState::Shutoff && self.running.as_ref().is_some_and(proven),
                interrupted: self.interrupted && power == PowerState::Shutoff,
            },
            memory_mib: self.stored.as_ref().map_or(0, |stored| stored.desc.memory_mib),
            silent_since: self.running.as_ref().and_then(|running| running.link.as_ref()?.silent_since()),
        };
        let changed = self.view.send_if_modified(|now| {
            let changed = *now != view;
            *now = view;
            changed
        });
        if changed {
            self.env.tell();
        }
    }

    /// The owner's loop. It ends when nobody can send any more.
    pub async fn serve(mut self, mut jobs: mpsc::Receiver<Job>, mut own: mpsc::Receiver<Own>, progress: Progress) {
        let mut waiting = VecDeque::<Job>::new();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let mut turn = Some(turn(self.id));
        let mut by_hand = tokio::time::interval(BY_HAND);
        by_hand.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let job = match waiting.pop_front() {
                Some(job) => job,
                None => tokio::select! {
                    job = jobs.recv() => match job {
                        Some(job) => job,
                        None => return,
                    },
                    Some(own) = own.recv() => {
                        match own {
                            Own::Revive => self.revive().await,
                            Own::StayOff => {
                                self.interruption_decided();
                                self.publish();
                            }
                        }
                        continue;
                    }
                    () = ended(self.running.as_ref()) => {
                        self.after_end().await;
                        self.release_disks();
                        continue;
                    }
                    _ = by_hand.tick(), if self.running.is_none() => {
                        self.look_for_one_started_by_hand();
                        continue;
                    }
                    _ = housekeeping.tick() => {
                        if let Some(turn) = turn.take() {
                            housekeeping.reset_after(turn);
                        }
                        // A machine that goes on is not one that goes down.
                        self.boot_ended();
                        self.renew_leases();
                        if let Err(error) = serial::trim(&self.paths.serial_log()) {
                            tracing::warn!(guest = %self.id, %error, "the serial log can't be begun anew");
                        }
                        continue;
                    }
                },
            };
            self.attend(job, &mut jobs, &mut waiting, &progress).await;
        }
    }

    fn look_for_one_started_by_hand(&mut self) {
        if self.stored.is_none() || !self.paths.pid_file().exists() {
            return;
        }
        match self.adopt() {
            Ok(true) => self.publish(),
            Ok(false) => {}
            Err(failure) => tracing::warn!(guest = %self.id, error = %failure, "processes can't be looked through"),
        }
    }

    /// Carries one operation to its end; what comes meanwhile goes to `waiting`.
    async fn attend(
        &mut self,
        job: Job,
        jobs: &mut mpsc::Receiver<Job>,
        waiting: &mut VecDeque<Job>,
        progress: &Progress,
    ) {
        let id = job.header.id;
        // It may have ended between the ledger's answer to the repeat and now.
        if let Some(outcome) = self.env.ledger.outcome(id) {
            let _ = job.reply.send(outcome);
            return;
        }
        let cx = Cx { overtaken: CancellationToken::new(), progress: progress.clone() };
        let late = |later: &Job| later.header.sequence > job.header.sequence;
        if waiting.iter().any(late) {
            cx.overtaken.cancel();
        }
        let mut replies = vec![job.reply];
        let outcome = {
            let span = span::of_operation(&job.header, job.work.name(), job.place);
            let mut doing = Box::pin(self.carry_out(&job.work, &cx).instrument(span));
            loop {
                tokio::select! {
                    outcome = &mut doing => break outcome,
                    Some(other) = jobs.recv() => {
                        if other.header.id == id {
                            replies.push(other.reply);
                        } else {
                            if other.header.sequence > job.header.sequence {
                                cx.overtaken.cancel();
                            }
                            waiting.push_back(other);
                        }
                    }
                }
            }
        };
        progress.say("");
        self.boot_ended();
        self.release_disks();
        if job.work.changes_desc() {
            self.renew_script().await;
        }
        let recorded = match self.env.ledger.end_async(id, &outcome).await {
            Ok(recorded) => recorded,
            Err(error) => {
                // Not recorded, it did not happen for region: the request comes again, and is carried out again.
                tracing::error!(guest = %self.id, operation = %id, %error, "an outcome can't be recorded");
                return;
            }
        };
        self.publish();
        self.env.tell();
        for reply in replies {
            let _ = reply.send(recorded.clone());
        }
    }

    /// In the span of the operation, which says of what.
    async fn carry_out(&mut self, work: &Work, cx: &Cx) -> Outcome {
        let (name, began) = (work.name(), Instant::now());
        tracing::info!(work = name, "operation begins");
        let result = if cx.overtaken.is_cancelled() { Err(overtaken()) } else { self.decide_and_act(work, cx).await };
        let seconds = began.elapsed().as_secs_f64();
        metrics::histogram!("host_operation_seconds", "work" => name).record(seconds);
        let outcome = match result {
            Ok(outcome) => {
                tracing::info!(work = name, seconds, "operation ended");
                outcome
            }
            Err(failure) => {
                metrics::counter!("host_operation_failures_total", "work" => name, "code" => failure.code.as_str())
                    .increment(1);
                trace::failed(&tracing::Span::current(), &failure);
                tracing::warn!(work = name, seconds, code = %failure.code, error = %failure, "operation failed");
                Outcome::Failed { failure }
            }
        };
        self.publish();
        outcome
    }

    async fn decide_and_act(&mut self, work: &Work, cx: &Cx) -> Result<Outcome, Failure> {
        // An agent that was killed while it started a QEMU left one it does not know of.
        self.adopt()?;
        // What was watched may have been only the one that started it.
        if self.runs() == Runs::Nothing && self.running.is_some() {
            self.clear_end();
        }
        if work.decides_interruption() {
            self.interruption_decided();
        }
        let decision = decide(self.described(), self.runs(), work);
        if work.uses_disks() && matches!(decision, Decision::Act) {
            self.take_disks()?;
        }
        match decision {
            Decision::Deny(code, message) => Err(failure(code, message)),
            Decision::Already => {
                if matches!(work, Work::Start | Work::StartRescue { .. }) {
                    self.has_come_up().await?;
                }
                self.already(work)
            }
            Decision::Act => match work {
                Work::Create(desc) => self.create(desc, cx).await,
                Work::Start => self.start(cx).await,
                Work::Stop { timeout_s, force } => {
                    self.stop(Duration::from_secs((*timeout_s).into()), *force, cx).await
                }
                Work::Delete => self.delete(cx).await,
                Work::Preflight { image, disk_mode, qemu_version, network } => {
                    self.preflight(image, *disk_mode, qemu_version.as_deref(), *network).await
                }
                Work::Prepare { image, endpoints } => self.prepare(image, endpoints, cx).await,
                Work::WriteDesc(section) => self.write_rescue_desc(section),
                Work::StartRescue { session, ssh_keys, password_hash, fresh } => {
                    if *fresh {
                        self.set_overlays_aside(*session)?;
                    }
                    self.start_rescue(*session, ssh_keys, password_hash.as_ref(), cx).await
                }
                Work::AwaitReady { session, timeout_s } => {
                    self.await_ready(*session, Duration::from_secs((*timeout_s).into()), cx).await
                }
                Work::RunInRescue(asked) => self.run_in_rescue(asked, cx).await,
                Work::ConfirmBoot { session, timeout_s } => {
                    self.confirm_boot(*session, Duration::from_secs((*timeout_s).into()), cx).await
                }
                Work::Restore { session, overlay } => self.restore(*session, *overlay, cx).await,
                Work::Reset => self.reset().await,
                Work::Suspend => self.suspend().await,
                Work::Resume => self.resume().await,
                Work::Change(desc) => self.change(desc, cx).await,
                Work::ResizeDisk { disk, size_mib } => self.resize_disk(*disk, *size_mib, cx).await,
                Work::DeleteDisk(disk) => self.delete_disk(*disk).await,
                Work::CreateSnapshot(snapshot) => self.create_snapshot(*snapshot, cx).await,
                Work::RevertSnapshot(snapshot) => self.revert_snapshot(*snapshot, cx).await,
                Work::DeleteSnapshot(snapshot) => self.delete_snapshot(*snapshot, cx).await,
            },
        }
    }

    /// The outcome of what need not be done.
    fn already(&mut self, work: &Work) -> Result<Outcome, Failure> {
        Ok(match work {
            Work::Stop { .. } => {
                self.clear_end();
                Outcome::Stopped { how: StopHow::AlreadyOff, seconds: 0.0, steps: Vec::new() }
            }
            Work::StartRescue { .. } => {
                let boot = self.running.as_ref().and_then(|running| running.boot.rescue);
                let host_key = self.secrets().and_then(|secrets| secrets.host_key);
                Outcome::RescueStarted {
                    boot: boot.map_or(0, |boot| boot.boot),
                    ssh_host_key: host_key.and_then(|key| key.line()),
                }
            }
            Work::Restore { .. } => {
                let desc_sha256 = self.stored.as_ref().map(Stored::sha256).unwrap_or_default();
                Outcome::Restored { desc_sha256, uefi_vars: None }
            }
            Work::Start
            | Work::Create(_)
            | Work::Delete
            | Work::Preflight { .. }
            | Work::Prepare { .. }
            | Work::WriteDesc(_)
            | Work::AwaitReady { .. }
            | Work::RunInRescue(_)
            | Work::ConfirmBoot { .. }
            | Work::Reset
            | Work::Suspend
            | Work::Resume
            | Work::Change(_)
            | Work::ResizeDisk { .. }
            | Work::DeleteDisk(_)
            | Work::CreateSnapshot(_)
            | Work::RevertSnapshot(_)
            | Work::DeleteSnapshot(_) => Outcome::Started,
        })
    }
}

/// When a guest's second look comes. The first is at once; hundreds of guests that were found at the agent's start would else look at the
/// same moment for as long as it runs. A guest's id ends in random bits.
fn turn(guest: GuestId) -> Duration {
    let last = guest.uuid().as_bytes()[15];
    HOUSEKEEPING * u32::from(last) / 256
}

/// Until the guest's QEMU has ended; for ever if none runs.
async fn ended(running: Option<&Running>) {
    match running {
        Some(running) => {
            running.machine.ended().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_look_by_turns() {
        let mut turns: Vec<_> =
            (0..=255).map(|last| turn(GuestId::from_uuid(uuid::Uuid::from_bytes([last; 16])))).collect();
        assert_eq!((turns[0], turns[128]), (Duration::ZERO, HOUSEKEEPING / 2));
        turns.dedup();
        assert!(turns.len() == 256 && turns.iter().all(|turn| *turn < HOUSEKEEPING));
    }
}
