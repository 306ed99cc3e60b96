//! Something happens at the n-th step of a task, whatever its stages are called: a sweep over n meets every stage that there is, and every
//! one that is added later.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use task_engine::StepError;
use task_engine::testing::{BeforeRun, BeforeSave, Intercept, StepInfo};
use tokio::sync::Notify;

/// What happens at the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It stands still before it begins, to be killed: the step before is saved.
    HangBeforeRun,
    /// It stands still when it has run, to be killed: its work is done, but nobody knows.
    HangBeforeSave,
    /// Its stage fails for good before it runs.
    FailBefore,
    /// Its stage fails for good after it ran.
    FailAfter,
}

/// Where it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The number that was given to [`Script::at_replica`].
    pub replica: usize,
    pub info: StepInfo,
}

/// One script is shared by all replicas of a test. Clones are the same script.
#[derive(Clone, Default)]
pub struct Script(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    reached: Notify,
}

#[derive(Default)]
struct State {
    act: Option<Act>,
    only_way_back: bool,
    /// Steps that are still to be let through.
    left: u32,
    step: Option<Step>,
}

impl Script {
    /// At the `nth` step from now (1 is the next), once. `only_way_back` counts steps after the first failure alone. What was planned before
    /// is forgotten.
    pub fn plan(&self, nth: u32, act: Act, only_way_back: bool) {
        *self.state() = State { act: Some(act), only_way_back, left: nth.saturating_sub(1), step: None };
    }

    /// From now on nothing happens.
    pub fn forget(&self) {
        *self.state() = State::default();
    }

    /// Where it happened, if it has happened since it was planned.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        self.state().step.clone()
    }

    /// Until it happens.
    pub async fn reached(&self) -> Step {
        loop {
            let reached = self.0.reached.notified();
            if let Some(step) = self.step() {
                return step;
            }
            reached.await;
        }
    }

    /// For the engine of one replica.
    #[must_use]
    pub fn at_replica(&self, replica: usize) -> Arc<dyn Intercept> {
        Arc::new(OfReplica { script: self.clone(), replica })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts; whether this is the step.
    fn is_it(&self, replica: usize, info: &StepInfo, acts: &[Act]) -> Option<Act> {
        let mut state = self.state();
        let act = state.act.filter(|act| acts.contains(act))?;
        // A way back that can't even begin is for a person to look at: `failed` is not made to fail.
        let fails = matches!(act, Act::FailBefore | Act::FailAfter);
        if state.step.is_some() || (fails && info.failing) || (state.only_way_back && !info.way_back && !info.failing) {
            return None;
        }
        if state.left > 0 {
            state.left -= 1;
            return None;
        }
        state.step = Some(Step { replica, info: info.clone() });
        drop(state);
        self.0.reached.notify_waiters();
        Some(act)
    }
}

struct OfReplica {
    script: Script,
    replica: usize,
}

impl Intercept for OfReplica {
    fn before_run(&self, info: &StepInfo) -> BeforeRun {
        let fail = || BeforeRun::Fail(StepError::permanent("as the test wants").with_code("made_to_fail"));
        match self.script.is_it(self.replica, info, &[Act::HangBeforeRun, Act::FailBefore]) {
            Some(Act::HangBeforeRun) => return BeforeRun::Hang,
            Some(_) => return fail(),
            None => {}
        }
        // It ran, and was dropped: now its stage is failed.
        let state = self.script.state();
        let ran = |step: &Step| step.info.operation == info.operation && !info.failing;
        if state.act == Some(Act::FailAfter) && state.step.as_ref().is_some_and(ran) {
            return fail();
        }
        BeforeRun::Run
    }

    fn before_save(&self, info: &StepInfo) -> BeforeSave {
        match self.script.is_it(self.replica, info, &[Act::HangBeforeSave, Act::FailAfter]) {
            Some(Act::HangBeforeSave) => BeforeSave::Hang,
            Some(_) => BeforeSave::Crash,
            None => BeforeSave::Save,
        }
    }
}
