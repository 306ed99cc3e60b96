//! Sizes as people write them: `512`, `512M`, `10G`.

use crate::lang::say;

/// MiB from a number of MiB, or one with a unit.
///
/// # Errors
/// What was wrong, and what would be right.
pub fn mib(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "m" | "mb" | "mib" => 1,
        "g" | "gb" | "gib" => 1 << 10,
        "t" | "tb" | "tib" => 1 << 20,
        unit => return Err(say!("unknown unit '{unit}': allowed are M, G and T, as in 512M or 10G", unit = unit)),
    };
    let number: u64 =
        digits.parse().map_err(|_| say!("'{text}' is no size: one like 512, 512M or 10G is wanted", text = text))?;
    number.checked_mul(factor).ok_or_else(|| say!("'{text}' is too large", text = text))
}

/// The same, for memory.
///
/// # Errors
/// As [`mib`].
pub fn memory(text: &str) -> Result<u32, String> {
    u32::try_from(mib(text)?).map_err(|_| say!("'{text}' is too large", text = text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [("512", 512), ("512M", 512), ("1g", 1024), ("2TiB", 2 << 20), ("0", 0)] {
            assert_eq!(mib(text), Ok(size), "{text}");
        }
        for bad in ["", "G", "1.5G", "-1", "10K", "99999999999999999999", "18446744073709551615G", "1 G"] {
            assert!(mib(bad).is_err(), "{bad}");
        }
        assert!(memory("8000000T").is_err());
    }
}
