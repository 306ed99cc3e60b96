//! What a client asks for and what it gets: block size (RFC 2348), time-out and size (RFC 2349), window (RFC 7440).
//! Option names count in any case of letters; what is unknown or unreadable is left out of the answer, as RFC 2347 wants.

use std::time::Duration;

use crate::packet::{Mode, Packet, Request};

/// Block size without the option, in bytes.
pub const DEFAULT_BLKSIZE: u16 = 512;
/// RFC 2348.
pub const MIN_BLKSIZE: u16 = 8;
/// RFC 2348: what fits a UDP datagram over IPv4.
pub const MAX_BLKSIZE: u16 = 65464;

/// How much a server grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Bytes, at most [`MAX_BLKSIZE`].
    pub blksize: u16,
    /// Blocks.
    pub windowsize: u16,
    /// Bytes of one window. A window arrives in one burst, and what does not fit the client's receive buffer is lost: this is what Linux's
    /// default buffer of 208 KiB holds, with its own bookkeeping counted. One block is always granted.
    pub window_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { blksize: MAX_BLKSIZE, windowsize: 64, window_bytes: 128 << 10 }
    }
}

impl Caps {
    /// With blocks that fit one packet on a path of this MTU in bytes: IP header without options, UDP header, TFTP header.
    #[must_use]
    pub fn within_mtu(self, mtu: u32, ipv6: bool) -> Self {
        let headers = if ipv6 { 40 } else { 20 } + 8 + 4;
        let fits = clamp(u64::from(mtu).saturating_sub(headers), MAX_BLKSIZE).max(MIN_BLKSIZE);
        Self { blksize: self.blksize.min(fits), ..self }
    }
}

/// What a transfer runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub blksize: u16,
    pub windowsize: u16,
    pub timeout: Option<Duration>,
    /// The options to confirm, in the order they were asked for; empty: the transfer begins with data.
    confirmed: Vec<(&'static str, u64)>,
}

impl Granted {
    /// Weighs a request. `size`: of the file in bytes, where known.
    #[must_use]
    pub fn weigh(request: &Request<'_>, size: Option<u64>, caps: &Caps) -> Self {
        let mut granted =
            Self { blksize: DEFAULT_BLKSIZE, windowsize: 1, timeout: None, confirmed: Vec::with_capacity(4) };
        let mut window_asked = None;
        for (name, value) in &request.options {
            let (Some(option), Some(value)) = (known(name), decimal(value)) else { continue };
            if granted.confirmed.iter().any(|(seen, _)| *seen == option) {
                continue; // RFC 2347: an option counts once
            }
            let grant = match option {
                "blksize" if value >= u64::from(MIN_BLKSIZE) => {
                    granted.blksize = clamp(value, caps.blksize.clamp(MIN_BLKSIZE, MAX_BLKSIZE));
                    u64::from(granted.blksize)
                }
                "windowsize" if (1..=u64::from(u16::MAX)).contains(&value) => {
                    window_asked = Some(value);
                    value // made smaller below, when the block size is known
                }
                "timeout" if (1..=255).contains(&value) => {
                    granted.timeout = Some(Duration::from_secs(value));
                    value
                }
                "tsize" => match size {
                    // The size on the wire is not known before netascii has been written.
                    Some(size) if request.mode == Mode::Octet => size,
                    _ => continue,
                },
                _ => continue,
            };
            granted.confirmed.push((option, grant));
        }
        if let Some(asked) = window_asked {
            let fits = (caps.window_bytes / usize::from(granted.blksize)).max(1) as u64;
            granted.windowsize = clamp(asked.min(fits), caps.windowsize.max(1));
            for (_, value) in granted.confirmed.iter_mut().filter(|(name, _)| *name == "windowsize") {
                *value = u64::from(granted.windowsize);
            }
        }
        granted
    }

    /// The packet that confirms, if there is anything to confirm.
    #[must_use]
    pub fn option_ack(&self) -> Option<Vec<u8>> {
        if self.confirmed.is_empty() {
            return None;
        }
        let values: Vec<String> = self.confirmed.iter().map(|(_, value)| value.to_string()).collect();
        let list = self.confirmed.iter().zip(&values).map(|((name, _), value)| (name.as_bytes(), value.as_bytes()));
        Some(Packet::OptionAck(list.collect()).encode())
    }
}

/// The option's name in lower case, if it is one of ours.
pub(crate) fn known(name: &[u8]) -> Option<&'static str> {
    ["blksize", "windowsize", "timeout", "tsize"]
        .into_iter()
        .find(|option| name.eq_ignore_ascii_case(option.as_bytes()))
}

/// Digits only: no sign, no blanks.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

fn clamp(value: u64, most: u16) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(options: &[(&str, &str)], mode: Mode, caps: &Caps) -> Granted {
        let options = options.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        Granted::weigh(&Request { name: b"f", mode, options }, Some(7_000_000_000), caps)
    }

    #[test]
    fn options_are_weighed() {
        let caps = Caps { blksize: 9000, windowsize: 16, window_bytes: 36_000 };
        for (options, mode, want) in [
            (&[][..], Mode::Octet, &[][..]),
            (&[("BlkSize", "1428")], Mode::Octet, &[("blksize", 1428)]),
            (&[("blksize", "8")], Mode::Octet, &[("blksize", 8)]),
            (&[("blksize", "7")], Mode::Octet, &[]),
            (&[("blksize", "65465")], Mode::Octet, &[("blksize", 9000)]),
            (&[("blksize", "99999999999999999999999")], Mode::Octet, &[]),
            (&[("blksize", "+512")], Mode::Octet, &[]),
            (&[("blksize", "")], Mode::Octet, &[]),
            (&[("TSIZE", "0")], Mode::Octet, &[("tsize", 7_000_000_000)]),
            (&[("tsize", "0")], Mode::Netascii, &[]),
            (&[("timeout", "0")], Mode::Octet, &[]),
            (&[("timeout", "256")], Mode::Octet, &[]),
            (&[("timeout", "6"), ("TIMEOUT", "9")], Mode::Octet, &[("timeout", 6)]),
            (&[("windowsize", "0")], Mode::Octet, &[]),
            (&[("windowsize", "64")], Mode::Octet, &[("windowsize", 16)]),
            (&[("windowsize", "8"), ("blksize", "9000")], Mode::Octet, &[("windowsize", 4), ("blksize", 9000)]),
            (&[("multicast", ""), ("tsize", "0")], Mode::Octet, &[("tsize", 7_000_000_000)]),
        ] {
            let granted = weigh(options, mode, &caps);
            assert_eq!(granted.confirmed, want, "{options:?}");
            assert_eq!(granted.option_ack().is_some(), !want.is_empty());
        }
    }

    #[test]
    fn blocks_fit_the_path() {
        let blksize = |mtu, ipv6| Caps::default().within_mtu(mtu, ipv6).blksize;
        assert_eq!((blksize(1500, false), blksize(1500, true)), (1468, 1448));
        assert_eq!((blksize(65536, false), blksize(0, false)), (MAX_BLKSIZE, MIN_BLKSIZE));
        assert_eq!(Caps { blksize: 512, ..Caps::default() }.within_mtu(9000, false).blksize, 512);
    }

    #[test]
    fn a_transfer_without_options_is_the_plain_one() {
        let granted = weigh(&[], Mode::Octet, &Caps::default());
        assert_eq!((granted.blksize, granted.windowsize, granted.timeout), (512, 1, None));
    }
}
