//! The keys that an issuer publishes (RFC 7517). Fetched when they are needed first, when they have grown old, and when a token names one
//! that is not among them, which happens after the issuer has changed keys; but never more often than `refresh_min_s`, whatever
//! tokens come. While the issuer is away the last ones stay.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use api::ErrorClass;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Issuer;
use crate::error::{Error, Result};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes; no set of keys is as large.
const LARGEST: usize = 1024 * 1024;

pub struct Keys {
    issuer: String,
    /// Where the keys are, or where it says where they are.
    source: Source,
    http: reqwest::Client,
    max_age: Duration,
    min_pause: Duration,
    kept: RwLock<Option<Arc<Kept>>>,
    /// When fetching was last begun; held by the one who fetches.
    fetching: tokio::sync::Mutex<Option<Instant>>,
}

enum Source {
    Keys(Url),
    Discovery(Url),
}

struct Kept {
    keys: Vec<Key>,
    at: Instant,
}

struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.family().algorithms().contains(&algorithm) && self.algorithm.is_none_or(|a| a == algorithm)
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("{0}")]
    Answer(String),
}

impl Keys {
    /// # Errors
    /// What is wrong with the URLs.
    pub fn new(config: &Issuer) -> Result<Self, String> {
        let source = if config.jwks_url.is_empty() {
            let url = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
            Source::Discovery(checked(&url)?)
        } else {
            Source::Keys(checked(&config.jwks_url)?)
        };
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self {
            issuer: config.issuer.clone(),
            source,
            http,
            max_age: Duration::from_secs(config.refresh_s.max(1).into()),
            min_pause: Duration::from_secs(config.refresh_min_s.into()),
            kept: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The key that a token names; without a name, the only one that fits the algorithm.
    ///
    /// # Errors
    /// 503 as long as no keys could be had at all.
    pub async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<DecodingKey>> {
        let mut kept = self.kept();
        let pick = |kept: &Option<Arc<Kept>>| kept.as_ref().and_then(|kept| pick(&kept.keys, id, algorithm));
        let old = kept.as_ref().is_none_or(|kept| kept.at.elapsed() > self.max_age);
        if old || pick(&kept).is_none() {
            self.refresh(kept.as_ref().map(|kept| kept.at)).await;
            kept = self.kept();
        }
        if kept.is_none() {
            let details = format!("the keys of the issuer {} can't be had; try again in a moment", self.issuer);
            return Err(Error::new(ErrorClass::ServiceUnavailable, details));
        }
        Ok(pick(&kept))
    }

    /// Unless somebody else has just done it.
    async fn refresh(&self, seen: Option<Instant>) {
        let mut begun = self.fetching.lock().await;
        if self.kept().map(|kept| kept.at) != seen || begun.is_some_and(|at| at.elapsed() < self.min_pause) {
            return;
        }
        *begun = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                tracing::info!(issuer = self.issuer, keys = keys.len(), "fetched an issuer's keys");
                let kept = Arc::new(Kept { keys, at: Instant::now() });
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            }
            Err(error) => {
                metrics::counter!("region_oidc_fetch_failures_total").increment(1);
                tracing::warn!(issuer = self.issuer, %error, "an issuer's keys can't be fetched; those at hand stay");
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, FetchError> {
        #[derive(Deserialize)]
        struct Discovered {
            issuer: String,
            jwks_uri: String,
        }
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let answer = |e: &dyn std::fmt::Display, what: &str| FetchError::Answer(format!("{what}: {e}"));
        let url = match &self.source {
            Source::Keys(url) => url.clone(),
            Source::Discovery(url) => {
                let body = self.get(url).await?;
                let found: Discovered = serde_json::from_slice(&body).map_err(|e| answer(&e, "discovery"))?;
                if found.issuer != self.issuer {
                    return Err(FetchError::Answer(format!("discovery is of another issuer, {}", found.issuer)));
                }
                checked(&found.jwks_uri).map_err(|e| answer(&e, "discovery"))?
            }
        };
        let set: Set = serde_json::from_slice(&self.get(&url).await?).map_err(|e| answer(&e, "keys"))?;
        // Keys of kinds that are not known here are others' business.
        Ok(set.keys.into_iter().filter_map(usable).collect())
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let mut response = self.http.get(url.clone()).send().await?.error_for_status()?;
        if !response.status().is_success() {
            return Err(FetchError::Answer(format!("{url} answers {}", response.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(FetchError::Answer(format!("{url} answers with more than {LARGEST} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn kept(&self) -> Option<Arc<Kept>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pick(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let mut fitting = keys.iter().filter(|key| key.fits(algorithm));
    match id {
        Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).map(|key| key.key.clone()),
        None => {
            let only = fitting.next()?;
            fitting.next().is_none().then(|| only.key.clone())
        }
    }
}

fn usable(value: Value) -> Option<Key> {
    let algorithm = match value.get("alg") {
        Some(named) => Some(named.as_str()?.parse().ok()?),
        None => None,
    };
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, algorithm, key })
}

/// Keys that come in clear could be anybody's: only over loopback.
fn checked(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("{text}: {e}"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(format!("{text}: https is wanted (http over loopback only)")),
    }
}
