//! What a name leads to. Both protocols ask here.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::sync::Arc;

use artifact::{Digest, Trust};
use bytes::Bytes;
use chrono::Utc;
use tokio::sync::{Notify, watch};

use crate::catalogue::{Catalogue, IMAGES, MANIFEST, SIGNATURE, Verified};
use crate::config::Boot;
use crate::root::{Mark, Root, RootError, components};
use crate::script;

pub struct Tree {
    root: Root,
    trust: Trust,
    boot: Boot,
    catalogue: watch::Sender<Arc<Catalogue>>,
    /// A file is not what it was when its image was checked.
    changed: Notify,
    transfers: Transfers,
}

/// How many files are open to be sent.
#[derive(Debug, Clone, Default)]
pub struct Transfers(Arc<()>);

impl Transfers {
    #[must_use]
    pub fn count(&self) -> u32 {
        // Beside those of the files there are this one and the tree's.
        u32::try_from(Arc::strong_count(&self.0).saturating_sub(2)).unwrap_or(u32::MAX)
    }
}

/// A file that is open to be sent; it counts as long as it is there.
#[derive(Debug)]
pub struct Sending {
    file: File,
    _counts: Transfers,
}

impl Deref for Sending {
    type Target = File;
    fn deref(&self) -> &File {
        &self.file
    }
}

impl Read for Sending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Tftp,
}

/// Something that may be sent.
#[derive(Debug)]
pub enum Content {
    File {
        file: Sending,
        mark: Mark,
        digest: Option<Digest>,
    },
    /// A manifest, a signature or a script.
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
    pub fn new(root: Root, trust: Trust, boot: Boot) -> Self {
        Self {
            root,
            trust,
            boot,
            catalogue: watch::Sender::default(),
            changed: Notify::new(),
            transfers: Transfers::default(),
        }
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

    /// For those who want to know how much is being sent.
    #[must_use]
    pub fn transfers(&self) -> Transfers {
        self.transfers.clone()
    }

    fn sending(&self, file: File) -> Sending {
        Sending { file, _counts: self.transfers.clone() }
    }

    /// Ends when a file was found that is not what it was.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What a name from the network leads to. Below `images/` that is a verified image's manifest, signature or file, and nothing else;
    /// elsewhere a file, or where there is none, a boot script. Blocks.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn open(&self, name: &[u8], protocol: Protocol) -> Result<Content, RootError> {
        let opened = self.find(name);
        match &opened {
            Ok((_, file)) => count_file(file, protocol),
            Err(error) => count_refused(error, protocol),
        }
        opened.map(|(content, _)| content)
    }

    /// The content, and the name that counts for metrics: one for each thing that is served, however it was spelt.
    fn find(&self, name: &[u8]) -> Result<(Content, String), RootError> {
        let parts = components(name)?;
        if parts[0] == IMAGES.as_bytes() {
            let [_, folder, file] = parts[..] else { return Err(RootError::NotFound) };
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| RootError::NotFound);
            return self.image_file(text(folder)?, text(file)?);
        }
        match self.root.file(name) {
            Ok(opened) => {
                let shown = String::from_utf8_lossy(&parts.join(&b'/')).into_owned();
                Ok((Content::File { file: self.sending(opened.file), mark: opened.mark, digest: None }, shown))
            }
            Err(RootError::NotFound) => self.script(&parts).ok_or(RootError::NotFound),
            Err(error) => Err(error),
        }
    }

    fn script(&self, parts: &[&[u8]]) -> Option<(Content, String)> {
        let (kind, mac) = script::wanted(parts)?;
        let catalogue = self.catalogue();
        let (folder, image) = catalogue.find(self.boot.image_for(mac)?)?;
        Some((Content::Bytes(kind.script(folder, &image.manifest).into()), kind.as_str().to_owned()))
    }

    fn image_file(&self, folder: &str, file: &str) -> Result<(Content, String), RootError> {
        let catalogue = self.catalogue();
        let (folder, image) = catalogue.find(folder).ok_or(RootError::NotFound)?;
        let content = match file {
            MANIFEST => Content::Bytes(image.json.clone()),
            SIGNATURE => Content::Bytes(image.signature.clone()),
            file => self.verified(image.file(file).ok_or(RootError::NotFound)?)?,
        };
        Ok((content, format!("{IMAGES}/{folder}/{file}")))
    }

    /// A file of a verified image, by its digest. Blocks.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn artifact(&self, digest: Digest, protocol: Protocol) -> Result<Content, RootError> {
        let catalogue = self.catalogue();
        let opened = catalogue.by_digest(digest).ok_or(RootError::NotFound).and_then(|verified| {
            let content = self.verified(verified)?;
            count_file(&verified.name, protocol);
            Ok(content)
        });
        opened.inspect_err(|error| count_refused(error, protocol))
    }

    fn verified(&self, verified: &Verified) -> Result<Content, RootError> {
        let opened = self.root.file(verified.name.as_bytes());
        match opened {
            Ok(opened) if opened.mark == verified.mark => {
                Ok(Content::File { file: self.sending(opened.file), mark: opened.mark, digest: Some(verified.digest) })
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

impl Protocol {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tftp => "tftp",
        }
    }
}

fn count_file(file: &str, protocol: Protocol) {
    // Names of what is there: nobody can make up another by asking for it.
    metrics::counter!("baremetal_agent_files_total", "protocol" => protocol.as_str(), "file" => file.to_owned())
        .increment(1);
}

fn count_refused(error: &RootError, protocol: Protocol) {
    let reason = match error {
        RootError::NotFound => "not_found",
        RootError::Denied(_) => "denied",
        RootError::Io(_) => "io",
    };
    metrics::counter!("baremetal_agent_refused_total", "protocol" => protocol.as_str(), "reason" => reason)
        .increment(1);
}
