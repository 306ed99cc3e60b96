//! Where a cluster's files are, and whom they belong to.
//!
//! `DIR/data` the cluster, `DIR/run` the socket, `DIR/log` the log. All of mode 0700, all of the user Postgres runs as.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// The name of the socket in its folder; Postgres makes it from the port.
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";
/// The longest path of a unix socket: `sun_path` without its final zero.
const SOCKET_MAX: usize = 107;

/// Whom Postgres runs as, if not as ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl User {
    /// `None` unless we are root, whom Postgres refuses to run as.
    pub(crate) fn needed() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"].into_iter().find_map(|name| Self::in_passwd(&passwd, name))
    }

    fn in_passwd(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            match fields[..] {
                [found, _, uid, gid, ..] if found == name => {
                    Some(Self { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
                }
                _ => None,
            }
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub data: PathBuf,
    pub run: PathBuf,
    pub log: PathBuf,
    pub user: Option<User>,
}

impl Layout {
    /// Makes the folders. `dir` may exist.
    pub(crate) fn prepare(dir: &Path) -> Result<Self, Error> {
        let user = User::needed();
        let dir = std::path::absolute(dir).map_err(Error::io("can't resolve", dir))?;
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("can't create", parent))?;
        }
        own(&dir, user.as_ref())?;
        // Links resolved: the pid file and the process speak of the real path.
        let dir = dir.canonicalize().map_err(Error::io("can't resolve", &dir))?;
        if let Some(user) = &user {
            reachable(&dir, user)?;
        }
        let (data, log) = (dir.join("data"), dir.join("log"));
        own(&log, user.as_ref())?;
        let run = socket_folder(&dir);
        own(&run, user.as_ref())?;
        Ok(Self { data, run, log: log.join("postgres.log"), user })
    }

    /// A command that runs as the right user and can't outlive whoever started it, if `tied`.
    pub(crate) fn command(&self, program: &Path, tied: bool) -> Command {
        let mut command = match (&self.user, tied) {
            (None, false) => Command::new(program),
            (user, tied) => {
                let mut command = Command::new("setpriv");
                if let Some(user) = user {
                    command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
                    command.arg("--clear-groups");
                }
                if tied {
                    command.args(["--pdeathsig", "INT"]);
                }
                command.arg("--").arg(program);
                command
            }
        };
        // Postgres reads much from its environment; nothing of the caller's may lead it elsewhere.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        command
    }
}

/// `DIR/run`, or a short folder under /tmp made from its name, if a socket in there would have too long a path.
fn socket_folder(dir: &Path) -> PathBuf {
    let run = dir.join("run");
    if run.as_os_str().len() + 1 + SOCKET.len() <= SOCKET_MAX {
        return run;
    }
    // FNV-1a: stable over versions of the compiler, unlike the standard hasher.
    let hash = dir
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    PathBuf::from(format!("/tmp/lifeboat-pg-{}-{hash:016x}", rustix::process::geteuid().as_raw()))
}

/// Creates a folder of mode 0700 for the user, or checks that one that exists is of that kind.
fn own(folder: &Path, user: Option<&User>) -> Result<(), Error> {
    let us = rustix::process::geteuid().as_raw();
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // A link in a folder that all may write to could lead anywhere.
            let found = std::fs::symlink_metadata(folder).map_err(Error::io("can't look at", folder))?;
            let wanted = user.map_or(us, |user| user.uid);
            let open = found.permissions().mode() & 0o022 != 0;
            if !found.is_dir() || open || (found.uid() != wanted && found.uid() != us) {
                return Err(Error::NotOurs { path: folder.to_owned() });
            }
        }
        Err(error) => return Err(Error::io("can't create", folder)(error)),
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
        .map_err(Error::io("can't set the mode of", folder))?;
    if let Some(user) = user {
        std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid))
            .map_err(Error::io("can't give away", folder))?;
    }
    Ok(())
}

/// Every folder above must let the user through.
fn reachable(dir: &Path, user: &User) -> Result<(), Error> {
    for above in dir.ancestors().skip(1) {
        let found = std::fs::metadata(above).map_err(Error::io("can't look at", above))?;
        let mode = found.permissions().mode();
        let passes = match () {
            () if found.uid() == user.uid => mode & 0o100 != 0,
            () if found.gid() == user.gid => mode & 0o010 != 0,
            () => mode & 0o001 != 0,
        };
        if !passes {
            return Err(Error::Unreachable { user: user.name.clone(), path: above.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/\npostgres:x:101:104:PG:/var/lib:/bin/bash\n";
        let user = User::in_passwd(passwd, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert_eq!(User::in_passwd(passwd, "nobody"), None);
    }

    #[test]
    fn a_long_path_gets_a_short_socket_folder() {
        let short = Path::new("/var/lib/x");
        assert_eq!(socket_folder(short), short.join("run"));
        let long = PathBuf::from(format!("/{}", "x".repeat(100)));
        let folder = socket_folder(&long);
        assert!(folder.as_os_str().len() + 1 + SOCKET.len() <= SOCKET_MAX, "{folder:?}");
        assert_eq!(folder, socket_folder(&long));
        assert_ne!(folder, socket_folder(&PathBuf::from(format!("/{}", "y".repeat(100)))));
    }

    #[test]
    fn a_folder_of_others_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(own(&open, None), Err(Error::NotOurs { .. })));
        let link = root.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        assert!(matches!(own(&link, None), Err(Error::NotOurs { .. })));
    }
}
