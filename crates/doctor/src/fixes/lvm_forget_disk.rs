//! Lets a volume group forget disks that are gone and that no volume lies on. Until then many systems do not activate the group at all.

use crate::patient::Patient;
use crate::rules::lvm_volume_missing::{incomplete, partial};
use crate::surgery::{Step, Stop};

pub const TITLE: &str = "Let a volume group forget a disk that is gone, if no volume lies on it";

pub fn run(patient: &Patient) -> Result<Vec<Step>, Stop> {
    let groups = incomplete(patient).map_err(Stop::Refused)?;
    if groups.is_empty() {
        return Err(Stop::Nothing("every volume group has all of its disks".into()));
    }
    let partial = partial().map_err(Stop::Refused)?;
    let lost: Vec<String> = partial.iter().map(|(group, volume)| format!("{group}/{volume}")).collect();
    let steps: Vec<Step> = groups
        .into_iter()
        .filter(|(group, _)| !partial.iter().any(|(other, _)| other == group))
        .map(|(group, _)| Step {
            program: "lvm",
            args: vec!["vgreduce".into(), "--removemissing".into(), group],
            good: &[0],
        })
        .collect();
    if steps.is_empty() {
        return Err(Stop::Refused(format!(
            "{} lies on the disk that is gone: attach that, or give the volume up (lvm vgreduce --removemissing --force)",
            lost.join(", ")
        )));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_machine_without_volumes_needs_none() {
        assert!(matches!(run(&Folder::new().patient()), Err(Stop::Nothing(_))));
    }
}
