//! What a name leads to. Both protocols ask here.

use std::fs::File;
use std::sync::Arc;

use artifact::{Digest, Trust};
use bytes::Bytes;
use chrono::Utc;
use tokio::sync::{Notify, watch};

use crate::catalogue::{Catalogue, IMAGES, MANIFEST, SIGNATURE, Verified};
use crate::root::{Mark, Root, RootError, components};

pub struct Tree {
    root: Root,
    trust: Trust,
    catalogue: watch::Sender<Arc<Catalogue>>,
    /// A file is not what it was when its image was checked.
    changed: Notify,
}

/// Something that may be sent.
#[derive(Debug)]
pub enum Content {
    File {
        file: File,
        mark: Mark,
        digest: Option<Digest>,
    },
    /// A manifest or a signature.
    Bytes(Bytes),
}

impl Content {
    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::File { mark, .. } => mark.size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl Tree {
    #[must_use]
    pub fn new(root: Root, trust: Trust) -> Self {
        Self { root, trust, catalogue: watch::Sender::default(), changed: Notify::new() }
    }

    /// Checks all images and takes note. Blocks.
    pub fn check(&self) -> Arc<Catalogue> {
        let fresh = Arc::new(Catalogue::scan(&self.root, &self.trust, Utc::now()));
        self.catalogue.send_if_modified(|catalogue| {
            fresh.log_changes(catalogue);
            let same = fresh.same_images(catalogue);
            *catalogue = fresh.clone();
            !same
        });
        fresh
    }

    /// The newest result of [`Self::check`].
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.borrow().clone()
    }

    /// Changes when other images pass than before.
    pub fn watch(&self) -> watch::Receiver<Arc<Catalogue>> {
        self.catalogue.subscribe()
    }

    /// Ends when a file was found that is not what it was.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What a name from the network leads to. Below `images/` that is a verified image's manifest, signature or file, and nothing else.
    /// Blocks.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn open(&self, name: &[u8]) -> Result<Content, RootError> {
        let parts = components(name)?;
        if parts[0] != IMAGES.as_bytes() {
            let opened = self.root.file(name)?;
            return Ok(Content::File { file: opened.file, mark: opened.mark, digest: None });
        }
        let [_, image, file] = parts[..] else { return Err(RootError::NotFound) };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| RootError::NotFound);
        self.image_file(text(image)?, text(file)?)
    }

    fn image_file(&self, image: &str, file: &str) -> Result<Content, RootError> {
        let catalogue = self.catalogue();
        let image = catalogue.images.get(image).ok_or(RootError::NotFound)?;
        match file {
            MANIFEST => Ok(Content::Bytes(image.json.clone())),
            SIGNATURE => Ok(Content::Bytes(image.signature.clone())),
            file => self.verified(image.file(file).ok_or(RootError::NotFound)?),
        }
    }

    /// A file of a verified image, by its digest. Blocks.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn artifact(&self, digest: Digest) -> Result<Content, RootError> {
        self.verified(self.catalogue().by_digest(digest).ok_or(RootError::NotFound)?)
    }

    fn verified(&self, verified: &Verified) -> Result<Content, RootError> {
        let opened = self.root.file(verified.name.as_bytes());
        match opened {
            Ok(opened) if opened.mark == verified.mark => {
                Ok(Content::File { file: opened.file, mark: opened.mark, digest: Some(verified.digest) })
            }
            Ok(_) | Err(RootError::NotFound) => {
                tracing::warn!(
                    file = verified.name,
                    "a file of an image has changed since it was checked: all images are checked again"
                );
                self.changed.notify_one();
                Err(RootError::NotFound)
            }
            Err(error) => Err(error),
        }
    }
}
