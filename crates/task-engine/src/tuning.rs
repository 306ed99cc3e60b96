//! The engine's times, and how they grow.

use std::time::Duration;

/// The defaults suit production; tests shorten them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// How long a claim lasts without being extended. After a crash its tasks stand still for this time.
    pub lease: Duration,
    /// How often due tasks are looked for when nothing wakes the engine.
    pub poll: Duration,
    /// How often a waiting stage is run again for the first time; the pause then grows by half each time.
    pub wait_min: Duration,
    pub wait_max: Duration,
    /// The back-off after a first transient error; it doubles each time.
    pub retry_min: Duration,
    pub retry_max: Duration,
    /// What a step whose deadline has passed gets for a last try.
    pub last_try: Duration,
    /// How long `failed` may take, retries included, before the task is blocked.
    pub failed_limit: Duration,
    /// How often `failed` is called for one task before it is blocked: a way back that goes in circles must end.
    pub failed_calls: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            wait_min: Duration::from_secs(5),
            wait_max: Duration::from_secs(30),
            retry_min: Duration::from_millis(250),
            retry_max: Duration::from_secs(30),
            last_try: Duration::from_secs(20),
            failed_limit: Duration::from_secs(300),
            failed_calls: 20,
        }
    }
}

impl Tuning {
    /// Everything fast, for tests: a crash costs half a second.
    pub fn for_tests() -> Self {
        Self {
            lease: Duration::from_millis(600),
            poll: Duration::from_millis(100),
            wait_min: Duration::from_millis(200),
            wait_max: Duration::from_millis(400),
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(200),
            last_try: Duration::from_millis(500),
            failed_limit: Duration::from_secs(5),
            failed_calls: 20,
        }
    }

    /// The pause after the `count`th transient error in a row. `spread` is between 0 and 1; it takes away up to half,
    /// so that tasks that failed together do not come back together.
    pub(crate) fn back_off(&self, count: u32, spread: f64) -> Duration {
        let full = self.retry_min.saturating_mul(2u32.saturating_pow(count.saturating_sub(1).min(30)));
        full.min(self.retry_max).mul_f64(1.0 - spread.clamp(0.0, 1.0) / 2.0)
    }

    /// The pause before a waiting stage is run for the `attempt`th time.
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        self.wait_min.mul_f64(1.5f64.powi(attempt.saturating_sub(1).min(60) as i32).min(1e6)).min(self.wait_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit() {
        let tuning = Tuning::default();
        let full: Vec<_> = (1..=9).map(|n| tuning.back_off(n, 0.0).as_millis()).collect();
        assert_eq!(full, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(tuning.back_off(2, 1.0), Duration::from_millis(250));
        assert_eq!(tuning.back_off(u32::MAX, 0.0), tuning.retry_max);
        let waits: Vec<_> = (1..=6).map(|n| tuning.wait(n).as_millis()).collect();
        assert_eq!(waits, [5000, 7500, 11250, 16875, 25312, 30000]);
        assert_eq!(tuning.wait(u32::MAX), tuning.wait_max);
    }
}
