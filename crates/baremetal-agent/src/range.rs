//! Which part of a file is sent: Range, If-Range, If-None-Match (RFC 9110, sections 13 and 14). Pure.

use hyper::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// The first byte, and how many; at least one.
    Range {
        first: u64,
        length: u64,
    },
    /// The range begins behind the end: 416.
    Beyond,
    /// The client has it already: 304.
    NotModified,
    /// The client wants it only if it were another: 412.
    Precondition,
}

/// `etag` is strong and in quotes; `size` in bytes.
#[must_use]
pub fn part(headers: &HeaderMap, etag: &str, size: u64) -> Part {
    if let Some(tags) = text(headers, &IF_MATCH)
        && !lists(tags, etag)
    {
        return Part::Precondition;
    }
    if let Some(tags) = text(headers, &IF_NONE_MATCH)
        && lists(tags, etag)
    {
        return Part::NotModified;
    }
    // A date is never as strong as the tag, so it does not match; then the whole is sent.
    let condition = text(headers, &IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    match text(headers, &RANGE) {
        Some(range) if condition => one_range(range, size),
        _ => Part::Whole,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn lists(tags: &str, etag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| tag.trim() == etag)
}

/// Several ranges, other units and what is not a range are ignored, as the RFC allows: the whole is sent.
fn one_range(header: &str, size: u64) -> Part {
    let Some(range) = header.trim().strip_prefix("bytes=") else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let number = |digits: &str| -> Option<u64> {
        let digits = digits.trim();
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (first, last) = match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, true) => return Part::Whole,
        (true, false) => match number(last) {
            None => return Part::Whole,
            Some(0) => return Part::Beyond,
            Some(length) => (size.saturating_sub(length), u64::MAX),
        },
        (false, no_last) => match (number(first), if no_last { Some(u64::MAX) } else { number(last) }) {
            (Some(first), Some(last)) if first <= last => (first, last),
            _ => return Part::Whole,
        },
    };
    if first >= size {
        return Part::Beyond;
    }
    Part::Range { first, length: last.min(size - 1) - first + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(first: u64, length: u64) -> Part {
        Part::Range { first, length }
    }

    #[test]
    fn parts_are_chosen() {
        for (headers, want) in [
            (&[][..], Part::Whole),
            (&[("range", "bytes=0-")], range(0, 10)),
            (&[("range", "bytes=0-0")], range(0, 1)),
            (&[("range", "bytes=4-")], range(4, 6)),
            (&[("range", "bytes=4-7")], range(4, 4)),
            (&[("range", "bytes=4-999999999999999999999")], Part::Whole),
            (&[("range", "bytes=4-99")], range(4, 6)),
            (&[("range", "bytes=-3")], range(7, 3)),
            (&[("range", "bytes=-30")], range(0, 10)),
            (&[("range", "bytes=-0")], Part::Beyond),
            (&[("range", "bytes=9-")], range(9, 1)),
            (&[("range", "bytes=10-")], Part::Beyond),
            (&[("range", "bytes=7-4")], Part::Whole),
            (&[("range", "bytes=-")], Part::Whole),
            (&[("range", "bytes=+1-")], Part::Whole),
            (&[("range", "bytes=0-1,4-5")], Part::Whole),
            (&[("range", "lines=0-1")], Part::Whole),
            (&[("range", "nonsense")], Part::Whole),
            (&[("range", "bytes=4-"), ("if-range", "\"tag\"")], range(4, 6)),
            (&[("range", "bytes=4-"), ("if-range", "\"other\"")], Part::Whole),
            (&[("range", "bytes=4-"), ("if-range", "W/\"tag\"")], Part::Whole),
            (&[("range", "bytes=4-"), ("if-range", "Sat, 01 Jan 2022 00:00:00 GMT")], Part::Whole),
            (&[("if-none-match", "\"tag\"")], Part::NotModified),
            (&[("if-none-match", "\"a\", \"tag\"")], Part::NotModified),
            (&[("if-none-match", "*")], Part::NotModified),
            (&[("if-none-match", "\"other\"")], Part::Whole),
            (&[("if-match", "\"other\"")], Part::Precondition),
            (&[("if-match", "\"tag\"")], Part::Whole),
        ] {
            let map = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
            assert_eq!(part(&map, "\"tag\"", 10), want, "{headers:?}");
        }
        let map = [(RANGE, "bytes=0-".parse().unwrap())].into_iter().collect();
        assert_eq!(part(&map, "\"tag\"", 0), Part::Beyond, "an empty file has no range");
    }
}
