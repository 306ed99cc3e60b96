//! A small model of a server, its tasks and its host's ledger, and the real ones beside it: whatever is asked, refused, lost, repeated or
//! killed, both must say the same. Sequences are drawn by proptest; one that fails is made as short as it can be before it is shown.
//!
//! [`reference`] is the model, [`world`] does each step to the real region and compares.

mod reference;
mod world;

use std::sync::{Mutex, OnceLock, PoisonError};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use testing::{Setup, Stack};
use tokio::runtime::Runtime;

use reference::{Ask, Model, Server, Step};
use world::{Case, Sown};

/// One region for all cases.
struct World {
    runtime: Runtime,
    stack: Mutex<Stack>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        service::telemetry::init(&service::telemetry::LogConfig { filter: "off".into(), ..Default::default() });
        let stack = runtime.block_on(Stack::start_with(Setup::default()));
        World { runtime, stack: Mutex::new(stack) }
    })
}

/// Region as it is, or with a fault sown.
struct Real<const FAULTY: bool>;

impl<const FAULTY: bool> StateMachineTest for Real<FAULTY> {
    type SystemUnderTest = Case;
    type Reference = Model;

    fn init_test(state: &Server) -> Case {
        let World { runtime, stack } = world();
        let stack = stack.lock().unwrap_or_else(PoisonError::into_inner);
        // What a case that failed has left.
        stack.host.behave();
        runtime.block_on(world::begin(&stack, state))
    }

    fn apply(mut case: Case, expected: &Server, step: Step) -> Case {
        let World { runtime, stack } = world();
        let mut stack = stack.lock().unwrap_or_else(PoisonError::into_inner);
        let sown = if FAULTY { Sown::CredentialsAreKept } else { Sown::Nothing };
        runtime.block_on(world::step(&mut stack, &mut case, expected, &step, sown));
        case
    }

    fn teardown(case: Case, _: <Model as ReferenceStateMachine>::State) {
        let World { runtime, stack } = world();
        let stack = stack.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.block_on(world::end(&stack, &case));
    }
}

prop_state_machine! {
    #![proptest_config(Config {
        // MODEL_CASES=500 for a longer look.
        cases: std::env::var("MODEL_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(12),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    })]

    #[test]
    fn region_and_model_say_the_same(sequential 1..14 => Real<false>);
}

/// That the model looks: a region that forgets to erase the credentials of a session that has ended is found out, and the sequence that shows
/// it is made short. The same sequences each time.
#[test]
fn a_fault_that_was_sown_is_found_and_made_short() {
    let config = Config { cases: 40, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let found = runner.run(&Model::sequential_strategy(6..14), |(initial, steps, seen)| {
        Real::<true>::test_sequential(config.clone(), initial, steps, seen);
        Ok(())
    });
    let Err(TestError::Fail(why, (_, steps, _))) = found else { panic!("the fault was not found: {found:?}") };
    assert!(why.message().contains("credentials"), "{why}");
    let asked: Vec<Ask> =
        steps.iter().filter_map(|step| if let Step::Ask { what, .. } = step { Some(*what) } else { None }).collect();
    // A start that fails ends its session too.
    assert!(asked == [Ask::StartRescue] || asked == [Ask::StartRescue, Ask::StopRescue], "{steps:?}");
}
