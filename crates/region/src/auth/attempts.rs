//! Failed log-ins are slowed down: after a few, the same name from the same address must wait, each time twice as long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::ErrorClass;

use crate::error::{Error, Result};

/// Failures that cost nothing.
const FREE: u32 = 5;
/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait; after it, without another failure, all is forgotten.
const LONGEST: Duration = Duration::from_secs(300);
/// At most so many are remembered; beyond it the oldest go.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub struct Attempts(Mutex<HashMap<(String, String), Failures>>);

struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(&self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(beyond) => FIRST.saturating_mul(2u32.saturating_pow(beyond.min(20))).min(LONGEST),
        }
    }
}

impl Attempts {
    /// # Errors
    /// 429 while the wait lasts.
    pub fn check(&self, user: &str, source: &str) -> Result<()> {
        let failures = self.lock();
        let Some(failed) = failures.get(&key(user, source)) else { return Ok(()) };
        let left = failed.wait().saturating_sub(failed.last.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        let details = format!("too many failed log-ins: try again in {} s", left.as_secs() + 1);
        Err(Error::new(ErrorClass::TooManyRequests, details).retry_after(left))
    }

    pub fn failed(&self, user: &str, source: &str) {
        let mut failures = self.lock();
        failures.retain(|_, f| f.last.elapsed() < LONGEST * 2);
        if failures.len() >= REMEMBERED
            && let Some(oldest) = failures.iter().max_by_key(|(_, f)| f.last.elapsed()).map(|(k, _)| k.clone())
        {
            failures.remove(&oldest);
        }
        let entry = failures.entry(key(user, source)).or_insert(Failures { count: 0, last: Instant::now() });
        entry.count += 1;
        entry.last = Instant::now();
    }

    pub fn succeeded(&self, user: &str, source: &str) {
        self.lock().remove(&key(user, source));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(user: &str, source: &str) -> (String, String) {
    // One customer has a whole /64 of addresses.
    let network = match source.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => format!("{:x}/64", u128::from(ip) >> 64),
        Ok(ip) => ip.to_string(),
        Err(_) => source.to_owned(),
    };
    (user.chars().take(128).collect(), network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_failure_makes_the_seventh_wait_and_nobody_else() {
        let attempts = Attempts::default();
        for _ in 0..FREE {
            assert!(attempts.check("a", "1").is_ok());
            attempts.failed("a", "1");
        }
        let error = attempts.check("a", "1").unwrap_err();
        assert_eq!(error.class, ErrorClass::TooManyRequests);
        assert!(attempts.check("b", "1").is_ok() && attempts.check("a", "2").is_ok());
        attempts.succeeded("a", "1");
        assert!(attempts.check("a", "1").is_ok());
    }

    #[test]
    fn a_network_that_one_customer_has_counts_as_one() {
        let attempts = Attempts::default();
        for host in 1..=FREE {
            attempts.failed("a", &format!("2001:db8:1:2::{host}"));
        }
        assert!(attempts.check("a", "2001:db8:1:2:ffff::1").is_err());
        assert!(attempts.check("a", "2001:db8:1:3::1").is_ok());
        for _ in 0..FREE {
            attempts.failed("a", "::ffff:192.0.2.1");
        }
        assert!(attempts.check("a", "192.0.2.1").is_err() && attempts.check("a", "192.0.2.2").is_ok());
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let wait = |count| Failures { count, last: Instant::now() }.wait().as_secs();
        assert_eq!([4, 5, 6, 7, 60].map(wait), [0, 1, 2, 4, 300]);
    }
}
