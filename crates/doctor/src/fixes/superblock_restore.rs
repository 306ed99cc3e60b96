//! Puts a backup superblock back and checks the file system with it.

use crate::patient::Patient;
use crate::rules::superblock_gone::{self, Was};
use crate::surgery::{Step, Stop};
use crate::tools;

pub const TITLE: &str = "Restore the superblock from the file system's own backup";

pub fn run(patient: &Patient) -> Result<Vec<Step>, Stop> {
    let lost = superblock_gone::lost(patient);
    if lost.is_empty() {
        return Err(Stop::Nothing("no device lacks its superblock while a backup is there".into()));
    }
    let xfs = lost.iter().any(|(_, _, was)| matches!(was, Was::Xfs(_)));
    if xfs && tools::find("xfs_repair").is_none() {
        return Err(Stop::Refused("this rescue image has no xfs_repair; use the image std".into()));
    }
    Ok(lost.into_iter().map(step).collect())
}

fn step((device, block, was): superblock_gone::Lost) -> Step {
    match was {
        Was::Ext(found) => Step {
            program: "e2fsck",
            args: ["-f", "-y", "-b", &block.to_string(), "-B", &found.block_size.to_string(), &device]
                .map(String::from)
                .to_vec(),
            // 1: errors were corrected; 2: and a system that runs on it would have to start anew.
            good: &[0, 1, 2, 3],
        },
        // It finds the copy itself.
        Was::Xfs(_) => Step { program: "xfs_repair", args: vec![device], good: &[0] },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_sound_machine_needs_none() {
        assert!(matches!(run(&Folder::new().patient()), Err(Stop::Nothing(_))));
    }
}
