//! Changes seeds at random, and the same way each time: xorshift64*, bit flips, inserted and removed bytes, spliced seeds.

use std::path::Path;
use std::time::{Duration, Instant};

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit.max(1)
    }
}

/// How long to go on.
pub fn time() -> Duration {
    let seconds = std::env::var("LIFEBOAT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// Values at which readers go wrong.
const BITING: [&[u8]; 12] =
    [b"\0", b"\0\0", b"\xff", b"/", b"..", b"../", b"\\", b"%2e", b"%00", b"65536", b"4294967296", b"blksize\0"];

/// Every seed as it is, then mutated ones until the time is up. Gives how many were tried.
pub fn run(seeds: &Path, time: Duration, mut check: impl FnMut(&[u8])) -> usize {
    let mut files: Vec<_> = std::fs::read_dir(seeds).expect("the seeds' folder").map(|e| e.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 8, "{} seeds only", seeds.len());
    seeds.iter().for_each(|seed| check(seed));
    let (mut random, began, mut tried) = (Random(0x1357_9bdf_2468_ace1), Instant::now(), seeds.len());
    while began.elapsed() < time {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            let at = random.below(input.len() + 1);
            match random.below(6) {
                0 if at < input.len() => input[at] ^= 1 << random.below(8),
                1 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap(),
                2 => drop(input.splice(at..at, BITING[random.below(BITING.len())].iter().copied())),
                3 => input.truncate(at),
                4 => {
                    let end = (at + random.below(8)).min(input.len());
                    input.drain(at..end);
                }
                _ => {
                    let other = &seeds[random.below(seeds.len())];
                    let tail = other[random.below(other.len() + 1)..].to_vec();
                    input.truncate(at);
                    input.extend(tail);
                }
            }
        }
        check(&input);
        tried += 1;
    }
    tried
}
