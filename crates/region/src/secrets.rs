//! Encryption of what must be kept for a while and never be readable in a row: the credentials of an open rescue session.
//!
//! XChaCha20-Poly1305, a random nonce before each text, the session's id as associated data: a row copied to another session does not
//! decrypt.

use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use service::random;
use types::rescue::{hex, unhex};
use types::{Secret, SessionId};

/// What a rescue system is to let in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credentials {
    pub ssh_keys: Vec<String>,
    /// A crypt(3) hash.
    pub password_hash: Option<Secret>,
}

pub struct SecretKey(XChaCha20Poly1305);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the key file, or random bytes for it: {0}")]
    File(#[from] std::io::Error),
    #[error("the key file {0} does not hold 64 hex digits")]
    Form(String),
    #[error("a session's credentials can't be decrypted: was the key file changed?")]
    Decrypt,
}

const NONCE: usize = 24;

impl SecretKey {
    /// Reads the key; makes it (mode 0600) if there is none yet.
    ///
    /// # Errors
    /// [`SecretError`]; also a key file that others can read.
    pub fn load_or_make(path: &Path) -> Result<Self, SecretError> {
        if !path.exists() {
            service::files::write_atomic(path, hex(&random::bytes::<32>()?).as_bytes(), 0o600)?;
        }
        let text = service::files::read_secret(path)?;
        let key =
            unhex(&text).filter(|k| k.len() == 32).ok_or_else(|| SecretError::Form(path.display().to_string()))?;
        Ok(Self(XChaCha20Poly1305::new(Key::from_slice(&key))))
    }

    /// # Errors
    /// No random bytes.
    pub fn seal(&self, session: SessionId, credentials: &Credentials) -> Result<Vec<u8>, SecretError> {
        let nonce = random::bytes::<NONCE>()?;
        let plain = serde_json::to_vec(credentials).expect("credentials are plain data");
        let aad = session.uuid().into_bytes();
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: &plain, aad: &aad })
            .map_err(|_| SecretError::Decrypt)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// # Errors
    /// [`SecretError::Decrypt`]: another key, another session, or a changed row.
    pub fn open(&self, session: SessionId, sealed: &[u8]) -> Result<Credentials, SecretError> {
        let (nonce, text) = sealed.split_at_checked(NONCE).ok_or(SecretError::Decrypt)?;
        let aad = session.uuid().into_bytes();
        let plain = self
            .0
            .decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: &aad })
            .map_err(|_| SecretError::Decrypt)?;
        serde_json::from_slice(&plain).map_err(|_| SecretError::Decrypt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_own_session_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = SecretKey::load_or_make(&path).unwrap();
        let session = SessionId::generate();
        let credentials = Credentials { ssh_keys: vec!["k".into()], password_hash: Some(Secret::new("$6$x")) };
        let sealed = key.seal(session, &credentials).unwrap();
        assert!(!sealed.windows(3).any(|w| w == b"$6$"));
        let again = SecretKey::load_or_make(&path).unwrap();
        assert_eq!(again.open(session, &sealed).unwrap(), credentials);
        assert!(again.open(SessionId::generate(), &sealed).is_err());
    }
}
