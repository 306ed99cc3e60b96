//! Passwords: argon2id, computed off the async threads. A verified pair is remembered for seconds, because a command line logs in
//! once per process.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use types::Secret;

use crate::error::{Error, Result};
use service::random;

const REMEMBERED: Duration = Duration::from_secs(30);
/// At most so many checks at once.
const CHECKS: usize = 4;
/// What a new hash costs. One of the settings that OWASP's cheat sheet on password storage calls equal; of those the one with least memory, as
/// a process keeps what it once took.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;

/// A hash nobody's password fits: checked for unknown users, so that they take as long as known ones.
pub const NOBODY: &str =
    "$argon2id$v=19$m=7168,t=5,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Checks passwords.
pub struct Authority {
    /// SHA-256 over hash and password, so that neither stands in memory for long.
    verified: Mutex<HashMap<[u8; 32], Instant>>,
    checks: tokio::sync::Semaphore,
}

impl Default for Authority {
    fn default() -> Self {
        Self { verified: Mutex::default(), checks: tokio::sync::Semaphore::new(CHECKS) }
    }
}

impl Authority {
    /// Whether the password fits the hash. `may` is asked when its turn has come: of many guesses that are sent at once, those that wait
    /// learn here that the ones before them were wrong.
    ///
    /// # Errors
    /// A hash that is not in PHC form; what `may` says.
    pub async fn check(&self, hash: String, password: Secret, may: impl FnOnce() -> Result<()>) -> Result<bool> {
        let pair: [u8; 32] =
            Sha256::new().chain_update(&hash).chain_update([0]).chain_update(password.expose()).finalize().into();
        if self.remembered(pair) {
            return Ok(true);
        }
        let _turn = self.checks.acquire().await.map_err(Error::internal)?;
        may()?;
        let fits = tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).map_err(|e| std::io::Error::other(e.to_string()))?;
            // With the algorithm and the parameters that the hash names.
            Ok::<_, std::io::Error>(Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
        })
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
        if fits {
            self.lock().insert(pair, Instant::now());
        }
        Ok(fits)
    }

    fn remembered(&self, pair: [u8; 32]) -> bool {
        let mut verified = self.lock();
        verified.retain(|_, at| at.elapsed() < REMEMBERED);
        verified.contains_key(&pair)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The hash to store.
///
/// # Errors
/// No random bytes.
pub async fn hash(password: Secret) -> Result<String> {
    let salt = random::bytes::<16>().map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || {
        let salt = SaltString::encode_b64(&salt).map_err(|e| std::io::Error::other(e.to_string()))?;
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|e| std::io::Error::other(e.to_string()))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(password.expose().as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(|e| std::io::Error::other(e.to_string()))
    })
    .await
    .map_err(Error::internal)?
    .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let authority = Authority::default();
        let stored = hash(Secret::new("right")).await.unwrap();
        for _ in 0..2 {
            assert!(authority.check(stored.clone(), Secret::new("right"), || Ok(())).await.unwrap());
            assert!(!authority.check(stored.clone(), Secret::new("wrong"), || Ok(())).await.unwrap());
        }
        let no = || Err(Error::input("not now"));
        assert!(authority.check(stored.clone(), Secret::new("wrong"), no).await.is_err(), "it is asked");
        assert!(authority.check(stored, Secret::new("right"), no).await.unwrap(), "what is remembered is no guess");
    }

    /// By how long it takes nobody learns which names there are.
    #[tokio::test]
    async fn an_unknown_user_costs_what_a_known_one_does() {
        let cost = |hash: &str| {
            let hash = PasswordHash::new(hash).expect("a hash");
            (hash.algorithm.to_string(), hash.version, hash.params.to_string(), hash.hash.map(|hash| hash.len()))
        };
        assert_eq!(cost(&hash(Secret::new("x")).await.unwrap()), cost(NOBODY));
    }
}
