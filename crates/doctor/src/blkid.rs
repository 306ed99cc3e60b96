//! What `blkid -o export` prints.

use std::collections::BTreeMap;

/// Of each device that it recognised, its tags: `DEVNAME`, `TYPE`, `UUID`, `LABEL`, `PARTUUID`, `PARTLABEL` and others. Values are as they
/// are on the device where they are printable ASCII; other bytes stay as blkid shows them: `M-C`, `^A`.
#[must_use]
pub fn devices(export: &str) -> Vec<BTreeMap<&str, String>> {
    let tag = |line| str::split_once(line, '=').map(|(name, value)| (name, unescaped(value)));
    export.split("\n\n").map(|paragraph| paragraph.lines().filter_map(tag).collect()).collect()
}

/// A backslash stands before what a shell would take for its own, and before another backslash.
fn unescaped(value: &str) -> String {
    let mut chars = value.chars();
    std::iter::from_fn(|| chars.next().map(|c| if c == '\\' { chars.next().unwrap_or(c) } else { c })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_a_device_and_values_are_as_they_are_on_it() {
        let devices = devices("DEVNAME=/dev/vda1\nLABEL=a\\ b=c\\\\\n\nDEVNAME=/dev/vda2\nno tag\n");
        assert_eq!(devices.len(), 2);
        assert_eq!(devices[0]["LABEL"], "a b=c\\");
        assert_eq!(devices[1].len(), 1);
    }
}
