//! A small model of a server, its tasks and its host's ledger, and the real ones beside it: whatever is asked, refused, lost, repeated or
//! killed, both must say the same. Sequences are drawn by proptest; one that fails is made as short as it can be before it is shown.
//!
//! [`reference`] is the model, [`world`] does each step to the real region and compares.

mod reference;
mod world;

use std::sync::{Mutex, OnceLock, PoisonError};

use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use testing::{Setup, Stack};
use tokio::runtime::Runtime;

use reference::{Model, Server, Step};
use world::Case;

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

struct Real;

impl StateMachineTest for Real {
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
        runtime.block_on(world::step(&mut stack, &mut case, expected, &step));
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
    fn region_and_model_say_the_same(sequential 1..14 => Real);
}
