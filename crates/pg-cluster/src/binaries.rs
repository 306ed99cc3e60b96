//! Where the distribution keeps Postgres. Debian puts `initdb` and `postgres` outside `$PATH`, one folder per version,
//! and what is in `$PATH` may be somebody's wrapper; so `$PATH` comes last.

use std::path::{Path, PathBuf};

use crate::Error;

/// The folders of the programs in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    pub psql: PathBuf,
}

impl Binaries {
    /// `$LIFEBOAT_PG_BIN`, then the newest of `/usr/lib/postgresql/*/bin`, then `$PATH`.
    pub fn find() -> Result<Self, Error> {
        let asked = std::env::var_os("LIFEBOAT_PG_BIN").map(PathBuf::from);
        let debian = newest_first(Path::new("/usr/lib/postgresql"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = match asked {
            Some(folder) => vec![folder],
            None => debian.into_iter().chain(std::env::split_paths(&path)).collect(),
        };
        let server = folders
            .iter()
            .find(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
            .ok_or(Error::NoBinaries { missing: "postgres and initdb" })?;
        // A client may come from another package, and any version will do.
        let psql = std::iter::once(server.clone())
            .chain(std::env::split_paths(&path))
            .map(|folder| folder.join("psql"))
            .find(|file| file.is_file())
            .ok_or(Error::NoBinaries { missing: "psql" })?;
        Ok(Self { initdb: server.join("initdb"), postgres: server.join("postgres"), psql })
    }
}

/// `root/<version>/bin`, highest version first.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            // Up to 9.6 the folder was called `9.6`; its major part is good enough for an order.
            let version = entry.file_name().to_str()?.split('.').next()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "17", "common"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let found: Vec<_> = newest_first(root.path())
            .iter()
            .map(|bin| bin.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, ["17/bin", "15/bin", "9.6/bin"]);
        assert!(newest_first(Path::new("/nowhere")).is_empty());
    }
}
