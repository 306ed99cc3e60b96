//! Any bytes from a control socket are cut into the same lines whatever the pieces, and read without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/qmp/tests/check/mod.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::stream(input));
