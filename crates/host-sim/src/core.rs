//! The ledger, the operations at work, the counting of executions. One per simulated host; it outlives crashes, as a disk and
//! QEMU processes do. What a crash ends carries the token of one *life*.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{Begin, Ledger, LedgerError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use types::id::{GuestId, OperationId};
use types::operation::{Failure, FailureCode, GuestReport, OperationHeader, Outcome};

use crate::behaviour::{Behaviour, Pace, Reports, Rule, Verb};
use crate::guests::{Guests, Work};
use crate::options::SimOptions;

/// One time that an operation was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    pub operation: OperationId,
    pub guest: GuestId,
    pub verb: Verb,
    pub sequence: u64,
}

pub(crate) struct Core {
    pub options: SimOptions,
    pub ledger: Ledger,
    state: Mutex<State>,
    /// Counts changes of anything below: whoever waits for a condition looks again.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct State {
    pub guests: Guests,
    pub rules: Vec<Rule>,
    pub executions: Vec<Execution>,
    pub running: HashMap<OperationId, Running>,
    pub runs: u64,
    pub held: Vec<Execution>,
    pub released: HashSet<OperationId>,
    pub reports: HashMap<OperationId, Reports>,
    /// Outcomes that reached region, in order, repeats included.
    pub reported: Vec<OperationId>,
    pub region: Option<String>,
    pub host_id: String,
    pub registrations: u32,
    pub heartbeats: u32,
    pub mute: bool,
    pub draining: bool,
    /// What it says that it speaks; None: nothing.
    pub protocol: Option<proto::version::Range>,
    /// How often the machine has started.
    pub boots: u32,
    /// The start that region was told of last; empty: none.
    pub told_boot: String,
    /// What open consoles are to show, by guest.
    pub consoles: Vec<(GuestId, mpsc::Sender<Vec<u8>>)>,
}

impl State {
    pub fn boot_id(&self) -> String {
        format!("boot-{}", self.boots)
    }
}

pub(crate) struct Running {
    guest: GuestId,
    /// Tells two runs of one operation, before and after a crash, apart.
    run: u64,
    /// Cancelled when a later operation for the guest begins.
    overtaken: CancellationToken,
}

/// A request that was read and found in order.
#[derive(Clone)]
pub(crate) struct Request {
    pub header: OperationHeader,
    pub verb: Verb,
    pub work: Work,
    pub fingerprint: String,
}

/// What the ledger said to a request.
pub(crate) enum Accepted {
    Ended(Outcome),
    Running,
    Refused(ledger::Refusal),
}

impl Core {
    pub fn new(options: SimOptions, ledger: Ledger) -> Self {
        let protocol = Some(proto::version::OURS);
        let state = State { region: options.region.clone(), protocol, ..State::default() };
        Self { options, ledger, state: Mutex::new(state), changes: watch::Sender::new(0) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and lets everybody who waits look again.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
        done
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Until `condition` gives something.
    pub async fn until<T>(&self, condition: impl Fn(&State) -> Option<T>) -> T {
        let mut changes = self.watch();
        loop {
            changes.borrow_and_update();
            if let Some(found) = condition(&self.state()) {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub fn behaviour(&self, verb: Verb, guest: GuestId) -> Behaviour {
        let mut state = self.state();
        let Some(rule) = state.rules.iter_mut().rev().find(|rule| rule.fits(verb, guest)) else {
            return Behaviour::default();
        };
        rule.left = rule.left.map(|left| left - 1);
        rule.behaviour.clone()
    }

    pub fn reports(&self) -> Vec<GuestReport> {
        self.state().guests.guests.values().map(|guest| guest.report()).collect()
    }

    /// Writes the request to the ledger and sets it to work, if it is new or was interrupted.
    pub async fn accept(
        self: &Arc<Self>,
        request: Request,
        behaviour: &Behaviour,
        life: &CancellationToken,
    ) -> Result<Accepted, LedgerError> {
        let fresh = match self.ledger.begin_async(&request.header, &request.fingerprint).await? {
            Begin::Ended(outcome) => return Ok(Accepted::Ended(outcome)),
            Begin::Refused(refusal) => return Ok(Accepted::Refused(refusal)),
            Begin::Fresh => true,
            Begin::InProgress => false,
        };
        let overtaken = CancellationToken::new();
        let (id, guest) = (request.header.id, request.header.guest);
        let start = self.change(|state| {
            if state.running.contains_key(&id) {
                return None;
            }
            if fresh {
                state.running.values().filter(|other| other.guest == guest).for_each(|other| other.overtaken.cancel());
                state.reports.insert(id, behaviour.reports);
            }
            state.runs += 1;
            let run = state.runs;
            state.running.insert(id, Running { guest, run, overtaken: overtaken.clone() });
            Some(run)
        });
        if let Some(run) = start {
            let (core, behaviour, life) = (Arc::clone(self), behaviour.clone(), life.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = life.cancelled() => {}
                    () = core.carry_out(&request, &behaviour, &overtaken) => {}
                }
                core.change(|state| {
                    if state.running.get(&id).is_some_and(|running| running.run == run) {
                        state.running.remove(&id);
                        state.held.retain(|held| held.operation != id);
                    }
                });
            });
        }
        Ok(Accepted::Running)
    }

    /// Until the operation has ended, for a reply that is to hold the outcome.
    pub async fn ended(&self, operation: OperationId) -> Outcome {
        self.until(|_| self.ledger.outcome(operation)).await
    }

    async fn carry_out(&self, request: &Request, behaviour: &Behaviour, overtaken: &CancellationToken) {
        let outcome = tokio::select! {
            biased;
            () = overtaken.cancelled() => Outcome::Failed { failure: Failure {
                code: FailureCode::WrongState,
                message: "a later operation took its place".into(),
                evidence: Vec::new(),
            } },
            outcome = self.perform(request, behaviour) => outcome,
        };
        if let Err(error) = self.ledger.end_async(request.header.id, &outcome).await {
            tracing::error!(operation = %request.header.id, %error, "the outcome could not be recorded");
        }
        self.change(|_| ());
    }

    async fn perform(&self, request: &Request, behaviour: &Behaviour) -> Outcome {
        let execution = Execution {
            operation: request.header.id,
            guest: request.header.guest,
            verb: request.verb,
            sequence: request.header.sequence,
        };
        match behaviour.pace {
            Pace::Inline | Pace::HeldAfter => {}
            Pace::After(delay) => tokio::time::sleep(delay).await,
            Pace::HeldBefore => self.hold(execution).await,
        }
        let outcome = self.change(|state| {
            state.executions.push(execution);
            match &behaviour.fail {
                Some(failure) => Outcome::Failed { failure: failure.clone() },
                None => {
                    let options = &self.options;
                    let (id, work) = (request.header.guest, &request.work);
                    state.guests.apply(id, work, &options.qemu_versions, &options.accelerator)
                }
            }
        });
        if behaviour.pace == Pace::HeldAfter {
            self.hold(execution).await;
        }
        outcome
    }

    async fn hold(&self, execution: Execution) {
        self.change(|state| state.held.push(execution));
        self.until(|state| state.released.contains(&execution.operation).then_some(())).await;
        self.change(|state| state.held.retain(|held| held.operation != execution.operation));
    }
}
