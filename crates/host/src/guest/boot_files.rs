//! Which boot files of the store guests use: those that a desc's rescue section names. The others leave by age and size.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use artifact::Digest;
use artifact::evict::Keep;
use types::operation::Failure;

use super::desc::Stored;
use super::paths::servers;
use crate::env::Env;

/// Removes what need not stay. Nothing goes while a desc can't be read: it might name a file. Blocks.
pub fn evict(env: &Env) {
    let limits = &env.config.limits;
    let keep = Keep { age: Duration::from_hours(24 * limits.boot_file_days), bytes: limits.boot_files_mib << 20 };
    match in_use(&servers(&env.config.workspace)) {
        Ok(in_use) => {
            let (files, bytes) = env.images.fetcher().store().evict(&in_use, keep);
            if files > 0 {
                tracing::info!(files, bytes, "boot files that no guest uses are gone");
            }
        }
        Err(error) => tracing::warn!(%error, "a desc can't be read, so no boot file is removed"),
    }
}

fn in_use(servers: &Path) -> Result<HashSet<Digest>, Failure> {
    let mut found = HashSet::new();
    for entry in std::fs::read_dir(servers).into_iter().flatten().flatten() {
        let Some(stored) = Stored::read(&entry.path().join("desc"))? else { continue };
        let files = stored.desc.rescue.iter().flat_map(|section| [&section.kernel, &section.initramfs]);
        found.extend(files.filter_map(|file| file.sha256.parse::<Digest>().ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::desc::tests::{sample, section};
    use types::desc::Desc;
    use types::id::SessionId;

    #[test]
    fn a_guest_in_rescue_uses_its_files_and_what_can_not_be_read_may_use_any() {
        let folder = tempfile::tempdir().unwrap();
        let guest = |desc: &Desc| {
            let path = folder.path().join(desc.id.to_string());
            std::fs::create_dir_all(&path).unwrap();
            Stored::new(desc.clone()).write(&path.join("desc")).unwrap();
            path
        };
        guest(&sample());
        assert_eq!(in_use(folder.path()).unwrap(), HashSet::new());
        let section = section(SessionId::generate());
        let in_rescue = guest(&Desc { rescue: Some(section.clone()), ..sample() });
        assert_eq!(in_use(folder.path()).unwrap(), HashSet::from([section.kernel.sha256.parse().unwrap()]));
        std::fs::write(in_rescue.join("desc"), "{").unwrap();
        assert!(in_use(folder.path()).is_err());
    }
}
