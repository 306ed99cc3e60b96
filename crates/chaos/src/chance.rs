//! Chance from a seed: the same seed draws the same faults in the same order. SplitMix64 (Steele, Lea, Flood 2014).

use std::time::Duration;

/// A source of numbers. Not for secrets.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another source, for another purpose: what one draws does not change what the other draws.
    #[must_use]
    pub fn part(&self, purpose: &str) -> Self {
        let mut seed = self.0 ^ 0x5851_f42d_4c95_7f2d;
        for byte in purpose.bytes() {
            seed = (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end`, without it.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }

    /// One of them.
    ///
    /// # Panics
    /// There is none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of them, each as likely as its weight says.
    ///
    /// # Panics
    /// There is none, or all weigh nothing.
    pub fn weighted<'a, T>(&mut self, of: &'a [(usize, T)]) -> &'a T {
        let mut left = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, it) in of {
            if left < *weight {
                return it;
            }
            left -= weight;
        }
        unreachable!("the sum of the weights was the limit")
    }

    /// Between the two, in milliseconds.
    pub fn time(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.number() % (to_ms - from_ms).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_and_parts_do_not_disturb_each_other() {
        let draw = |chance: &mut Chance| (0..8).map(|_| chance.number()).collect::<Vec<_>>();
        let (mut one, mut same) = (Chance::new(7), Chance::new(7));
        let mut part = same.part("load");
        assert_ne!(draw(&mut part), draw(&mut Chance::new(7)));
        assert_eq!(draw(&mut one), draw(&mut same));
        assert_ne!(draw(&mut Chance::new(8)), draw(&mut Chance::new(7)));
    }

    #[test]
    fn weights_are_kept() {
        let mut chance = Chance::new(1);
        let many = (0..10_000).filter(|_| *chance.weighted(&[(9, true), (1, false), (0, false)])).count();
        assert!((8_800..9_200).contains(&many), "{many}");
        assert!((0..1000).all(|_| (5..9).contains(&chance.time(5, 9).as_millis())));
    }
}
