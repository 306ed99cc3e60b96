//! Disk mode `overlay`: what a rescue system writes goes to one file for each disk, `overlays/<session>/<disk>.qcow2` in the guest's
//! folder, which outlives the boots of the session. At its end they are merged into the disks, or kept for some days and dropped.
//!
//! Once [`COMMITTING`] is there, forward is the only way: every disk is merged and on disk before the first overlay goes, and nothing
//! boots meanwhile. Merging twice what was merged is harmless, so a crash anywhere is answered by doing it again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use types::desc::{Desc, DiskDesc};
use types::id::SessionId;
use types::operation::{Failure, FailureCode};
use types::status::{DiskMode, OverlayEnd};

use super::actor::{Cx, Guest};
use super::paths::{Paths, gone, private_folder, servers};
use super::{broken, failure};
use crate::storage::Storage;

/// Beside the overlays, from the decision to merge until all is merged.
const COMMITTING: &str = "commit-started";
/// Beside the overlays, from the decision to drop them.
const DISCARDED: &str = "discarded";

fn folder(paths: &Paths, session: SessionId) -> PathBuf {
    paths.folder.join("overlays").join(session.to_string())
}

fn file(folder: &Path, disk: &DiskDesc) -> PathBuf {
    folder.join(format!("{}.qcow2", disk.id))
}

/// The session whose overlays the disks of this boot are behind.
fn session(desc: &Desc) -> Option<SessionId> {
    desc.rescue.as_ref().filter(|section| section.disk_mode == DiskMode::Overlay).map(|section| section.session)
}

impl Guest {
    /// The overlay of a disk for this boot, made with the first boot of the session. None in other disk modes.
    pub(super) async fn overlay(&self, desc: &Desc, disk: &DiskDesc) -> Result<Option<PathBuf>, Failure> {
        let Some(session) = session(desc) else { return Ok(None) };
        let folder = folder(&self.paths, session);
        private_folder(&folder).map_err(broken(folder.display()))?;
        let file = file(&folder, disk);
        if !file.exists() {
            // Under its name only when it is whole.
            let fresh = file.with_extension("new");
            self.env.storage.overlay(&self.paths.disk(disk), disk.format, &fresh).await?;
            std::fs::rename(&fresh, &file).map_err(broken(file.display()))?;
        }
        Ok(Some(file))
    }

    /// Nothing boots while disks are half merged.
    pub(super) fn no_half_merge(&self) -> Result<(), Failure> {
        let sessions = std::fs::read_dir(self.paths.folder.join("overlays")).into_iter().flatten().flatten();
        match sessions.map(|entry| entry.path()).find(|folder| folder.join(COMMITTING).exists()) {
            None => Ok(()),
            Some(folder) => {
                let session = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let message = format!(
                    "what rescue session {session} wrote is only partly merged into the disks: end that session again"
                );
                Err(failure(FailureCode::WrongState, message))
            }
        }
    }

    /// Keeps what the session wrote as if it were discarded; its next boot begins with the disks as they are. Nothing of the guest runs.
    pub(super) fn set_overlays_aside(&self, id: SessionId) -> Result<(), Failure> {
        self.no_half_merge()?;
        let current = folder(&self.paths, id);
        if !current.exists() {
            return Ok(());
        }
        note(&current.join(DISCARDED))?;
        let aside = (1..).map(|n| current.with_file_name(format!("{id}.{n}"))).find(|aside| !aside.exists());
        aside.map_or(Ok(()), |aside| std::fs::rename(&current, &aside).map_err(broken(aside.display())))
    }

    /// Merges or drops what the session wrote. Nothing of the guest runs.
    pub(super) async fn end_overlays(&self, id: SessionId, end: OverlayEnd, cx: &Cx) -> Result<(), Failure> {
        let folder = folder(&self.paths, id);
        let Some(stored) = self.stored.as_ref().filter(|_| folder.exists()) else { return Ok(()) };
        let committing = folder.join(COMMITTING);
        // Of another session, or none: dropped already, or the desc is the guest's own again.
        let open = session(&stored.desc) == Some(id);
        if !committing.exists() && (!open || end == OverlayEnd::Discard) {
            return note(&folder.join(DISCARDED));
        }
        self.take_disks()?;
        note(&committing)?;
        let disks = &stored.desc.disks;
        for (disk, number) in disks.iter().zip(1..) {
            let overlay = file(&folder, disk);
            if overlay.exists() {
                cx.progress.say(format!("merging what was written to disk {number} of {}", disks.len()));
                let told = |percent| {
                    let of = disks.len();
                    cx.progress.say(format!("merging what was written to disk {number} of {of}: {percent} %"));
                };
                merge(&self.env.storage, &overlay, &self.paths.disk(disk), told).await?;
            }
        }
        cx.progress.say("removing overlays");
        for disk in disks {
            let overlay = file(&folder, disk);
            gone(std::fs::remove_file(&overlay)).map_err(broken(overlay.display()))?;
        }
        sync(&folder)?;
        std::fs::remove_dir_all(&folder).map_err(broken(folder.display()))
    }
}

/// On disk when it returns.
async fn merge(storage: &Storage, overlay: &Path, disk: &Path, told: impl Fn(u32)) -> Result<(), Failure> {
    storage.commit(overlay, told).await?;
    let disk = disk.to_owned();
    let synced = tokio::task::spawn_blocking(move || {
        std::fs::File::open(&disk).and_then(|file| file.sync_all()).map_err(broken(disk.display()))
    });
    synced.await.unwrap_or_else(|error| Err(failure(FailureCode::Internal, error.to_string())))
}

/// An empty file, on disk when it returns.
fn note(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    service::files::write_atomic(path, b"", 0o600).map_err(broken(path.display()))
}

fn sync(folder: &Path) -> Result<(), Failure> {
    std::fs::File::open(folder).and_then(|file| file.sync_all()).map_err(broken(folder.display()))
}

/// Removes discarded overlays of all guests that are older than this. Gives how many there were.
#[must_use]
pub fn prune(workspace: &Path, age: Duration) -> usize {
    let list = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let sessions = list(servers(workspace)).flat_map(|guest| list(guest.join("overlays")));
    let old = |folder: &PathBuf| {
        let discarded = std::fs::metadata(folder.join(DISCARDED)).and_then(|data| data.modified());
        discarded.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|since| since >= age))
    };
    let mut removed = 0;
    for folder in sessions.filter(old).filter(|folder| !folder.join(COMMITTING).exists()) {
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(path = %folder.display(), %error, "old overlays can't be removed"),
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_discarded_long_enough_ago_is_removed() {
        let workspace = tempfile::tempdir().unwrap();
        let session = |name: &str, marks: &[&str]| {
            let folder = servers(workspace.path()).join("g").join("overlays").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            marks.iter().for_each(|mark| std::fs::write(folder.join(mark), "").unwrap());
            folder
        };
        let in_use = session("in-use", &[]);
        let merging = session("merging", &[DISCARDED, COMMITTING]);
        let discarded = session("discarded", &[DISCARDED]);
        assert_eq!(prune(workspace.path(), Duration::from_hours(1)), 0);
        assert_eq!(prune(workspace.path(), Duration::ZERO), 1);
        assert!(in_use.exists() && merging.exists() && !discarded.exists());
    }
}
