//! Any text is refused as a desc, or makes a machine in which nothing is there twice.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/host/tests/check/mod.rs"]
mod check;

fuzz_target!(|input: &[u8]| {
    check::desc(input);
});
