//! Any datagram is read without a panic, what was read survives a round trip, and what a request is granted keeps to the rules.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/tftp/tests/check/mod.rs"]
mod check;

fuzz_target!(|datagram: &[u8]| check::packet(datagram));
