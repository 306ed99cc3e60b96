//! Repairs file systems in which their own checkers find errors.

use std::path::Path;
use std::time::Duration;

use crate::devices::Device;
use crate::extfs;
use crate::patient::Patient;
use crate::rules::root_filesystem_errors::{UNPLAYED, errors, needed};
use crate::surgery::{Step, Stop};

pub const TITLE: &str = "Repair the file system with its own checker (e2fsck, xfs_repair)";

/// For the check of one file system. A repair has more time than a diagnosis.
const LIMIT: Duration = Duration::from_secs(600);

pub fn run(patient: &Patient) -> Result<Vec<Step>, Stop> {
    let mut steps = Vec::new();
    let mut unknown = Vec::new();
    for device in needed(patient) {
        match errors(&device, LIMIT) {
            Ok(found) if found.is_empty() => {}
            Ok(_) => steps.push(step(&device)?),
            // Only a check that replays the journal can tell: it does so here.
            Err(_) if unplayed(&device) => steps.push(step(&device)?),
            Err(why) if why == UNPLAYED => unknown.push(format!(
                "{}: its log has to be played back first: mount it for writing and unmount it (rescue-mount, rescue-mount --undo)",
                device.path()
            )),
            Err(why) => unknown.push(why),
        }
    }
    if steps.is_empty() {
        return Err(match unknown.first() {
            Some(why) => Stop::Refused(why.clone()),
            None => Stop::Nothing("no errors are found".into()),
        });
    }
    Ok(steps)
}

fn unplayed(device: &Device) -> bool {
    extfs::primary(Path::new(&device.path())).ok().flatten().is_some_and(|superblock| superblock.needs_recovery)
}

fn step(device: &Device) -> Result<Step, Stop> {
    let path = device.path();
    match device.filesystem.as_str() {
        "xfs" => Ok(Step { program: "xfs_repair", args: vec![path], good: &[0] }),
        "btrfs" => Err(Stop::Refused(format!(
            "{path} is btrfs, whose repair may do more harm than good; mount it with rescue=all and save what is on it"
        ))),
        _ => Ok(Step { program: "e2fsck", args: vec!["-f".into(), "-y".into(), path], good: &[0, 1, 2, 3] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_system_has_its_checker_and_btrfs_is_left_alone() {
        let device =
            |filesystem: &str| Device { name: "vda1".into(), filesystem: filesystem.into(), ..Device::default() };
        assert_eq!(step(&device("ext3")).unwrap().args, ["-f", "-y", "/dev/vda1"]);
        assert_eq!(step(&device("xfs")).unwrap().program, "xfs_repair");
        assert!(matches!(step(&device("btrfs")), Err(Stop::Refused(_))));
    }
}
