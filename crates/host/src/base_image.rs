//! What a new disk is made from: an image of this host, by its name, or one from elsewhere, by address and digest:
//! `https://images.example/debian.qcow2#sha256=<64 hex digits>`; and which of the latter are being copied.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact::Digest;
use axum::http::Uri;

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

/// An address in the form in which it is asked for. One that a reader of addresses would change, by dropping, turning
/// or resolving a part of it, is none: what is compared here is then what is fetched.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    scheme: String,
    host: String,
    port: u16,
    /// Begins with `/`.
    path: String,
}

impl Address {
    /// None: it is no address over HTTP, holds credentials, or is not in its plain form (RFC 3986, section 6).
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // A reader drops tabs and line ends, turns `\` into `/`, escapes the others, and ends the path at `#`.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#\"<>^`{|}".contains(&byte)) {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let default = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        // Servers may decode an escaped slash, and then climb.
        let path = uri.path();
        let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
        if authority.as_str().contains('@') || decoded.split('/').any(|segment| matches!(segment, "." | "..")) {
            return None;
        }
        let port = authority.port_u16().unwrap_or(default);
        let host = authority.host().to_ascii_lowercase();
        Some(Self { scheme: scheme.to_owned(), host, port, path: path.to_owned() })
    }

    /// Whether it is this one or below it.
    fn is_within(&self, source: &Self) -> bool {
        let rest = self.path.strip_prefix(&*source.path);
        (&self.scheme, &self.host, self.port) == (&source.scheme, &source.host, source.port)
            && rest.is_some_and(|rest| source.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether the host's configuration lets images come from there.
#[must_use]
pub fn allowed(url: &str, sources: &[String]) -> bool {
    let Some(address) = Address::read(url) else { return false };
    sources.iter().filter_map(|source| Address::read(source)).any(|source| address.is_within(&source))
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
            ("https://A.example:443/x", true),
            ("https://a.example.org/x", false),
            ("https://a.example:444/x", false),
            ("https://a.example:80/x", false),
            ("https://a.example@b.example/x", false),
            ("https://user:secret@a.example/x", false),
            ("https://@a.example/x", false),
            ("http://a.example/x", false),
            ("ftp://a.example/x", false),
            ("https:/a.example/x", false),
            ("https:///a.example/x", false),
            ("http://b.example/images/x", true),
            ("http://b.example/images/x..y/.z", true),
            ("http://b.example/images/x@1?version=../2", true),
            ("http://b.example/images/../secret", false),
            ("http://b.example/images/x/../../secret", false),
            ("http://b.example/images/..", false),
            ("http://b.example/images/..?x", false),
            ("http://b.example/images/..#x", false),
            ("http://b.example/images/./x", false),
            ("http://b.example/images/..\\secret", false),
            ("http://b.example/images\\..\\secret", false),
            ("http://b.example\\@a.example/images/x", false),
            ("http://b.example/images/%2e%2e/secret", false),
            ("http://b.example/images/.%2E/secret", false),
            ("http://b.example/images/%2e", false),
            ("http://b.example/images/..%2Fsecret", false),
            ("http://b.example/images/..%5csecret", false),
            ("http://b.example/images/.\t./secret", false),
            ("http://b.example/images/.\n./secret", false),
            ("http://b.example/images/.\r./secret", false),
            ("http://b.example/images/x y", false),
            ("\thttp://b.example/images/x", false),
            ("http://b.example/images/\u{2025}/secret", false),
            ("http://b.example/other", false),
            ("http://b.example/imagesx", false),
        ] {
            assert_eq!(allowed(url, &sources), expected, "{url:?}");
        }
        assert!(!allowed("https://a.example/x", &[]));
        let wrong = ["https://user@a.example".to_owned(), "http://b.example/../".to_owned(), String::new()];
        assert!(!allowed("https://a.example/x", &wrong) && !allowed("http://b.example/x", &wrong));
    }
}
