//! Clocks that jump: programs run under libfaketime, where it is, and read how far theirs is off from a file of their own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lifeboat::state::State;

const PLACES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Where the library is.
#[must_use]
pub fn library() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

fn file(state: &State, program: &str) -> PathBuf {
    state.path("clock").join(program)
}

/// The variables that a program is to run with. Only the time of day jumps; what counts from the start of the machine never does, as on a
/// machine whose clock is set.
///
/// # Errors
/// The file can't be written.
pub fn variables(state: &State, program: &str, library: &Path) -> Result<Vec<(String, String)>> {
    std::fs::create_dir_all(state.path("clock"))?;
    set(state, program, 0)?;
    let variables = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file(state, program).display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
        ("NO_FAKE_STAT", "1".into()),
        // Not QEMU, and what else is started.
        ("FAKETIME_ONLY_CMDS", "region,host,baremetal-agent".into()),
    ];
    Ok(variables.map(|(name, value)| (name.to_owned(), value)).into())
}

/// From now on (within a second) the program's clock is off by so many seconds.
///
/// # Errors
/// The file can't be written.
pub fn set(state: &State, program: &str, seconds: i64) -> Result<()> {
    service::files::write_atomic(&file(state, program), format!("{seconds:+}\n").as_bytes(), 0o644)?;
    Ok(())
}
