//! The versions of the protocol between region and its hosts. Each side says which it speaks, from the oldest to the newest; the newest that
//! both know is spoken. Fields that one side does not know are left out by it, so that neighbouring versions work side by side; a version
//! goes up when a side comes to rely on something, and `oldest` follows when what is older can't be served any more.
//!
//! 1: before versions were told. 2: guests that were interrupted by a reboot wait for region's word.

use std::fmt;

use crate::host::v1::Protocol;

/// What a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub oldest: u32,
    pub newest: u32,
}

/// This program.
pub const OURS: Range = Range { oldest: 1, newest: 2 };

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            write!(f, "{}", self.newest)
        } else {
            write!(f, "{} to {}", self.oldest, self.newest)
        }
    }
}

impl From<Range> for Protocol {
    fn from(range: Range) -> Self {
        Self { oldest: range.oldest, newest: range.newest }
    }
}

impl Range {
    /// Of a peer; one that says nothing is of before versions were told.
    #[must_use]
    pub fn of(said: Option<&Protocol>) -> Self {
        said.map_or(Self { oldest: 1, newest: 1 }, |said| Self { oldest: said.oldest, newest: said.newest })
    }
}

/// The two can't work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host speaks protocol {host}, region {region}: upgrade {}",
    if host.oldest > region.newest { "region" } else { "the host" }
)]
pub struct Mismatch {
    pub region: Range,
    pub host: Range,
}

/// The version that both speak.
///
/// # Errors
/// There is none; says which side to upgrade.
pub fn agree(region: Range, host: Range) -> Result<u32, Mismatch> {
    let newest = region.newest.min(host.newest);
    if newest >= region.oldest.max(host.oldest) { Ok(newest) } else { Err(Mismatch { region, host }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_agree_and_strangers_are_told_who_is_behind() {
        let range = |oldest, newest| Range { oldest, newest };
        let table = [
            (range(1, 2), range(1, 2), Ok(2)),
            (range(1, 2), range(2, 3), Ok(2)),
            (range(2, 3), range(1, 2), Ok(2)),
            (range(1, 2), Range::of(None), Ok(1)),
            (range(1, 2), range(3, 4), Err("the host speaks protocol 3 to 4, region 1 to 2: upgrade region")),
            (range(3, 4), range(1, 2), Err("the host speaks protocol 1 to 2, region 3 to 4: upgrade the host")),
            (range(2, 4), Range::of(None), Err("the host speaks protocol 1, region 2 to 4: upgrade the host")),
        ];
        for (region, host, expected) in table {
            assert_eq!(agree(region, host).map_err(|it| it.to_string()), expected.map_err(str::to_owned));
        }
        assert_eq!(Range::of(Some(&OURS.into())), OURS);
    }
}
