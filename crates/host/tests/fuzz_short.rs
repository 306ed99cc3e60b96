//! The fuzz target `desc`, for some seconds (LIFEBOAT_FUZZ_SECONDS, 3) and on stable: the seeds, and what a repeatable mutation makes
//! of them.

use std::path::Path;

mod check;
#[path = "../../tftp/tests/check/mutate.rs"]
mod mutate;

#[test]
fn any_desc_is_refused_or_makes_a_sane_machine() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/desc");
    let mut taken = 0;
    let tried = mutate::run(&seeds, mutate::time(), |input| taken += usize::from(check::desc(input)));
    assert!(tried > 1000 && taken > 100, "{tried} inputs only, {taken} of them taken");
}
