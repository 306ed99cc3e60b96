//! The commands that change what is served: `image add` and `image gc`.
//!
//! An image is published whole or not at all: it is copied into a hidden folder beneath `images/`, checked there once more, made durable, and
//! then takes its place in one step, with the one that was there moved out of the way by the same step (renameat2(2) with
//! `RENAME_EXCHANGE`). An agent that serves meanwhile looks at its files' marks at each request and never mixes the two.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use artifact::Manifest;
use chrono::Utc;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::catalogue::{Catalogue, IMAGES, MANIFEST, SIGNATURE, check_folder, versioned};
use crate::config::Config;
use crate::root::Root;

/// Folders of an `add` at work begin so; such names are never served.
const HIDDEN: &str = ".adding-";
/// What is younger may be an `add` at work, or an image that somebody is copying here by hand.
const SETTLED: Duration = Duration::from_secs(3600);

/// What `image add` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    pub name: String,
    pub version: String,
    pub serial: u64,
    /// For a person.
    pub said: String,
}

/// Publishes the image in `from`, which must be signed by a trusted key, in the configured root. `beside`: under `<name>.<serial>`.
/// Repeating it changes nothing.
///
/// # Errors
/// It does not pass its check, is older than what is there, or can't be written.
pub fn add(config: &Config, from: &Path, beside: bool) -> Result<Added> {
    let trust = config.trust()?;
    let source = Root::open(from).with_context(|| format!("can't open {}", from.display()))?;
    let check = |root: &Root, path: &Path| match check_folder(root, "", &trust, Utc::now()) {
        Ok(image) => Ok(image),
        Err(reason) => bail!("{}: {reason}", path.display()),
    };
    let image = check(&source, from)?;
    let manifest = &image.manifest;
    let images = config.root.join(IMAGES);
    std::fs::create_dir_all(&images).with_context(|| format!("can't make {}", images.display()))?;
    let folder = if beside { versioned(manifest) } else { manifest.name.clone() };
    let place = images.join(&folder);
    let added = |said: String| Added {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        serial: manifest.serial,
        said,
    };
    if let Ok(there) = Root::open(&place).map_err(anyhow::Error::from).and_then(|root| check(&root, &place)) {
        if there.manifest == *manifest {
            return Ok(added(format!("is there already, as {folder}")));
        }
        refuse_older(&there.manifest, manifest)?;
    }
    let work =
        tempfile::Builder::new().prefix(HIDDEN).tempdir_in(&images).with_context(|| images.display().to_string())?;
    let new = work.path().join("new");
    std::fs::create_dir(&new)?;
    for name in [&manifest.kernel.file, &manifest.initramfs.file, MANIFEST, SIGNATURE] {
        copy(&source, name, &new).with_context(|| format!("copying {name} from {}", from.display()))?;
    }
    File::open(&new)?.sync_all()?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o755))?;
    check(&Root::open(&new)?, &new)?;
    replace(&new, &place).with_context(|| format!("putting it to {}", place.display()))?;
    File::open(&images)?.sync_all()?;
    Ok(added(format!("added as {folder}; a running agent finds it at its next check, or at once by SIGHUP")))
}

fn refuse_older(there: &Manifest, new: &Manifest) -> Result<()> {
    if there.serial > new.serial {
        bail!(
            "{} has serial {}, and this image {}: hosts that have seen the newer one may refuse it. Build it with a higher serial, or \
             publish it with --beside",
            there.name,
            there.serial,
            new.serial
        );
    }
    Ok(())
}

fn copy(from: &Root, name: &str, to: &Path) -> io::Result<()> {
    let mut source = from.file(name.as_bytes()).map_err(io::Error::other)?.file;
    let mut file = File::create_new(to.join(name))?;
    io::copy(&mut source, &mut file)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()
}

/// What was at `place` is at `new` afterwards, and goes away with the folder it is in.
fn replace(new: &Path, place: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Err(rustix::io::Errno::NOENT) => std::fs::rename(new, place),
        // A file system that can't exchange, such as NFS: for a moment neither is there.
        Err(rustix::io::Errno::INVAL) => {
            std::fs::rename(place, new.with_file_name("old"))?;
            std::fs::rename(new, place)
        }
        other => Ok(other?),
    }
}

/// Removes versions of each image but the `keep` newest ones, images that fail their check, and what an interrupted `add` has left; of the
/// last two only what has not been changed for an hour. Gives the folders' names.
///
/// # Errors
/// The root can't be read, or a folder can't be removed.
pub fn gc(config: &Config, keep: usize, dry_run: bool) -> Result<Vec<String>> {
    let root = Root::open(&config.root).with_context(|| format!("can't open root {}", config.root.display()))?;
    let trust = config.trust()?;
    if trust.is_empty() {
        bail!("no key is trusted, so that every image fails its check: set trusted_keys first");
    }
    let catalogue = Catalogue::scan(&root, &trust, Utc::now());
    let images = config.root.join(IMAGES);
    let mut remove = superseded(&catalogue, keep);
    let mut abandoned: Vec<String> = catalogue.rejected.keys().cloned().collect();
    for entry in std::fs::read_dir(&images).with_context(|| images.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(HIDDEN) {
            abandoned.push(name);
        }
    }
    remove.extend(abandoned.into_iter().filter(|name| settled(&images.join(name))));
    remove.sort();
    if !dry_run {
        for name in &remove {
            let path = images.join(name);
            discard(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(remove)
}

/// Folders of images that newer ones of their name have made needless. What is called by its plain name is what people ask for by it,
/// and stays. Pure.
fn superseded(catalogue: &Catalogue, keep: usize) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<(u64, &String)>> = BTreeMap::new();
    for (folder, image) in &catalogue.images {
        versions.entry(&image.manifest.name).or_default().push((image.manifest.serial, folder));
    }
    let mut old = Vec::new();
    for (name, mut folders) in versions {
        folders.sort_unstable_by(|a, b| b.cmp(a));
        old.extend(folders.into_iter().skip(keep).filter(|(_, folder)| *folder != name).map(|(_, f)| f.clone()));
    }
    old
}

fn settled(path: &Path) -> bool {
    let touched = |path: &Path| std::fs::symlink_metadata(path).and_then(|m| m.modified());
    let mut newest = touched(path);
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        newest = newest.and_then(|newest| Ok(newest.max(touched(&entry.path())?)));
    }
    newest.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= SETTLED))
}

/// Out of sight first, so that half an image is never seen. A link is removed, and what it leads to left alone.
fn discard(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.file_type().is_symlink() {
        return std::fs::remove_file(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden: PathBuf = path.with_file_name(format!("{HIDDEN}gone-{}", name.trim_start_matches('.')));
    std::fs::rename(path, &hidden)?;
    std::fs::remove_dir_all(&hidden)
}
