//! Whose signature counts, what was revoked, and what has expired.

use std::path::Path;

use chrono::{DateTime, Utc};
use minisign_verify::{PublicKey, Signature};

use crate::digest::Digest;
use crate::manifest::{BadManifest, MAX_SIGNATURE, Manifest};

/// Keys that may sign images, and what may not be booted though it was signed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    keys: Vec<Key>,
    revoked_digests: Vec<Digest>,
}

#[derive(Debug, Clone)]
struct Key {
    /// The base64 line.
    text: String,
    key: PublicKey,
    revoked: bool,
}

/// A key's text or file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    #[error("'{0}' is not a minisign public key: give the line that begins with RW, or the path of a .pub file")]
    Form(String),
    #[error("the public key file {path} can't be read: {source}")]
    File { path: String, source: std::io::Error },
}

/// Why an image is not booted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("no key is trusted: list the image builder's public key among the trusted keys")]
    NoKeys,
    #[error("the signature can't be read: {0}")]
    SignatureForm(String),
    #[error("the signature is not by a trusted key, or not of this manifest")]
    Signature,
    #[error("the key that signed it is revoked: {0}")]
    KeyRevoked(String),
    #[error("{what} with digest {digest} is revoked")]
    DigestRevoked { what: &'static str, digest: Digest },
    #[error(transparent)]
    Manifest(#[from] BadManifest),
    #[error("the manifest has expired at {0}")]
    Expired(DateTime<Utc>),
}

impl Trust {
    /// Each key is the base64 line of a minisign public key, or the path of a file that has it. A key that is revoked as well is
    /// known, so that the refusal can say so, and counts for nothing.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn new<T, R>(trusted: &[T], revoked: &[R], revoked_digests: &[Digest]) -> Result<Self, BadKey>
    where
        T: AsRef<str>,
        R: AsRef<str>,
    {
        let mut keys: Vec<Key> = Vec::with_capacity(trusted.len() + revoked.len());
        let lists =
            revoked.iter().map(|text| (text.as_ref(), true)).chain(trusted.iter().map(|text| (text.as_ref(), false)));
        for (text, revoked) in lists {
            let (text, key) = read_key(text)?;
            if !keys.iter().any(|known| known.text == text) {
                keys.push(Key { text, key, revoked });
            }
        }
        Ok(Self { keys, revoked_digests: revoked_digests.to_vec() })
    }

    /// Whether any key may sign.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.keys.iter().any(|key| !key.revoked)
    }

    /// Nothing of the manifest is read before its signature was found good.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn verify(&self, manifest: &[u8], signature: &[u8], now: DateTime<Utc>) -> Result<Manifest, Rejected> {
        if self.is_empty() {
            return Err(Rejected::NoKeys);
        }
        let text = std::str::from_utf8(signature).ok().filter(|text| text.len() <= MAX_SIGNATURE);
        let text = text.ok_or_else(|| Rejected::SignatureForm("not a minisign signature file".into()))?;
        let signature = Signature::decode(text).map_err(|e| Rejected::SignatureForm(e.to_string()))?;
        // Only the pre-hashed form, which minisign writes by default since 2019.
        let signer = self.keys.iter().find(|key| key.key.verify(manifest, &signature, false).is_ok());
        let signer = signer.ok_or(Rejected::Signature)?;
        if signer.revoked {
            return Err(Rejected::KeyRevoked(signer.text.clone()));
        }
        let digest = Digest::of(manifest);
        let manifest = Manifest::parse(manifest)?;
        let digests = [
            ("the manifest", digest),
            ("the kernel", manifest.kernel.sha256),
            ("the initramfs", manifest.initramfs.sha256),
        ];
        if let Some((what, digest)) = digests.into_iter().find(|(_, digest)| self.revoked_digests.contains(digest)) {
            return Err(Rejected::DigestRevoked { what, digest });
        }
        match manifest.expires {
            Some(expires) if expires <= now => Err(Rejected::Expired(expires)),
            _ => Ok(manifest),
        }
    }
}

fn read_key(text: &str) -> Result<(String, PublicKey), BadKey> {
    let form = || BadKey::Form(text.chars().take(120).collect());
    if let Ok(key) = PublicKey::from_base64(text.trim()) {
        return Ok((text.trim().to_owned(), key));
    }
    if text.contains('\n') {
        // The content of a key file.
        let line = text.lines().nth(1).unwrap_or_default().trim();
        return PublicKey::from_base64(line).map(|key| (line.to_owned(), key)).map_err(|_| form());
    }
    if !Path::new(text).exists() {
        return Err(form());
    }
    let content = std::fs::read_to_string(text).map_err(|source| BadKey::File { path: text.to_owned(), source })?;
    let line = content.lines().nth(1).unwrap_or_default().trim();
    PublicKey::from_base64(line).map(|key| (line.to_owned(), key)).map_err(|_| form())
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;
    use crate::manifest::tests::sample;

    fn sign(pair: &KeyPair, content: &[u8]) -> Vec<u8> {
        minisign::sign(Some(&pair.pk), &pair.sk, content, Some("test"), None).unwrap().to_string().into_bytes()
    }

    const NONE: &[&str] = &[];

    fn trusting(keys: &[&str]) -> Result<Trust, BadKey> {
        Trust::new(keys, NONE, &[])
    }

    fn pair() -> (KeyPair, String) {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.pk.to_base64();
        (pair, text)
    }

    #[test]
    fn a_good_signature_counts_and_nothing_else() {
        let ((ours, ours_text), (theirs, theirs_text)) = (pair(), pair());
        let json = sample().to_json().unwrap();
        let (signature, other) = (sign(&ours, &json), sign(&theirs, &json));
        let trust = trusting(&[&ours_text]).unwrap();
        let now = Utc::now();
        assert_eq!(trust.verify(&json, &signature, now).unwrap(), sample());
        assert_eq!(trust.verify(&json, &other, now), Err(Rejected::Signature));
        for at in 0..json.len() {
            let mut flipped = json.clone();
            flipped[at] ^= 1;
            assert_eq!(trust.verify(&flipped, &signature, now), Err(Rejected::Signature), "bit of byte {at}");
        }
        for broken in [&b""[..], b"\xff\xff", b"one\ntwo\nthree\nfour\n", &signature[..signature.len() / 2]] {
            assert!(matches!(trust.verify(&json, broken, now), Err(Rejected::SignatureForm(_))), "{broken:?}");
        }
        assert_eq!(Trust::default().verify(&json, &signature, now), Err(Rejected::NoKeys));
        let both = trusting(&[&theirs_text, &ours_text]).unwrap();
        assert!(both.verify(&json, &signature, now).is_ok() && both.verify(&json, &other, now).is_ok());
    }

    #[test]
    fn a_good_signature_does_not_excuse_the_content() {
        let (ours, text) = pair();
        let trust = trusting(&[&text]).unwrap();
        let json = String::from_utf8(sample().to_json().unwrap()).unwrap().replace("\"small\"", "\"../small\"");
        let signature = sign(&ours, json.as_bytes());
        assert!(matches!(trust.verify(json.as_bytes(), &signature, Utc::now()), Err(Rejected::Manifest(_))));
    }

    #[test]
    fn what_expired_or_was_revoked_is_refused() {
        let (ours, text) = pair();
        let (_, still_trusted) = pair();
        let expires: DateTime<Utc> = "2030-01-01T00:00:00Z".parse().unwrap();
        let json = Manifest { expires: Some(expires), ..sample() }.to_json().unwrap();
        let signature = sign(&ours, &json);
        let trust = trusting(&[&text]).unwrap();
        assert!(trust.verify(&json, &signature, expires - chrono::Duration::seconds(1)).is_ok());
        assert_eq!(trust.verify(&json, &signature, expires), Err(Rejected::Expired(expires)));

        let before = expires - chrono::Duration::days(1);
        let revoked_key = Trust::new(&[&text, &still_trusted], &[&text], &[]).unwrap();
        assert_eq!(revoked_key.verify(&json, &signature, before), Err(Rejected::KeyRevoked(text.clone())));
        for (what, digest) in [
            ("the manifest", Digest::of(&json)),
            ("the kernel", sample().kernel.sha256),
            ("the initramfs", sample().initramfs.sha256),
        ] {
            let revoked = Trust::new(&[&text], NONE, &[digest]).unwrap();
            assert_eq!(revoked.verify(&json, &signature, before), Err(Rejected::DigestRevoked { what, digest }));
        }
        let only = Trust::new(&[&text], &[&text], &[]).unwrap();
        assert_eq!(only.verify(&json, &signature, before), Err(Rejected::NoKeys));
    }

    #[test]
    fn keys_are_read_from_text_and_file() {
        let (ours, text) = pair();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pub");
        std::fs::write(&path, ours.pk.to_box().unwrap().into_string()).unwrap();
        assert!(trusting(&[path.to_str().unwrap(), &text]).is_ok());
        assert!(trusting(&[&ours.pk.to_box().unwrap().into_string()]).is_ok());
        for wrong in ["", "nonsense", "/nowhere/key.pub"] {
            let error = trusting(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("minisign public key"), "{error}");
        }
    }
}
