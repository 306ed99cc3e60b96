//! The model: a server as its host has it, the tasks as plain sequences of requests, and the statuses as a table. Written from what is
//! promised, not from region's code: it knows no database, no retries, no leases.

use std::collections::BTreeMap;

use host_sim::Verb;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use types::GuestStatus::{
    self, Ready, Rescue, ResumeFailed, Running, StartFailed, StartRescueFailed, StopFailed, StopRescueFailed,
    SuspendFailed, Suspended,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    Off,
    On,
    Paused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Start,
    Stop,
    Restart,
    Suspend,
    Resume,
    StartRescue,
    StopRescue,
    Sync,
}

pub const ASKS: &[Ask] =
    &[Ask::Start, Ask::Stop, Ask::Restart, Ask::Suspend, Ask::Resume, Ask::StartRescue, Ask::StopRescue, Ask::Sync];

/// What goes wrong on the way without being anybody's answer: it must change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// The replies to the first requests are lost.
    LostReplies,
    /// Each outcome is reported twice.
    TwoReports,
    /// Outcomes are not reported: region must ask.
    NoReports,
    /// The host's agent ends while the first request is at work, and comes back.
    HostCrash,
    /// Region ends while the first request is at work, and comes back.
    RegionCrash,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// A verb. The host refuses the next of each of these requests for good.
    Ask { what: Ask, refuses: Vec<Verb>, trouble: Trouble },
    /// The guest powers itself off.
    PowersOff,
    /// A request that was carried out long ago comes once more, and one with an old number that was never seen.
    LateRequests,
}

/// The host's side.
#[derive(Debug, Clone)]
pub struct Machine {
    pub power: Power,
    /// Its desc has a rescue section.
    pub rescue: bool,
    /// What was carried out since the step began, in order.
    pub carried_out: Vec<Verb>,
    refuses: BTreeMap<String, Verb>,
}

impl Machine {
    /// One request: refused as the test wants, refused because it makes no sense, or carried out.
    fn ask(&mut self, verb: Verb) -> Result<(), ()> {
        self.carried_out.push(verb);
        if self.refuses.remove(&verb.to_string()).is_some() {
            return Err(());
        }
        match verb {
            Verb::StartGuest if self.rescue => return Err(()),
            Verb::StartGuest => self.power = Power::On,
            Verb::StopGuest => self.power = Power::Off,
            Verb::WriteRescueDesc if self.power != Power::Off => return Err(()),
            Verb::WriteRescueDesc => self.rescue = true,
            Verb::StartRescue => self.power = Power::On,
            Verb::AwaitReady if self.power != Power::On => return Err(()),
            Verb::PreflightRescue if self.rescue => return Err(()),
            Verb::SuspendGuest | Verb::ResumeGuest if self.power == Power::Off => return Err(()),
            Verb::SuspendGuest => self.power = Power::Paused,
            Verb::ResumeGuest => self.power = Power::On,
            _ => {}
        }
        Ok(())
    }

    fn all(&mut self, verbs: &[Verb]) -> Result<(), usize> {
        verbs.iter().enumerate().try_for_each(|(at, verb)| self.ask(*verb).map_err(|()| at))
    }

    /// Takes the rescue section away, and with it the rescue system where one runs.
    fn restore(&mut self) -> Result<(), ()> {
        self.ask(Verb::RestoreDesc)?;
        if self.rescue {
            self.power = Power::Off;
        }
        self.rescue = false;
        Ok(())
    }

    /// The status that fits what the host has.
    const fn status(&self) -> GuestStatus {
        match self.power {
            Power::Off => Ready,
            Power::On => Running,
            Power::Paused => Suspended,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Server {
    pub status: GuestStatus,
    pub machine: Machine,
    /// The status to come back to.
    prior: GuestStatus,
    /// A session is open.
    pub session: bool,
    /// Whether the last request was taken, and how its task ended.
    pub taken: bool,
    pub succeeded: bool,
}

impl Server {
    /// Whether region takes a verb in the status that it is in.
    fn takes(&self, ask: Ask) -> bool {
        let from: &[GuestStatus] = match ask {
            Ask::Start => &[Ready, StartFailed, StopFailed, StartRescueFailed],
            Ask::Stop => {
                &[Running, StartFailed, StopFailed, SuspendFailed, ResumeFailed, StartRescueFailed, StopRescueFailed]
            }
            Ask::Restart => &[Running, StartFailed, StopFailed, Rescue],
            Ask::Suspend => &[Running, SuspendFailed],
            Ask::Resume => &[Suspended, SuspendFailed, ResumeFailed],
            Ask::StartRescue => &[Ready, Running, StartRescueFailed, StopRescueFailed],
            Ask::StopRescue => &[Rescue, StartRescueFailed, StopRescueFailed],
            Ask::Sync => return true,
        };
        from.contains(&self.status)
    }

    fn asked(&mut self, what: Ask) {
        self.taken = self.takes(what);
        if !self.taken {
            return;
        }
        let left_over = matches!(self.status, StartRescueFailed | StopRescueFailed);
        let (status, succeeded) = match what {
            Ask::Start => self.start(left_over),
            Ask::Stop => self.stop(left_over),
            Ask::Restart if self.status == Rescue => {
                let done = self.machine.all(&[Verb::StopGuest, Verb::StartRescue, Verb::AwaitReady]);
                (Rescue, done.is_ok())
            }
            Ask::Restart => match self.machine.all(&[Verb::StopGuest, Verb::StartGuest]) {
                Ok(()) => (Running, true),
                Err(0) => (StopFailed, false),
                Err(_) => (StartFailed, false),
            },
            Ask::Suspend => self.one(Verb::SuspendGuest, Suspended, SuspendFailed),
            Ask::Resume => self.one(Verb::ResumeGuest, Running, ResumeFailed),
            Ask::StartRescue => self.start_rescue(left_over),
            Ask::StopRescue => self.stop_rescue(),
            Ask::Sync => self.sync(),
        };
        (self.status, self.succeeded) = (status, succeeded);
    }

    fn start(&mut self, left_over: bool) -> (GuestStatus, bool) {
        if left_over {
            if self.machine.restore().is_err() {
                return (StartRescueFailed, false);
            }
            self.session = false;
        }
        match self.machine.ask(Verb::StartGuest) {
            Ok(()) => (Running, true),
            Err(()) => (StartFailed, false),
        }
    }

    fn stop(&mut self, left_over: bool) -> (GuestStatus, bool) {
        let failed = if left_over { self.status } else { StopFailed };
        if self.machine.ask(Verb::StopGuest).is_err() || (left_over && self.machine.restore().is_err()) {
            return (failed, false);
        }
        self.session &= !left_over;
        (Ready, true)
    }

    /// One request; where it fails, the host is asked how the server is.
    fn one(&mut self, verb: Verb, to: GuestStatus, failed: GuestStatus) -> (GuestStatus, bool) {
        if self.machine.ask(verb).is_ok() {
            return (to, true);
        }
        match self.machine.ask(Verb::RestoreDesc) {
            Ok(()) => (self.machine.status(), false),
            Err(()) => (failed, false),
        }
    }

    fn start_rescue(&mut self, left_over: bool) -> (GuestStatus, bool) {
        let from = self.status;
        let prior = if left_over { self.prior } else { from };
        // The earlier session is given up with the request, whatever comes of it.
        self.session = false;
        let machine = &mut self.machine;
        let begun = if left_over { machine.ask(Verb::StopGuest).and_then(|()| machine.restore()) } else { Ok(()) };
        if begun.is_err() || machine.all(&[Verb::PreflightRescue, Verb::PrepareRescue]).is_err() {
            return (from, false);
        }
        self.prior = prior;
        let machine = &mut self.machine;
        let way = [Verb::StopGuest, Verb::WriteRescueDesc, Verb::StartRescue, Verb::AwaitReady];
        let Err(at) = machine.all(&way) else {
            self.session = true;
            return (Rescue, true);
        };
        // The way back: finish the stop, restore, start again.
        let stopped = at > 0 || machine.ask(Verb::StopGuest).is_ok();
        let back = stopped && machine.restore().is_ok() && (prior == Ready || machine.ask(Verb::StartGuest).is_ok());
        (if back { prior } else { StartRescueFailed }, false)
    }

    fn stop_rescue(&mut self) -> (GuestStatus, bool) {
        let machine = &mut self.machine;
        let on = self.prior == Running;
        if machine.ask(Verb::StopGuest).is_err()
            || machine.restore().is_err()
            || (on && machine.ask(Verb::StartGuest).is_err())
        {
            return (StopRescueFailed, false);
        }
        self.session = false;
        (if on { Running } else { Ready }, true)
    }

    /// The host is asked; in rescue and after a failed rescue nothing follows from its answer but the power.
    fn sync(&mut self) -> (GuestStatus, bool) {
        let told = self.machine.ask(Verb::RestoreDesc).is_ok();
        let stays = matches!(self.status, Rescue | StartRescueFailed | StopRescueFailed);
        (if told && !stays { self.machine.status() } else { self.status }, told)
    }
}

pub struct Model;

fn step() -> impl Strategy<Value = Step> {
    let refused = [
        Verb::PreflightRescue,
        Verb::PrepareRescue,
        Verb::StopGuest,
        Verb::WriteRescueDesc,
        Verb::StartRescue,
        Verb::AwaitReady,
        Verb::RestoreDesc,
        Verb::StartGuest,
        Verb::SuspendGuest,
        Verb::ResumeGuest,
    ];
    let refuses = prop_oneof![
        3 => Just(Vec::new()),
        2 => proptest::sample::subsequence(refused.to_vec(), 1..=3),
    ];
    let trouble = prop_oneof![
        4 => Just(Trouble::None),
        1 => Just(Trouble::LostReplies),
        1 => Just(Trouble::TwoReports),
        1 => Just(Trouble::NoReports),
        1 => Just(Trouble::HostCrash),
        1 => Just(Trouble::RegionCrash),
    ];
    let what = prop_oneof![
        3 => proptest::sample::select(ASKS.to_vec()),
        4 => proptest::sample::select(vec![Ask::StartRescue, Ask::StopRescue]),
    ];
    prop_oneof![
        12 => (what, refuses, trouble).prop_map(|(what, refuses, trouble)| Step::Ask { what, refuses, trouble }),
        1 => Just(Step::PowersOff),
        1 => Just(Step::LateRequests),
    ]
}

impl ReferenceStateMachine for Model {
    type State = Server;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Server> {
        let on = |on: bool| Server {
            status: if on { Running } else { Ready },
            machine: Machine {
                power: if on { Power::On } else { Power::Off },
                rescue: false,
                carried_out: Vec::new(),
                refuses: BTreeMap::new(),
            },
            prior: Ready,
            session: false,
            taken: false,
            succeeded: false,
        };
        any::<bool>().prop_map(on).boxed()
    }

    fn transitions(_: &Server) -> BoxedStrategy<Step> {
        step().boxed()
    }

    fn preconditions(state: &Server, step: &Step) -> bool {
        match step {
            // Elsewhere nobody is sure that it ran, and the status need not follow.
            Step::PowersOff => matches!(state.status, Running | Rescue) && state.machine.power == Power::On,
            // What a failed start or stop leaves is looked at again by syncstatus alone.
            Step::Ask { .. } | Step::LateRequests => true,
        }
    }

    fn apply(mut state: Server, step: &Step) -> Server {
        state.machine.carried_out.clear();
        match step {
            Step::Ask { what, refuses, .. } => {
                state.machine.refuses = refuses.iter().map(|verb| (verb.to_string(), *verb)).collect();
                state.asked(*what);
                state.machine.refuses.clear();
            }
            Step::PowersOff => {
                state.machine.power = Power::Off;
                if state.status == Running {
                    state.status = Ready;
                }
            }
            Step::LateRequests => {}
        }
        state
    }
}
