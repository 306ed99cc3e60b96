//! Puts LUKS2's second header in the place of the first.

use crate::patient::Patient;
use crate::rules::luks_header_damaged;
use crate::surgery::{Step, Stop};
use crate::tools;

pub const TITLE: &str = "Restore the header of an encrypted volume from its second copy";

pub fn run(patient: &Patient) -> Result<Vec<Step>, Stop> {
    let damaged = luks_header_damaged::damaged(patient);
    if damaged.is_empty() {
        return Err(Stop::Nothing("no encrypted volume has lost its first header alone".into()));
    }
    if tools::find("cryptsetup").is_none() {
        return Err(Stop::Refused("this rescue image has no cryptsetup; use the image std".into()));
    }
    let step = |(device, _)| Step {
        program: "cryptsetup",
        args: vec!["repair".into(), "--batch-mode".into(), "--type".into(), "luks2".into(), device],
        good: &[0],
    };
    Ok(damaged.into_iter().map(step).collect())
}
