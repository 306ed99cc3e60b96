//! Lets the system's own ldconfig make links to libraries that are there.

use std::time::Duration;

use crate::rules::library_missing::missing;
use crate::surgery::{Outcome, Stop, Surgery};

pub const TITLE: &str = "Make missing links to shared libraries again (ldconfig)";
const LIMIT: Duration = Duration::from_secs(120);

pub fn run(surgery: &mut Surgery<'_>) -> Outcome {
    let before = missing(surgery.system()?);
    if before.is_empty() {
        return Err(Stop::Nothing("no library is missing".into()));
    }
    surgery.chroot(&["/sbin/ldconfig"], LIMIT)?;
    if surgery.dry_run {
        return Ok("would make the links of all libraries again".into());
    }
    let after = missing(surgery.system()?);
    match after.keys().next() {
        None => Ok(format!("{} found again", before.keys().cloned().collect::<Vec<_>>().join(", "))),
        Some(library) => Err(Stop::Failed(format!("{library} is still missing: install its package again"))),
    }
}
