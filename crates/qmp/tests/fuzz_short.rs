//! The fuzz target `qmp`, for some seconds (LIFEBOAT_FUZZ_SECONDS, 3) and on stable: the seeds, and what a repeatable mutation makes
//! of them.

use std::path::Path;

mod check;
#[path = "../../tftp/tests/check/mutate.rs"]
mod mutate;

#[test]
fn any_stream_is_borne() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/qmp");
    let tried = mutate::run(&seeds, mutate::time(), check::stream);
    assert!(tried > 1000, "{tried} inputs only");
}
