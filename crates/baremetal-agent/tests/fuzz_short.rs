//! The fuzz target `path`, for some seconds (LIFEBOAT_FUZZ_SECONDS, 3) and on stable: the seeds, and what a
//! repeatable mutation makes of them.

use std::path::Path;

mod check;
#[path = "../../tftp/tests/check/mutate.rs"]
mod mutate;

#[test]
fn no_name_leads_out() {
    let trapped = check::Trapped::new();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/path");
    let tried = mutate::run(&seeds, mutate::time(), |name| trapped.name(name));
    assert!(tried > 1000, "{tried} inputs only");
}
