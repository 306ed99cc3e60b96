//! The rescue images of a stack, and the guest images its host may copy disks from.
//!
//! `make rescue-image` leaves `images/<name>/` with a signed manifest, and the public key under `keys/`. The baremetal agent serves a
//! copy under the state folder, so that a later build does not change what a running stack serves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::state::State;

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.json.minisig";

/// The folder that the agent serves.
pub fn served(state: &State) -> PathBuf {
    state.path("agent/root")
}

/// The public key whose signatures region and host accept.
pub fn trusted_key(state: &State) -> PathBuf {
    state.path("keys/rescue-images.pub")
}

/// The kernel of a rescue image that is served: what an accelerator is tried with.
pub fn kernel(state: &State) -> Option<PathBuf> {
    entries(&served(state).join("images"))
        .ok()?
        .into_iter()
        .map(|image| image.join("kernel"))
        .find(|path| path.exists())
}

/// Copies the signed images of `from` to where the agent serves them.
///
/// # Errors
/// There is none, or it can't be copied.
pub fn publish(state: &State, from: &Path) -> Result<()> {
    let missing = || format!("no signed rescue image in {}; build it with: make rescue-image", from.display());
    let keys = entries(&from.join("keys")).with_context(missing)?;
    let key = keys.into_iter().find(|path| path.extension().is_some_and(|e| e == "pub")).with_context(missing)?;
    std::fs::create_dir_all(state.path("keys"))?;
    copy(&key, &trusted_key(state))?;

    let images = entries(&from.join("images")).with_context(missing)?;
    let signed: Vec<_> = images.into_iter().filter(|folder| folder.join(SIGNATURE).exists()).collect();
    if signed.is_empty() {
        bail!(missing());
    }
    for folder in signed {
        let to = served(state).join("images").join(folder.file_name().unwrap_or_default());
        std::fs::create_dir_all(&to).with_context(|| format!("can't make {}", to.display()))?;
        // The manifest last: whoever reads it finds what it names.
        let mut files = entries(&folder)?;
        files.retain(|file| {
            !file.file_name().is_some_and(|n| n == MANIFEST || n == SIGNATURE || n.as_encoded_bytes()[0] == b'.')
        });
        for file in files.iter().chain(&[folder.join(SIGNATURE), folder.join(MANIFEST)]) {
            copy(file, &to.join(file.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// The guest images of a folder, by the names that `server-create --disk` takes. Sorted, the smallest file first.
pub fn guest_images(folder: &Path) -> Vec<String> {
    let mut images: Vec<(u64, String)> = entries(folder)
        .unwrap_or_default()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "qcow2"))
        .filter_map(|path| Some((path.metadata().ok()?.len(), path.file_name()?.to_str()?.to_owned())))
        .collect();
    images.sort();
    images.into_iter().map(|(_, name)| name).collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = all.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// Whole or not at all, and not at all if it is the same already.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = std::fs::read(from).with_context(|| format!("can't read {}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    service::files::write_atomic(to, &content, 0o644).with_context(|| format!("can't write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_signed_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("built");
        for (file, text) in [
            ("keys/development.pub", "the key"),
            ("keys/development.key", "secret"),
            ("images/small/kernel", "k"),
            ("images/small/manifest.json", "{}"),
            ("images/small/manifest.json.minisig", "s"),
            ("images/unsigned/kernel", "k"),
        ] {
            let path = from.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let state = State::at(&folder.path().join("state")).unwrap();
        state.prepare().unwrap();
        publish(&state, &from).unwrap();
        publish(&state, &from).unwrap();
        assert_eq!(std::fs::read(trusted_key(&state)).unwrap(), b"the key");
        let images: Vec<_> = entries(&served(&state).join("images")).unwrap();
        assert_eq!(images, [served(&state).join("images/small")]);
        assert_eq!(entries(&images[0]).unwrap().len(), 3);
        assert!(!state.path("keys/development.key").exists());
    }

    #[test]
    fn without_an_image_the_error_says_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(&folder.path().join("state")).unwrap();
        state.prepare().unwrap();
        let error = publish(&state, &folder.path().join("none")).unwrap_err();
        assert!(format!("{error:#}").contains("make rescue-image"));
    }
}
