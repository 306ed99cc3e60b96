//! A guest's firmware variables over a rescue session. The rescue system boots with a scratch copy, so the guest's own should be at the
//! end what they were; a copy of before and its digest prove it, and put them back where a hand or a disk was at fault.

use std::path::Path;

use sha2::{Digest, Sha256};
use types::id::SessionId;
use types::operation::{Failure, FailureCode, UefiVars};
use types::rescue::hex;

use super::paths::{Paths, gone};
use super::start::copy_once;
use super::{broken, failure};

/// Keeps what they are, once per session. A guest that never started has those of `template` from now on.
///
/// # Errors
/// As the file system says.
pub fn save(paths: &Paths, session: SessionId, template: &Path) -> Result<(), Failure> {
    copy_once(template, &paths.uefi_vars())?;
    copy_once(&paths.uefi_vars(), &paths.source_uefi_vars(session))
}

/// Compares them with those of before, and puts these back where they differ. None: nothing was kept. Nothing of the guest runs.
///
/// # Errors
/// As the file system says, or what was put back is not what is read; nothing is lost, it can be repeated.
pub fn restore(paths: &Paths, session: SessionId) -> Result<Option<UefiVars>, Failure> {
    let (own, source) = (paths.uefi_vars(), paths.source_uefi_vars(session));
    if !source.exists() {
        return Ok(None);
    }
    let content = std::fs::read(&source).map_err(broken(source.display()))?;
    let before = sha256(&content);
    let found = std::fs::read(&own).map(|content| sha256(&content)).unwrap_or_default();
    if found != before {
        tracing::error!(path = %own.display(), before, found, "firmware variables changed in rescue; those of before are put back");
        metrics::counter!("host_uefi_vars_put_back_total").increment(1);
        service::files::write_atomic(&own, &content, 0o600).map_err(broken(own.display()))?;
    }
    let after = sha256(&std::fs::read(&own).map_err(broken(own.display()))?);
    if after != before {
        let message = format!("{} is not what was written to it: the disk beneath is at fault", own.display());
        return Err(failure(FailureCode::Internal, message));
    }
    Ok(Some(UefiVars { before, after }))
}

/// Removes the copy of before.
///
/// # Errors
/// As the file system says; one that is not there is removed already.
pub fn forget(paths: &Paths, session: SessionId) -> Result<(), Failure> {
    let source = paths.source_uefi_vars(session);
    gone(std::fs::remove_file(&source)).map_err(broken(source.display()))
}

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::id::GuestId;

    #[test]
    fn what_changed_is_put_back_and_the_digest_proves_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), folder.path(), GuestId::generate());
        paths.make().unwrap();
        let (template, session) = (folder.path().join("OVMF_VARS"), SessionId::generate());
        std::fs::write(&template, "fresh").unwrap();
        assert_eq!(restore(&paths, session).unwrap(), None, "nothing was kept");

        save(&paths, session, &template).unwrap();
        assert_eq!(std::fs::read(paths.uefi_vars()).unwrap(), b"fresh", "a guest that never started");
        forget(&paths, session).unwrap();

        std::fs::write(paths.uefi_vars(), "boot order 1").unwrap();
        save(&paths, session, &template).unwrap();
        let kept = Some(UefiVars { before: sha256(b"boot order 1"), after: sha256(b"boot order 1") });
        assert_eq!(restore(&paths, session).unwrap(), kept);

        std::fs::write(paths.uefi_vars(), "boot order 2").unwrap();
        save(&paths, session, &template).expect("repeated, it keeps what it has");
        assert_eq!(restore(&paths, session).unwrap(), kept);
        assert_eq!(std::fs::read(paths.uefi_vars()).unwrap(), b"boot order 1");
        std::fs::remove_file(paths.uefi_vars()).unwrap();
        assert_eq!(restore(&paths, session).unwrap(), kept);
        assert_eq!(restore(&paths, session).unwrap(), kept, "and once more");
        forget(&paths, session).unwrap();
        forget(&paths, session).unwrap();
        assert_eq!(restore(&paths, session).unwrap(), None);
    }
}
