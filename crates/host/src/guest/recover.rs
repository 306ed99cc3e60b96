//! A second copy of the desc, and what becomes of a guest whose desc can't be read: a torn write, a bad sector, a careless hand.
//!
//! The copy, `desc.copy`, is written after the desc itself, and never outlives a failure to renew it: a stale one would bring a rescue
//! session back that has ended. Where there is none, the desc of before a rescue session serves. What could not be read is kept as
//! `desc.unreadable`, which is also how everybody is told.

use std::path::PathBuf;
use std::time::SystemTime;

use types::id::GuestId;
use types::operation::{Failure, FailureCode};

use super::desc::{Found, Stored};
use super::paths::{Paths, gone};
use super::{broken, failure};

/// Writes the desc, then its copy.
///
/// # Errors
/// As the file system says of the desc; the old one is then untouched. That the copy can't be written is logged.
pub fn keep(paths: &Paths, stored: &Stored) -> Result<(), Failure> {
    stored.write(&paths.desc())?;
    keep_copy(paths, stored);
    Ok(())
}

fn keep_copy(paths: &Paths, stored: &Stored) {
    let copy = paths.desc_copy();
    if let Err(error) = stored.write(&copy) {
        let removed = gone(std::fs::remove_file(&copy));
        tracing::warn!(path = %copy.display(), %error, removed = removed.is_ok(), "the desc has no second copy now");
    }
}

/// The guest's desc. One that is no desc is replaced by the best copy that there is, and that is logged.
///
/// # Errors
/// It can't be read from the disk, is of a newer version or another guest, or is no desc and there is no copy.
pub fn read(paths: &Paths, id: GuestId) -> Result<Option<Stored>, Failure> {
    let problem = match Stored::look(&paths.desc())? {
        Found::Nothing => return Ok(None),
        Found::Desc(stored) if stored.desc.id != id => {
            let message = format!("{} describes another guest, {}", paths.desc().display(), stored.desc.id);
            return Err(failure(FailureCode::Internal, message));
        }
        Found::Desc(stored) => {
            // A crash may have come between the desc and its copy.
            if std::fs::read(paths.desc_copy()).ok().as_ref() != Some(&stored.bytes) {
                keep_copy(paths, &stored);
            }
            return Ok(Some(*stored));
        }
        Found::Garbage(problem) => problem,
    };
    let candidates = std::iter::once(paths.desc_copy()).chain(sources(paths));
    let found = candidates.into_iter().find_map(|path| match Stored::look(&path) {
        Ok(Found::Desc(stored)) if stored.desc.id == id => Some((path, stored)),
        Ok(_) | Err(_) => None,
    });
    let Some((path, stored)) = found else {
        let message = format!("{problem}, and no copy of it is left: write it anew, or delete the guest");
        return Err(failure(FailureCode::Internal, message));
    };
    let aside = paths.unreadable_desc();
    std::fs::copy(paths.desc(), &aside).map_err(broken(aside.display()))?;
    keep(paths, &stored)?;
    metrics::counter!("host_descs_recovered_total").increment(1);
    tracing::error!(guest = %id, problem, from = %path.display(), kept = %aside.display(), "the desc is replaced by a copy");
    Ok(Some(*stored))
}

/// What to tell whoever looks at the guest; empty: its desc was always readable.
#[must_use]
pub fn notice(paths: &Paths) -> String {
    let aside = paths.unreadable_desc();
    if !aside.exists() {
        return String::new();
    }
    let path = aside.display();
    format!("the desc could not be read and was replaced by a copy: compare it with {path}, then remove that file")
}

/// The descs of before rescue sessions, newest first.
fn sources(paths: &Paths) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&paths.folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("source-desc."))
        .map(|entry| {
            let written = entry.metadata().and_then(|data| data.modified());
            (written.unwrap_or(SystemTime::UNIX_EPOCH), entry.path())
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::desc::tests::{sample, section};
    use crate::guest::desc::{restore_source, save_source};
    use types::desc::Desc;
    use types::id::SessionId;

    fn guest() -> (tempfile::TempDir, Paths, Stored) {
        let folder = tempfile::tempdir().unwrap();
        let stored = Stored::new(sample());
        let paths = Paths::new(folder.path(), folder.path(), stored.desc.id);
        paths.make().unwrap();
        (folder, paths, stored)
    }

    #[test]
    fn a_torn_desc_is_replaced_by_its_copy_and_kept_aside() {
        let (_folder, paths, stored) = guest();
        let id = stored.desc.id;
        assert_eq!(read(&paths, id).unwrap(), None);
        let in_rescue = Stored::new(Desc { rescue: Some(section(SessionId::generate())), ..stored.desc.clone() });
        for kept in [&stored, &in_rescue] {
            keep(&paths, kept).unwrap();
            for torn in [&b""[..], &kept.bytes[..kept.bytes.len() / 2], b"\0\0\0\0", b"{}"] {
                std::fs::write(paths.desc(), torn).unwrap();
                assert_eq!(read(&paths, id).unwrap().as_ref(), Some(kept));
                assert_eq!(std::fs::read(paths.desc()).unwrap(), kept.bytes, "it is whole again");
                assert_eq!(std::fs::read(paths.unreadable_desc()).unwrap(), torn);
                assert!(notice(&paths).contains("desc.unreadable"));
            }
        }
        std::fs::remove_file(paths.unreadable_desc()).unwrap();
        assert_eq!(notice(&paths), "");
    }

    #[test]
    fn without_a_copy_the_source_serves_and_without_any_nothing_is_touched() {
        let (_folder, paths, stored) = guest();
        let (id, session) = (stored.desc.id, SessionId::generate());
        save_source(&paths, session, &stored).unwrap();
        std::fs::write(paths.desc(), "{").unwrap();
        std::fs::write(paths.desc_copy(), "{\"torn").unwrap();
        assert_eq!(read(&paths, id).unwrap(), Some(stored.clone()));
        // The session's end is as always.
        assert_eq!(restore_source(&paths, session, stored.clone()).unwrap(), stored);

        for path in [paths.desc(), paths.desc_copy()] {
            std::fs::write(path, "{").unwrap();
        }
        let error = read(&paths, id).unwrap_err();
        assert!(error.message.contains("no copy"), "{error}");
        assert_eq!(std::fs::read(paths.desc()).unwrap(), b"{");
    }

    #[test]
    fn a_desc_that_is_whole_is_never_replaced() {
        let (_folder, paths, stored) = guest();
        keep(&paths, &stored).unwrap();
        // A crash between the desc and its copy.
        let next = Stored::new(Desc { vcpu: 2, ..stored.desc.clone() });
        next.write(&paths.desc()).unwrap();
        assert_eq!(read(&paths, stored.desc.id).unwrap(), Some(next.clone()));
        assert_eq!(std::fs::read(paths.desc_copy()).unwrap(), next.bytes);
        // Written by a later version of this program, with a field that is not known here.
        let mut future = serde_json::to_value(&next.desc).unwrap();
        future["version"] = 99.into();
        future["novelty"] = true.into();
        std::fs::write(paths.desc(), future.to_string()).unwrap();
        let error = read(&paths, stored.desc.id).unwrap_err();
        assert!(error.message.contains("newer"), "{error}");
        assert!(read(&paths, GuestId::generate()).is_err());
        assert!(!paths.unreadable_desc().exists());
    }
}
