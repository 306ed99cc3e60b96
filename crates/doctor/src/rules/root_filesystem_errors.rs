//! Errors in the file systems that the machine's boot needs, found by their own checkers without changing anything.

use std::path::Path;
use std::time::Duration;

use crate::devices::{Device, Meaning};
use crate::extfs;
use crate::patient::Patient;
use crate::tools::{self, Deadline};

/// For all of them, so that the other rules get their turn.
const LIMIT: Duration = Duration::from_secs(30);
/// Of a file system that has changes in its journal.
pub const UNPLAYED: &str = "it was not unmounted; only a check that replays its journal, and so writes, could tell";

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let mut evidence = Vec::new();
    let mut unknown = Vec::new();
    let deadline = Deadline::after(patient.deadline.within(LIMIT));
    for device in needed(patient) {
        match errors(&device, deadline.within(LIMIT)) {
            Ok(lines) => evidence.extend(lines.into_iter().map(|line| format!("{}: {line}", device.path()))),
            Err(why) => unknown.push(format!("{}: {why}", device.path())),
        }
    }
    if evidence.is_empty() && !unknown.is_empty() {
        return Err(unknown.join("; "));
    }
    Ok(evidence)
}

/// Root, and what fstab insists on; without a system, everything that can be checked.
pub fn needed(patient: &Patient) -> Vec<Device> {
    let checkable = |device: &&Device| matches!(device.filesystem.as_str(), "ext2" | "ext3" | "ext4" | "xfs" | "btrfs");
    let Some(system) = &patient.system else { return patient.devices.leaves().filter(checkable).cloned().collect() };
    let mut devices = vec![system.device.clone()];
    for line in patient.fstab().iter().filter(|line| !line.is_optional()) {
        if let Meaning::Device(device) = patient.devices.meaning(&line.device)
            && !devices.contains(device)
        {
            devices.push(device.clone());
        }
    }
    devices.retain(|device| checkable(&device));
    devices
}

/// What its checker complains of, if it is given so long.
///
/// # Errors
/// Why it can't be told.
pub fn errors(device: &Device, limit: Duration) -> Result<Vec<String>, String> {
    let path = device.path();
    match device.filesystem.as_str() {
        "xfs" => xfs(tools::run("xfs_repair", &["-n", &path], limit)?),
        "btrfs" => btrfs(tools::run("btrfs", &["check", "--readonly", "--force", &path], limit)?),
        _ => ext(Path::new(&path), limit),
    }
}

/// 1 stands for errors, and for a check that could not be made too (xfs_repair(8), EXIT STATUS).
fn xfs(ended: tools::Ended) -> Result<Vec<String>, String> {
    // As with ext: half-done changes would be taken for errors.
    if ended.text.contains("valuable metadata changes in a log") {
        return Err(UNPLAYED.into());
    }
    let begun = !ended.text.contains("couldn't initialize XFS library");
    complaints(ended, |code| code == 1 && begun)
}

/// It says no more than failure, of whatever kind (btrfs-check(8), EXIT STATUS). It has looked once it names the file
/// system; before that it stumbles over damage in the trees that lead there, or was not able to look.
fn btrfs(ended: tools::Ended) -> Result<Vec<String>, String> {
    let damage = ["Checking filesystem on ", "verify failed", "bytenr mismatch", "bad tree block", "checksum mismatch"];
    let is_damaged = damage.iter().any(|words| ended.text.contains(words));
    complaints(ended, |code| code == 1 && is_damaged)
}

/// 4: errors were left as they are (e2fsck(8), EXIT CODE).
fn ext(path: &Path, limit: Duration) -> Result<Vec<String>, String> {
    let superblock = extfs::primary(path).map_err(|error| error.to_string())?;
    let Some(superblock) = superblock else { return Ok(vec!["its superblock is not readable".into()]) };
    if superblock.needs_recovery {
        // A check without replaying the journal sees half-done changes as errors.
        return if superblock.errors {
            Ok(vec!["its superblock says that the kernel met errors in it".into()])
        } else {
            Err(UNPLAYED.into())
        };
    }
    let path = path.to_str().unwrap_or_default();
    let mut lines = complaints(tools::run("e2fsck", &["-f", "-n", path], limit)?, |code| code & 4 != 0)?;
    if lines.is_empty() && superblock.errors {
        lines.push("its superblock says that the kernel met errors in it".into());
    }
    Ok(lines)
}

fn complaints(ended: tools::Ended, bad: impl Fn(i32) -> bool) -> Result<Vec<String>, String> {
    match ended.code {
        Some(0) => Ok(Vec::new()),
        Some(code) if bad(code) => {
            let noise = [
                "e2fsck ",
                "Warning",
                "Pass ",
                "Phase ",
                "***",
                "Clear? no",
                "Fix? no",
                "        - ",
                "Opening ",
                "Checking ",
                "UUID: ",
                "[",
            ];
            let telling = ended.text.lines().map(str::trim_end).filter(|line| !line.is_empty());
            let telling = telling.filter(|line| !noise.iter().any(|start| line.starts_with(start))).map(tools::clean);
            Ok(telling.take(12).collect())
        }
        _ if ended.too_slow => Err("the check takes longer than a diagnosis may; run it by hand".into()),
        code => Err(format!("the check failed ({code:?}): {}", ended.tail(2).join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extfs::tests::image;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_sound_file_system_has_none_and_a_damaged_one_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = image(folder.path(), 16, 1024);
        assert_eq!(ext(&path, LIMIT), Ok(vec![]));
        assert_eq!(ext(&path, Duration::ZERO).unwrap_err(), tools::NO_TIME);
        // The root folder's inode is wiped: inode 2, at the beginning of the table that dumpe2fs names.
        let said = tools::run("dumpe2fs", &[path.to_str().unwrap()], LIMIT).unwrap().text;
        let table = said.split("Inode table at ").nth(1).unwrap();
        let block: u64 = table.split('-').next().unwrap().parse().unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0; 256], block * 1024 + 256).unwrap();
        let found = ext(&path, LIMIT).unwrap();
        assert!(found.iter().any(|line| line.contains("Root inode")), "{found:?}");
    }

    fn said(code: i32, text: &str) -> tools::Ended {
        tools::Ended { code: Some(code), text: text.into(), too_slow: false }
    }

    #[test]
    fn a_check_of_btrfs_that_found_errors_is_told_from_one_that_could_not_be_made() {
        let opened =
            "Opening filesystem to check...\nChecking filesystem on /dev/vda1\nUUID: 1-2\n[1/7] checking root items\n";
        assert_eq!(btrfs(said(0, &format!("{opened}found 1 bytes used, no error found\n"))), Ok(vec![]));
        let errors = format!("{opened}root 5 inode 257 errors 200, dir isize wrong\nERROR: errors found in fs roots\n");
        let lines = ["root 5 inode 257 errors 200, dir isize wrong", "ERROR: errors found in fs roots"];
        assert_eq!(btrfs(said(1, &errors)).unwrap(), lines);
        let closed = "Opening filesystem to check...\nERROR: cannot open file system\n";
        let torn = format!("parent transid verify failed on 30 wanted 7 found 5\n{closed}");
        let lines = ["parent transid verify failed on 30 wanted 7 found 5", "ERROR: cannot open file system"];
        assert_eq!(btrfs(said(1, &torn)).unwrap(), lines);
        for (code, unable) in [
            (1, closed),
            (1, "btrfs check: unrecognized option '--force'\n"),
            (1, "warning, device 2 is missing\nERROR: cannot open file system\n"),
            (127, opened),
        ] {
            assert!(btrfs(said(code, unable)).unwrap_err().starts_with("the check failed"), "{unable}");
        }
        let slow = tools::Ended { code: None, text: opened.into(), too_slow: true };
        assert!(btrfs(slow).unwrap_err().contains("longer"));
    }

    #[test]
    fn what_xfs_says_of_a_log_that_was_not_replayed_is_no_error() {
        let alert = "ALERT: The filesystem has valuable metadata changes in a log which is being\nignored\nagi bad\n";
        assert_eq!(xfs(said(1, alert)).unwrap_err(), UNPLAYED);
        assert_eq!(xfs(said(0, "Phase 1 - x\n")), Ok(vec![]));
        let unable = "xfs_repair: cannot open /dev/vda1: x\n\nfatal error -- couldn't initialize XFS library\n";
        assert!(xfs(said(1, unable)).unwrap_err().starts_with("the check failed"));
        assert_eq!(xfs(said(1, "Phase 2 - x\nbad magic # 0x0 for agf 0\n")).unwrap(), ["bad magic # 0x0 for agf 0"]);
    }

    #[test]
    fn a_journal_that_was_not_replayed_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = image(folder.path(), 16, 1024);
        let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut incompat = [0; 4];
        file.read_exact_at(&mut incompat, 1024 + 0x60).unwrap();
        incompat[0] |= 4;
        file.write_all_at(&incompat, 1024 + 0x60).unwrap();
        assert!(ext(&path, LIMIT).unwrap_err().contains("journal"));
    }
}
