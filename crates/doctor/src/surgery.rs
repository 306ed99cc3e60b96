//! What a fix works with: the machine's tree, changes that are only planned in a dry run, and its own programs inside a chroot.

use std::process::Command;
use std::time::Duration;

use types::diagnosis::{ChangeKind, FileChange};

use crate::changes;
use crate::patient::{Patient, System};
use crate::tools::{self, Ended};

/// Why a fix was not done, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// What it mends is not broken.
    Nothing(String),
    /// It was not begun.
    Refused(String),
    /// It went wrong on the way.
    Failed(String),
}

/// A fix's end: what it did, in a sentence.
pub type Outcome = Result<String, Stop>;

/// A command on devices, for fixes that run while nothing is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub program: &'static str,
    pub args: Vec<String>,
    /// Exit codes of success.
    pub good: &'static [i32],
}

/// The room that a fix works in.
pub struct Surgery<'a> {
    pub patient: &'a mut Patient,
    pub dry_run: bool,
    /// Commands and what they said, lists of what was removed.
    pub log: Vec<String>,
    /// Of a dry run.
    pub planned: Vec<FileChange>,
}

/// Lines of a program's output that are kept.
const LINES: usize = 12;

impl<'a> Surgery<'a> {
    #[must_use]
    pub fn new(patient: &'a mut Patient, dry_run: bool) -> Self {
        Self { patient, dry_run, log: Vec::new(), planned: Vec::new() }
    }

    /// The machine's system.
    ///
    /// # Errors
    /// Refused, as there is none to work on.
    pub fn system(&self) -> Result<&System, Stop> {
        self.patient.system().map_err(Stop::Refused)
    }

    /// A line for the log.
    pub fn note(&mut self, line: impl Into<String>) {
        self.log.push(tools::clean(&line.into()));
    }

    /// Writes a text file.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&mut self, path: &str, content: &str, mode: u32) -> Result<(), Stop> {
        let system = self.patient.system().map_err(Stop::Refused)?;
        if self.dry_run {
            let before = system.tree.bytes(path).ok();
            let secret = changes::is_secret(path, system.tree.stat(path).map(|stat| stat.st_mode));
            let kind = if before.is_some() { ChangeKind::Changed } else { ChangeKind::Added };
            self.planned.push(changes::change(path, kind, before.as_deref(), Some(content.as_bytes()), secret));
            return Ok(());
        }
        system.tree.write(path, content.as_bytes(), mode).map_err(|error| failed(path, "written", &error))
    }

    /// Writes a file on the EFI system partition. FAT has neither owners nor modes, and nothing takes the place of another file in
    /// one step there.
    ///
    /// # Errors
    /// There is no such partition, or it can't be written.
    pub fn write_esp(&mut self, path: &str, content: &[u8]) -> Result<(), Stop> {
        let esp = self.patient.esp.as_ref();
        let esp = esp.ok_or_else(|| Stop::Refused("there is no EFI system partition to write to".into()))?;
        if self.dry_run {
            let before = esp.bytes(path).ok();
            let kind = if before.is_some() { ChangeKind::Changed } else { ChangeKind::Added };
            self.planned.push(changes::change(path, kind, before.as_deref(), Some(content), false));
            return Ok(());
        }
        let mut at = 0;
        while let Some(next) = path[at + 1..].find('/').map(|next| at + 1 + next) {
            esp.make_folder(&path[..next], 0o755).map_err(|error| failed(&path[..next], "made", &error))?;
            at = next;
        }
        esp.write(path, content, 0o755).map_err(|error| failed(path, "written", &error))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&mut self, path: &str) -> Result<(), Stop> {
        let system = self.patient.system().map_err(Stop::Refused)?;
        if self.dry_run {
            self.planned.push(changes::change(path, ChangeKind::Removed, None, None, false));
            return Ok(());
        }
        system.tree.remove(path).map_err(|error| failed(path, "removed", &error))
    }

    /// Makes a link, in the place of what has the name.
    ///
    /// # Errors
    /// It can't be made.
    pub fn link(&mut self, target: &str, path: &str) -> Result<(), Stop> {
        let system = self.patient.system().map_err(Stop::Refused)?;
        let taken = system.tree.has_name(path);
        if self.dry_run {
            let kind = if taken { ChangeKind::Changed } else { ChangeKind::Added };
            let mut change = changes::change(path, kind, None, None, false);
            change.note = Some(format!("a link to {target}"));
            self.planned.push(change);
            return Ok(());
        }
        if taken {
            system.tree.remove(path).map_err(|error| failed(path, "removed", &error))?;
        }
        system.tree.make_link(target, path).map_err(|error| failed(path, "made", &error))
    }

    /// Sets permissions.
    ///
    /// # Errors
    /// They can't be set.
    pub fn mode(&mut self, path: &str, mode: u32) -> Result<(), Stop> {
        let system = self.patient.system().map_err(Stop::Refused)?;
        if self.dry_run {
            let mut change = changes::change(path, ChangeKind::Mode, None, None, false);
            change.note = Some(format!("mode {mode:o}"));
            self.planned.push(change);
            return Ok(());
        }
        system.tree.set_mode(path, mode).map_err(|error| failed(path, "given another mode", &error))
    }

    /// Runs a program of the machine's own system inside its tree; in a dry run only says so, and returns None.
    ///
    /// # Errors
    /// It can't be run, or ends badly.
    pub fn chroot(&mut self, command: &[&str], limit: Duration) -> Result<Option<Ended>, Stop> {
        let words = command.join(" ");
        if self.dry_run {
            self.note(format!("would run in the machine's own system: {words}"));
            return Ok(None);
        }
        let root = self.system()?.tree.path().to_owned();
        let chroot = tools::find("chroot").ok_or_else(|| Stop::Refused("this rescue image has no chroot".into()))?;
        let depth = self.patient.mounts.depth();
        if let Err(error) = self.patient.mounts.kernels_own(&root) {
            self.patient.mounts.back_to(depth);
            return Err(Stop::Failed(format!("the kernel's own file systems can't be shown to it: {error}")));
        }
        self.name_servers();
        let mut run = Command::new(chroot);
        run.arg(&root).args(command).current_dir("/");
        run.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        run.env("HOME", "/root").env("DEBIAN_FRONTEND", "noninteractive");
        let ended = tools::run_command(&mut run, limit);
        self.patient.mounts.back_to(depth);
        let ended = ended.map_err(|error| Stop::Failed(format!("{words}: {error}")))?;
        self.note(format!("{words}: {}", outcome(&ended)));
        ended.tail(LINES).into_iter().for_each(|line| self.note(format!("  {line}")));
        if ended.success() { Ok(Some(ended)) } else { Err(Stop::Failed(format!("{words}: {}", outcome(&ended)))) }
    }

    /// A resolv.conf that lies in /run, as most do, is of no use in the chroot's empty one: the rescue system's takes its place there.
    fn name_servers(&self) {
        let Some(system) = &self.patient.system else { return };
        let Some(target) = system.tree.link("/etc/resolv.conf") else { return };
        let place = target.trim_start_matches("../").trim_start_matches('/');
        let Some((folder, _)) = place.strip_prefix("run/").and_then(|_| place.rsplit_once('/')) else { return };
        let root = system.tree.path();
        if let Ok(own) = std::fs::read("/etc/resolv.conf")
            && !place.contains("..")
            && std::fs::create_dir_all(root.join(folder)).is_ok()
        {
            let _ = std::fs::write(root.join(place), own);
        }
    }

    /// Runs a step on devices.
    ///
    /// # Errors
    /// It can't be run, or ends badly.
    pub fn step(&mut self, step: &Step, limit: Duration) -> Result<(), Stop> {
        let words = format!("{} {}", step.program, step.args.join(" "));
        if self.dry_run {
            self.note(format!("would run: {words}"));
            return Ok(());
        }
        let args: Vec<&str> = step.args.iter().map(String::as_str).collect();
        let ended = tools::run(step.program, &args, limit).map_err(Stop::Failed)?;
        self.note(format!("{words}: {}", outcome(&ended)));
        ended.tail(LINES).into_iter().for_each(|line| self.note(format!("  {line}")));
        match ended.code {
            Some(code) if step.good.contains(&code) => Ok(()),
            _ => Err(Stop::Failed(format!("{words}: {}", outcome(&ended)))),
        }
    }
}

fn outcome(ended: &Ended) -> String {
    match ended.code {
        Some(0) => "done".into(),
        Some(code) => format!("exit code {code}"),
        None if ended.too_slow => "it took too long and was ended".into(),
        None => "it was killed".into(),
    }
}

fn failed(path: &str, what: &str, error: &std::io::Error) -> Stop {
    match error.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => Stop::Refused(format!(
            "{path} can't be {what}: the disk is read-only; start the rescue with disk mode overlay or rw"
        )),
        _ => Stop::Failed(format!("{path} can't be {what}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_dry_run_plans_and_changes_nothing() {
        let folder = Folder::new();
        folder.put("etc/fstab", "old\n").put("etc/x", "x");
        let mut patient = folder.patient();
        let mut surgery = Surgery::new(&mut patient, true);
        surgery.write("/etc/fstab", "new\n", 0o644).unwrap();
        surgery.remove("/etc/x").unwrap();
        surgery.link("/lib/y", "/sbin/y").unwrap();
        surgery.mode("/etc/x", 0o600).unwrap();
        surgery.chroot(&["update-grub"], Duration::from_secs(1)).unwrap();
        let step = Step { program: "e2fsck", args: vec!["/dev/vda1".into()], good: &[0] };
        surgery.step(&step, Duration::from_secs(1)).unwrap();
        assert_eq!(surgery.planned.len(), 4);
        assert!(surgery.planned[0].diff.as_ref().unwrap().contains("-old\n+new"));
        assert_eq!(surgery.log, ["would run in the machine's own system: update-grub", "would run: e2fsck /dev/vda1"]);
        assert_eq!((folder.read("etc/fstab").as_str(), folder.read("etc/x").as_str()), ("old\n", "x"));
        assert!(!folder.path("sbin/y").exists());
    }

    #[test]
    fn the_real_thing_changes() {
        let folder = Folder::new();
        folder.put("etc/fstab", "old\n").put("etc/x", "x").put("sbin/keep", "");
        let mut patient = folder.patient();
        let mut surgery = Surgery::new(&mut patient, false);
        surgery.write("/etc/fstab", "new\n", 0o644).unwrap();
        surgery.remove("/etc/x").unwrap();
        surgery.link("../etc/fstab", "/sbin/y").unwrap();
        surgery.link("../etc/hostname", "/sbin/y").unwrap();
        assert!(matches!(surgery.remove("/etc/x"), Err(Stop::Failed(_))));
        assert!(surgery.planned.is_empty());
        assert_eq!((folder.read("etc/fstab").as_str(), folder.read("sbin/y").as_str()), ("new\n", "guest\n"));
    }
}
