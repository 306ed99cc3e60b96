//! No name, by TFTP or percent-encoded by HTTP, leads out of the root.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/baremetal-agent/tests/check/mod.rs"]
mod check;

fuzz_target!(|name: &[u8]| {
    static SITE: OnceLock<check::Trapped> = OnceLock::new();
    SITE.get_or_init(check::Trapped::new).name(name);
});
