//! Which images have passed their check.
//!
//! A scan reads every folder below `images/`: manifest, signature, then the digest of each file. What passes is kept with the marks of the
//! files that were read, so that a file which changed afterwards is noticed when it is opened and not served under a promise that was made
//! for another. What fails is kept with the reason.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::Arc;

use artifact::manifest::{MAX_MANIFEST, MAX_SIGNATURE, is_name};
use artifact::{Digest, Manifest, ManifestFile, Trust};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::root::{Mark, Root, RootError};

/// The folder of images, beneath the root.
pub const IMAGES: &str = "images";
pub const MANIFEST: &str = "manifest.json";
pub const SIGNATURE: &str = "manifest.json.minisig";

/// The result of a scan.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// By folder: `<name>`, or `<name>.<serial>` where several stand side by side.
    pub images: BTreeMap<String, Arc<Image>>,
    /// Images that failed, and why.
    pub rejected: BTreeMap<String, String>,
    by_digest: HashMap<Digest, Verified>,
}

/// An image that passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    pub manifest: Manifest,
    /// The bytes that were verified. They are served from here, so that manifest and signature always fit.
    pub json: Bytes,
    pub signature: Bytes,
    /// By file name.
    files: BTreeMap<String, Verified>,
}

/// A file whose content has a known digest, as long as its mark is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Beneath the root.
    pub name: String,
    pub digest: Digest,
    pub mark: Mark,
}

impl Image {
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&Verified> {
        self.files.get(name)
    }
}

impl Catalogue {
    /// The image that a folder's name leads to, and its folder. `<name>` alone, where no folder is called so, means the one with the highest
    /// serial; `<name>.<serial>` that one, whatever its folder is called.
    #[must_use]
    pub fn find(&self, asked: &str) -> Option<(&str, &Arc<Image>)> {
        if let Some((folder, image)) = self.images.get_key_value(asked) {
            return Some((folder.as_str(), image));
        }
        let exact = self.images.iter().find(|(_, image)| asked == versioned(&image.manifest));
        let newest = || {
            let named = self.images.iter().filter(|(_, image)| image.manifest.name == asked);
            named.max_by_key(|(_, image)| image.manifest.serial)
        };
        exact.or_else(newest).map(|(folder, image)| (folder.as_str(), image))
    }

    #[must_use]
    pub fn by_digest(&self, digest: Digest) -> Option<&Verified> {
        self.by_digest.get(&digest)
    }

    /// Whether the same images passed, with the same content.
    #[must_use]
    pub fn same_images(&self, other: &Self) -> bool {
        let signed = |c: &Self| c.images.values().map(|i| (i.json.clone(), i.signature.clone())).collect::<Vec<_>>();
        signed(self) == signed(other)
    }

    /// Checks every image. Reads all of them: blocks.
    #[must_use]
    pub fn scan(root: &Root, trust: &Trust, now: DateTime<Utc>) -> Self {
        let mut catalogue = Self::default();
        let names = root.folders(IMAGES.as_bytes()).unwrap_or_else(|error| {
            catalogue.rejected.insert(IMAGES.into(), format!("the folder can't be read: {error}"));
            Vec::new()
        });
        for name in names {
            match Self::check(root, trust, &name, now) {
                Ok(image) => {
                    for file in image.files.values() {
                        catalogue.by_digest.entry(file.digest).or_insert_with(|| file.clone());
                    }
                    catalogue.images.insert(name, Arc::new(image));
                }
                Err(reason) => {
                    catalogue.rejected.insert(name, reason);
                }
            }
        }
        catalogue
    }

    fn check(root: &Root, trust: &Trust, name: &str, now: DateTime<Utc>) -> Result<Image, String> {
        if !is_name(name) {
            return Err("the folder's name can't be an image's: 1 to 64 of a-z, 0-9, '.', '_' and '-' are".into());
        }
        let image = check_folder(root, &format!("{IMAGES}/{name}/"), trust, now)?;
        let (manifest, versioned) = (&image.manifest, versioned(&image.manifest));
        if manifest.name == name || versioned == name {
            Ok(image)
        } else {
            Err(format!("its manifest is for {}: name the folder so, or {versioned}", manifest.name))
        }
    }

    /// Logs what differs from the scan before.
    pub fn log_changes(&self, before: &Self) {
        for (name, reason) in &self.rejected {
            if before.rejected.get(name) != Some(reason) {
                tracing::error!(image = name, reason, "image failed its check and is not served");
            }
        }
        for (name, image) in &self.images {
            if before.images.get(name).is_none_or(|old| old.json != image.json) {
                let manifest = &image.manifest;
                tracing::info!(image = name, version = manifest.version, serial = manifest.serial, kernel = %manifest.kernel.sha256, initramfs = %manifest.initramfs.sha256, "image verified");
            } else if before.rejected.contains_key(name) {
                tracing::info!(image = name, "image passes its check again");
            }
        }
        for name in
            before.images.keys().filter(|name| !self.images.contains_key(*name) && !self.rejected.contains_key(*name))
        {
            tracing::warn!(image = name, "image is gone");
        }
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let (good, bad) = (self.images.len() as f64, self.rejected.len() as f64);
        metrics::gauge!("baremetal_agent_images", "state" => "verified").set(good);
        metrics::gauge!("baremetal_agent_images", "state" => "rejected").set(bad);
    }
}

/// The folder of an image that others of its name stand beside.
#[must_use]
pub fn versioned(manifest: &Manifest) -> String {
    format!("{}.{}", manifest.name, manifest.serial)
}

/// Checks one image: signature, expiry and revocation, then the digest of each file. `folder` is empty or ends with a slash. Blocks.
///
/// # Errors
/// The reason, for a person.
pub fn check_folder(root: &Root, folder: &str, trust: &Trust, now: DateTime<Utc>) -> Result<Image, String> {
    let json = small(root, folder, MANIFEST, MAX_MANIFEST)?;
    let signature = small(root, folder, SIGNATURE, MAX_SIGNATURE)?;
    let manifest = trust.verify(&json, &signature, now).map_err(|e| e.to_string())?;
    let files = [check_file(root, folder, &manifest.kernel)?, check_file(root, folder, &manifest.initramfs)?];
    Ok(Image { manifest, json: json.into(), signature: signature.into(), files: files.into() })
}

fn small(root: &Root, folder: &str, file: &str, max: usize) -> Result<Vec<u8>, String> {
    let problem = |error: RootError| format!("{file}: {}", chain(&error));
    let opened = root.file(format!("{folder}{file}").as_bytes()).map_err(problem)?;
    let mut content = Vec::new();
    opened.file.take(max as u64 + 1).read_to_end(&mut content).map_err(|e| problem(e.into()))?;
    if content.len() > max { Err(format!("{file} is longer than {max} bytes")) } else { Ok(content) }
}

fn check_file(root: &Root, folder: &str, wanted: &ManifestFile) -> Result<(String, Verified), String> {
    let (name, file) = (format!("{folder}{}", wanted.file), &wanted.file);
    let problem = |error: RootError| format!("{file}: {}", chain(&error));
    let opened = root.file(name.as_bytes()).map_err(problem)?;
    if opened.mark.size != wanted.size {
        return Err(format!("{file} has {} bytes, the manifest says {}", opened.mark.size, wanted.size));
    }
    let (digest, _) = Digest::read(&opened.file).map_err(|e| problem(e.into()))?;
    if digest != wanted.sha256 {
        return Err(format!("{file} has digest {digest}, the manifest says {}", wanted.sha256));
    }
    // A file that was written to meanwhile has a younger mark when it is opened again, and is then not served.
    Ok((file.clone(), Verified { name, digest, mark: opened.mark }))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes: Vec<String> = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect();
    causes.join(": ")
}
