//! What a task goes through when all processes live.

mod errors;
mod families;
mod stages;
mod stored;
#[path = "../support/mod.rs"]
mod support;
mod waits;

const ALL: [&str; 4] = ["first", "second", "third", "last"];
