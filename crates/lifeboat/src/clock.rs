//! Lines for people with the seconds since the start beside them.

use std::time::Instant;

#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// On stderr: what a program does, beside what it answers.
    pub fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.seconds());
    }
}
