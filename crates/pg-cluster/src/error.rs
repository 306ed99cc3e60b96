//! What can go wrong with a private cluster. Each message says what to do next.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no PostgreSQL server found: looked for {missing} in $LIFEBOAT_PG_BIN, /usr/lib/postgresql/*/bin and $PATH; \
         install the package `postgresql`, or set LIFEBOAT_PG_BIN to the folder that holds it"
    )]
    NoBinaries { missing: &'static str },
    #[error(
        "the user `{user}`, whom Postgres must run as, can't enter {path}; choose a state folder outside it, such as \
         /var/lib/lifeboat, or run as an ordinary user"
    )]
    Unreachable { user: String, path: PathBuf },
    #[error("{path} is not ours: it belongs to another user or others may write to it; remove it or choose another")]
    NotOurs { path: PathBuf },
    #[error("{doing} {path}: {source}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{program} failed ({status}): {output}")]
    Program { program: String, status: String, output: String },
    #[error("Postgres did not come up: {why}; the last lines of {log}:\n{tail}")]
    NotUp { why: String, log: PathBuf, tail: String },
    #[error("Postgres (pid {pid}) did not stop in time; look into {log}")]
    NotDown { pid: u32, log: PathBuf },
    #[error(
        "{value:?} names no database server; give a URL such as postgres:///postgres?host=/run/x, or a socket folder"
    )]
    BadUrl { value: String },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
