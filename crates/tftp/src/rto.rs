//! How long to wait for an answer before sending again: RFC 6298, with Karn's rule kept by the caller, who gives samples only
//! of packets that were sent once.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Rto {
    bounds: Bounds,
    /// The least wait now, and how many samples have come since it was changed.
    floor: Duration,
    calm: u32,
    smoothed: Option<Duration>,
    variation: Duration,
    fastest: Option<Duration>,
    current: Duration,
}

/// Between these the waiting time moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Before anything was measured.
    pub initial: Duration,
    /// Far lower than RFC 6298's second: links to boot clients are short, a datagram sent twice does little harm, and with one block
    /// under way at a time each loss costs the whole wait.
    pub min: Duration,
    pub max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { initial: Duration::from_millis(250), min: Duration::from_millis(10), max: Duration::from_secs(5) }
    }
}

impl Bounds {
    /// Never waits longer than `limit`, what the client has asked for (RFC 2349). Sooner is allowed: the client's wish says how
    /// long it bears silence, and many ask for several seconds, which would make every lost packet cost as much.
    #[must_use]
    pub fn within(self, limit: Option<Duration>) -> Self {
        let limit = limit.unwrap_or(self.max);
        Self { initial: self.initial.min(limit), min: self.min.min(limit), max: self.max.min(limit) }
    }
}

/// The least wait never grows beyond this.
const PATIENT: Duration = Duration::from_millis(320);
/// So many samples halve it again.
const CALM: u32 = 32;

impl Rto {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            floor: bounds.min,
            calm: 0,
            smoothed: None,
            variation: Duration::ZERO,
            fastest: None,
            current: bounds.initial,
        }
    }

    /// The time to wait now.
    #[must_use]
    pub fn current(&self) -> Duration {
        self.current
    }

    /// The shortest round trip seen.
    #[must_use]
    pub fn fastest(&self) -> Option<Duration> {
        self.fastest
    }

    /// A round trip was measured (RFC 6298, 2.2 and 2.3). Ends any back-off.
    pub fn sample(&mut self, round_trip: Duration) {
        let smoothed = match self.smoothed {
            None => {
                self.variation = round_trip / 2;
                round_trip
            }
            Some(smoothed) => {
                self.variation = self.variation * 3 / 4 + smoothed.abs_diff(round_trip) / 4;
                smoothed * 7 / 8 + round_trip / 8
            }
        };
        self.smoothed = Some(smoothed);
        self.fastest = Some(self.fastest.map_or(round_trip, |f| f.min(round_trip)));
        self.calm += 1;
        if self.calm >= CALM {
            self.calm = 0;
            self.floor = (self.floor / 2).max(self.bounds.min);
        }
        self.current = self.measured();
    }

    /// What the samples say, without back-off.
    #[must_use]
    pub fn measured(&self) -> Duration {
        let measured = self.smoothed.map_or(self.bounds.initial, |smoothed| smoothed + self.variation * 4);
        measured.clamp(self.floor, self.bounds.max)
    }

    /// Something new was answered, though it gave no sample: half of a back-off is taken back. Not all of it, because the round trip may
    /// have become longer, and then only waiting so long brings another sample.
    pub fn progress(&mut self) {
        self.current = (self.current / 2).max(self.measured());
    }

    /// What was sent again had been answered already: the least wait is twice as long, until the client has answered in time for a while.
    pub fn too_early(&mut self) {
        self.calm = 0;
        self.floor = (self.floor * 2).min(PATIENT).min(self.bounds.max).max(self.bounds.min);
    }

    /// Nothing came in time (RFC 6298, 5.5).
    pub fn back_off(&mut self) {
        self.current = (self.current * 2).min(self.bounds.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn follows_the_round_trip() {
        let mut rto = Rto::new(Bounds::default());
        assert_eq!(rto.current(), ms(250));
        rto.sample(ms(200));
        assert_eq!(rto.current(), ms(600), "smoothed + 4 * half of it");
        for _ in 0..100 {
            rto.sample(ms(200));
        }
        assert!(rto.current() < ms(210), "{:?}", rto.current());
        rto.sample(ms(1000));
        assert!(rto.current() > ms(1000), "a jump raises it at once: {:?}", rto.current());
        assert_eq!(rto.fastest(), Some(ms(200)));
    }

    #[test]
    fn stays_within_its_bounds() {
        let mut rto = Rto::new(Bounds::default());
        rto.sample(ms(0));
        assert_eq!(rto.current(), ms(10));
        for want in [20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000] {
            rto.back_off();
            assert_eq!(rto.current(), ms(want));
        }
        rto.sample(ms(1));
        assert_eq!(rto.current(), ms(10), "an answer ends the back-off");
        rto.back_off();
        rto.back_off();
        rto.progress();
        assert_eq!(rto.current(), ms(20), "half of it");
        rto.progress();
        rto.progress();
        assert_eq!(rto.current(), ms(10), "and not below what was measured");
        (0..20).for_each(|_| rto.too_early());
        rto.sample(ms(1));
        assert_eq!(rto.current(), PATIENT);
        (0..CALM * 6).for_each(|_| rto.sample(ms(1)));
        assert_eq!(rto.current(), ms(10), "it is forgotten");
        assert_eq!(Rto::new(Bounds::default().within(Some(ms(100)))).current(), ms(100));
        assert_eq!(Rto::new(Bounds::default().within(Some(ms(60_000)))).current(), ms(250));
    }
}
