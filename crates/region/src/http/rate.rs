//! How often one caller may ask. A token has a bucket of its own; who shows none, or one that is no good, counts by address, so that trying
//! tokens out is slow. Kept in this process: each replica counts for itself.
//!
//! One number per caller, the time at which its bucket is full again (GCRA), in a table of shards: no lock is held longer than one look-up,
//! and the table never grows beyond [`SHARDS`] times [`SHARD`] entries.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::ErrorClass;
use api::identity::AUTH_TOKEN;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::Rate;
use crate::error::Error;

const SHARDS: usize = 64;
/// Entries of one shard; when there are more, buckets that are full again go first, then all.
const SHARD: usize = 1024;

/// Who looks whether this lives is never turned away.
const FREE: &[&str] = &["/healthz", "/readyz", "/ping", "/metrics"];

pub struct Limits {
    token: Option<Speed>,
    address: Option<Speed>,
    /// When each bucket is full again, in nanoseconds since `begun`.
    shards: Vec<Mutex<HashMap<u64, u64>>>,
    hasher: RandomState,
    begun: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Speed {
    /// Nanoseconds that one request costs.
    cost: u64,
    /// Nanoseconds that a bucket holds.
    depth: u64,
}

impl Speed {
    fn new(per_s: u32, burst: u32) -> Option<Self> {
        let cost = 1_000_000_000u64.checked_div(per_s.into())?;
        Some(Self { cost, depth: cost * u64::from(burst.max(1)) })
    }

    /// From when a bucket is full again: the same after one more request, or how long to wait.
    fn take(self, full: u64, now: u64) -> Result<u64, Duration> {
        let after = full.max(now) + self.cost;
        match after.checked_sub(now + self.depth) {
            None | Some(0) => Ok(after),
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }
}

impl Limits {
    #[must_use]
    pub fn new(config: &Rate) -> Arc<Self> {
        Arc::new(Self {
            token: Speed::new(config.token_per_s, config.token_burst),
            address: Speed::new(config.address_per_s, config.address_burst),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            begun: Instant::now(),
        })
    }

    fn take(&self, key: u64, speed: Option<Speed>) -> Result<(), Duration> {
        let Some(speed) = speed else { return Ok(()) };
        let now = self.now();
        let mut shard = self.shard(key);
        let full = shard.get(&key).copied().unwrap_or(0);
        let after = speed.take(full, now)?;
        if shard.len() >= SHARD && !shard.contains_key(&key) {
            shard.retain(|_, full| *full > now);
            if shard.len() >= SHARD {
                shard.clear();
            }
        }
        shard.insert(key, after);
        Ok(())
    }

    fn knows(&self, key: u64) -> bool {
        self.shard(key).contains_key(&key)
    }

    fn forget(&self, key: u64) {
        self.shard(key).remove(&key);
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, u64>> {
        let at = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }

    fn token_key(&self, request: &Request) -> Option<u64> {
        let headers = request.headers();
        let shown = headers.get(AUTH_TOKEN).or_else(|| headers.get(AUTHORIZATION))?;
        Some(self.hasher.hash_one(("token", shown.as_bytes())))
    }

    fn address_key(&self, request: &Request) -> u64 {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
        let peer = peer.map(|ip| match ip.to_canonical() {
            // One customer has a whole /64 of addresses.
            IpAddr::V6(ip) => u128::from(ip) >> 64,
            IpAddr::V4(ip) => u32::from(ip).into(),
        });
        self.hasher.hash_one(("address", peer))
    }
}

pub async fn limit(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    if FREE.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let (token, address) = (limits.token_key(&request), limits.address_key(&request));
    let known = token.filter(|token| limits.knows(*token));
    let (key, speed, by) = match known {
        Some(token) => (token, limits.token, "token"),
        None => (address, limits.address, "address"),
    };
    if let Err(wait) = limits.take(key, speed) {
        metrics::counter!("region_rate_limited_total", "by" => by).increment(1);
        let seconds = wait.as_secs() + 1;
        let details = format!("too many requests for one {by}: try again in {seconds} s");
        return Error::new(ErrorClass::TooManyRequests, details).retry_after(wait).into_response();
    }
    let response = next.run(request).await;
    match (known, response.status() == StatusCode::UNAUTHORIZED) {
        // It was good once: from now on it counts by address again.
        (Some(token), true) => limits.forget(token),
        (None, false) => {
            // What it cost is charged to the address this once.
            if let Some(token) = token {
                let _ = limits.take(token, limits.token);
            }
        }
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_at_a_time() {
        let speed = Speed::new(10, 3).unwrap();
        let mut full = 0;
        for _ in 0..3 {
            full = speed.take(full, 0).unwrap();
        }
        assert_eq!(speed.take(full, 0), Err(Duration::from_millis(100)));
        full = speed.take(full, 100_000_000).unwrap();
        assert!(speed.take(full, 100_000_000).is_err());
        // Rest fills the bucket, and no further.
        for _ in 0..3 {
            full = speed.take(full, 10_000_000_000).unwrap();
        }
        assert!(speed.take(full, 10_000_000_000).is_err());
        assert!(Speed::new(0, 5).is_none(), "0 is no limit");
    }

    #[test]
    fn any_number_of_callers_takes_little_memory() {
        let limits = Limits::new(&Rate::default());
        for key in 0..1_000_000 {
            let _ = limits.take(key, limits.address);
        }
        assert!(limits.shards.iter().all(|shard| shard.lock().unwrap().len() <= SHARD));
    }
}
