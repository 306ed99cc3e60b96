//! What a new disk is made from: an image of this host, by its name, or one from elsewhere, by address and digest:
//! `https://images.example/debian.qcow2#sha256=<64 hex digits>`; and which of the latter are being copied.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact::Digest;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of the host's image folder.
    Named(String),
    At {
        url: String,
        digest: Digest,
    },
}

impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return Ok(Self::Named(text.to_owned()));
        }
        let wanted = || format!("image '{text}': an address is followed by its digest: #sha256=<64 hex digits>");
        let (url, digest) = text.split_once("#sha256=").ok_or_else(wanted)?;
        Ok(Self::At { url: url.to_owned(), digest: digest.parse().map_err(|_| wanted())? })
    }
}

/// Whether the host's configuration lets images come from there. A prefix that does not end in `/` is not a prefix of other hosts'
/// names: `https://a.example` does not allow `https://a.example.org`.
#[must_use]
pub fn allowed(url: &str, sources: &[String]) -> bool {
    let climbs = url.contains("/../") || url.contains('@') || url.contains("%2e") || url.contains("%2E");
    !climbs
        && sources.iter().any(|source| {
            url.strip_prefix(&**source)
                .is_some_and(|rest| source.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
        })
}

/// Images from elsewhere that disks are being made from, once for each disk.
#[derive(Debug, Clone, Default)]
pub struct Copies(Arc<Mutex<Vec<Digest>>>);

/// Held while an image is fetched and copied.
#[derive(Debug)]
pub struct Copying(Copies, Digest);

impl Copies {
    #[must_use]
    pub fn begin(&self, digest: Digest) -> Copying {
        self.list().push(digest);
        Copying(self.clone(), digest)
    }

    #[must_use]
    pub fn digests(&self) -> HashSet<Digest> {
        self.list().iter().copied().collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        let mut copies = self.0.list();
        if let Some(at) = copies.iter().position(|it| *it == self.1) {
            copies.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        let digest = Digest::of(b"x");
        assert_eq!("tiny.qcow2".parse(), Ok(Source::Named("tiny.qcow2".into())));
        let url = "https://a.example/x.img".to_owned();
        assert_eq!(format!("{url}#sha256={digest}").parse(), Ok(Source::At { url, digest }));
        for wrong in ["https://a.example/x.img", "http://a/x#sha256=12", "http://a/x#md5=00"] {
            assert!(wrong.parse::<Source>().unwrap_err().contains("sha256"), "{wrong}");
        }
    }

    #[test]
    fn images_come_only_from_where_they_may() {
        let sources = ["https://a.example".to_owned(), "http://b.example/images/".to_owned()];
        for (url, expected) in [
            ("https://a.example/x", true),
            ("https://a.example", true),
            ("https://a.example.org/x", false),
            ("https://a.example@b.example/x", false),
            ("http://a.example/x", false),
            ("http://b.example/images/x", true),
            ("http://b.example/images/../secret", false),
            ("http://b.example/images/%2e%2e/secret", false),
            ("http://b.example/other", false),
        ] {
            assert_eq!(allowed(url, &sources), expected, "{url}");
        }
        assert!(!allowed("https://a.example/x", &[]));
    }
}
