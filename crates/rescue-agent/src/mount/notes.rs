//! What was done, on file, one note a line: so that it can be taken back, by another run, in the reverse order.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{UnmountFlags, unmount};
use serde::{Deserialize, Serialize};

use crate::mount::Problem;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    Mount(PathBuf),
    /// Below /dev/mapper.
    Crypt(String),
    /// Of logical volumes.
    Group(String),
    Raid(String),
}

#[derive(Debug)]
pub struct Notes {
    file: PathBuf,
    notes: Vec<Note>,
}

impl Notes {
    /// Those there are. A line that is torn was never finished, and so nothing was done for it.
    pub fn open(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let notes = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { file: file.to_owned(), notes }
    }

    pub fn all(&self) -> &[Note] {
        &self.notes
    }

    /// # Errors
    /// It can't be written.
    pub fn add(&mut self, note: Note) -> Result<(), Problem> {
        if self.notes.contains(&note) {
            return Ok(());
        }
        let line = serde_json::to_string(&note).unwrap_or_default() + "\n";
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|error| Problem::new(format!("{} can't be written: {error}", self.file.display())))?;
        self.notes.push(note);
        Ok(())
    }

    fn keep(&mut self, count: usize) -> Result<(), Problem> {
        self.notes.truncate(count);
        let text: String =
            self.notes.iter().map(|note| serde_json::to_string(note).unwrap_or_default() + "\n").collect();
        let written =
            if self.notes.is_empty() { std::fs::remove_file(&self.file) } else { std::fs::write(&self.file, text) };
        written.map_err(|error| Problem::new(format!("{} can't be written: {error}", self.file.display())))
    }
}

/// Takes all of it back, the last first.
///
/// # Errors
/// The first that is still in use; what is left stays on file.
pub fn undo(notes: &mut Notes, mut say: impl FnMut(String)) -> Result<(), Problem> {
    if notes.all().is_empty() {
        say("nothing was mounted by rescue-mount".into());
        return Ok(());
    }
    while let Some(last) = notes.all().last().cloned() {
        let tool = |program: &str, args: &[&str]| {
            let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).status();
            if status.is_ok_and(|status| status.success()) { Ok(()) } else { Err(format!("{} failed", args.join(" "))) }
        };
        let (what, done) = match &last {
            Note::Mount(place) => (place.display().to_string(), unmounted(place)),
            Note::Crypt(name) => (name.clone(), tool("/sbin/cryptsetup", &["close", name])),
            Note::Group(group) => (group.clone(), tool("/sbin/lvm", &["vgchange", "--activate", "n", group])),
            Note::Raid(device) => (device.clone(), tool("/sbin/mdadm", &["--stop", device])),
        };
        done.map_err(|error| {
            Problem::new(format!("{what}: {error}; end what uses it, then once more: rescue-mount --undo"))
        })?;
        notes.keep(notes.all().len() - 1)?;
        say(format!("{what}  taken back"));
    }
    Ok(())
}

fn unmounted(place: &Path) -> Result<(), String> {
    match unmount(place, UnmountFlags::empty()) {
        // Somebody has unmounted it by hand.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(rustix::io::Errno::BUSY) => Err(format!("it is in use{}", users(place))),
        Err(error) => Err(error.to_string()),
    }
}

/// Programs that work in it.
fn users(place: &Path) -> String {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let inside = |pid: &Path| {
        ["cwd", "root", "exe"].iter().any(|name| {
            std::fs::read_link(pid.join(name)).is_ok_and(|path| path.starts_with(place) && path != Path::new("/"))
        })
    };
    let names: Vec<String> = entries
        .filter(|entry| inside(&entry.path()))
        .filter_map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            Some(format!("{} ({})", name.trim(), entry.file_name().to_string_lossy()))
        })
        .collect();
    if names.is_empty() { String::new() } else { format!(" by {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_outlive_the_run_and_a_torn_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mounts");
        let mut notes = Notes::open(&file);
        let (raid, mount) = (Note::Raid("/dev/md0".into()), Note::Mount("/mnt/a b".into()));
        notes.add(raid.clone()).unwrap();
        notes.add(raid.clone()).unwrap();
        notes.add(mount.clone()).unwrap();
        std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"moun").unwrap();
        let mut notes = Notes::open(&file);
        assert_eq!(notes.all(), [raid, mount]);
        notes.keep(0).unwrap();
        assert!(!file.exists());
        let mut said = Vec::new();
        undo(&mut notes, |text| said.push(text)).unwrap();
        assert_eq!(said, ["nothing was mounted by rescue-mount"]);
    }

    #[test]
    fn what_was_unmounted_by_hand_is_no_problem() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unmounted(&folder.path().join("gone")), Ok(()));
    }
}
