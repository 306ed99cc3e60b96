//! What may be shown on a terminal. Names, messages and console lines come from guests and other users: none of them may steer it.

use chrono::{DateTime, TimeDelta, Utc};

/// Text whose control characters, but line ends and tabs, are shown and not obeyed.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_command(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// The same, on one line.
pub fn line(text: &str) -> String {
    plain(text).replace(['\n', '\t'], " ")
}

/// Control characters, and those that turn the direction of writing (Unicode, UAX 9).
fn is_command(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `3 GiB`, `512 MiB`, `22.6 GiB`: from MiB; exact below 10 GiB.
pub fn mib(mib: impl TryInto<u64>) -> String {
    let mib = mib.try_into().unwrap_or_default();
    match mib {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} TiB", n >> 20),
        n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} GiB", n >> 10),
        n if n >= 10 << 10 => format!("{:.1} GiB", n as f64 / 1024.0),
        n => format!("{n} MiB"),
    }
}

/// `5 B`, `1.5 KiB`: from bytes, to one decimal.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    for unit in ["KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// `2026-11-23 10:00:00Z`
pub fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `4s`, `3m20s`, `2h05m`, `3d`; never negative.
pub fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    match seconds {
        s if s < 60 => format!("{s}s"),
        s if s < 3600 => format!("{}m{:02}s", s / 60, s % 60),
        s if s < 86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        s => format!("{}d", s / 86_400),
    }
}

/// Nothing is shown as `-`.
pub fn or_dash(text: Option<impl ToString>) -> String {
    text.map(|t| t.to_string()).filter(|t| !t.is_empty()).unwrap_or_else(|| "-".into())
}

pub fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_steers_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\n\tc\u{9b}d\u{202e}e"), "a\u{fffd}[2Jb\u{fffd}\n\tc\u{fffd}d\u{fffd}e");
        assert_eq!(line("a\nb"), "a b");
    }

    #[test]
    fn sizes_and_spans() {
        for (n, text) in
            [(512_u64, "512 MiB"), (1024, "1 GiB"), (1536, "1536 MiB"), (23_189, "22.6 GiB"), (2 << 20, "2 TiB")]
        {
            assert_eq!(mib(n), text);
        }
        for (n, text) in
            [(5, "5 B"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"), (3 << 40, "3.0 TiB"), (5 << 42, "20.0 TiB")]
        {
            assert_eq!(bytes(n), text);
        }
        for (s, text) in [(-5, "0s"), (59, "59s"), (200, "3m20s"), (7500, "2h05m"), (300_000, "3d")] {
            assert_eq!(span(TimeDelta::seconds(s)), text);
        }
    }
}
