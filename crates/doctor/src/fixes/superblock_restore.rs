//! Puts a backup superblock back and checks the file system with it.

use crate::patient::Patient;
use crate::rules::superblock_gone;
use crate::surgery::{Step, Stop};

pub const TITLE: &str = "Restore the superblock from the file system's own backup";

pub fn run(patient: &Patient) -> Result<Vec<Step>, Stop> {
    let lost = superblock_gone::lost(patient);
    if lost.is_empty() {
        return Err(Stop::Nothing("no device lacks its superblock while a backup is there".into()));
    }
    let step = |(device, block, found): superblock_gone::Lost| Step {
        program: "e2fsck",
        args: vec![
            "-f".into(),
            "-y".into(),
            "-b".into(),
            block.to_string(),
            "-B".into(),
            found.block_size.to_string(),
            device,
        ],
        // 1: errors were corrected; 2: and a system that runs on it would have to start anew.
        good: &[0, 1, 2, 3],
    };
    Ok(lost.into_iter().map(step).collect())
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
