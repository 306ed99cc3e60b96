//! What the last release promised still holds, so that two neighbouring releases work side by side while one replaces the other:
//! [`protos`] between region, hosts and agents, [`openapi`] towards users, [`migrations`] in the database.
//!
//! Expand, then contract: what is added is optional; what goes was marked deprecated in the release before. The promises of each release are
//! kept in `tests/released/VERSION`; `make released VERSION=0.2.0` writes them down from what is here now.

mod migrations;
mod openapi;
mod protos;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The folder of the newest release, by its version.
fn last_release() -> PathBuf {
    let folders = std::fs::read_dir(root().join("tests/released")).unwrap().flatten().map(|entry| entry.path());
    let version = |path: &PathBuf| -> Vec<u32> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.split('.').map(|part| part.parse().unwrap_or_else(|_| panic!("{name} is no version like 0.1.0"))).collect()
    };
    folders.max_by_key(version).expect("tests/released holds at least one release")
}

fn holds(broken: &[String]) {
    let release = last_release();
    assert!(
        broken.is_empty(),
        "these promises of release {} are broken:\n  {}\nAdd beside what is there, mark the old as deprecated, and remove it one release later.",
        release.file_name().unwrap().to_string_lossy(),
        broken.join("\n  ")
    );
}

#[test]
fn what_the_last_release_promised_still_holds() {
    if let Ok(version) = std::env::var("RELEASED") {
        let folder = root().join("tests/released").join(version);
        protos::write(&root(), &folder);
        openapi::write(&root(), &folder);
        migrations::write(&root(), &folder);
    }
    let release = last_release();
    holds(&protos::broken(&protos::of_release(&release), &protos::of_source(&root())));
    holds(&openapi::broken(&openapi::of_release(&release), &openapi::of_source(&root())));
    holds(&migrations::broken(&migrations::of_release(&release), &migrations::of_source(&root())));
}
