//! What `blkid -o export` prints.

use std::collections::BTreeMap;

/// Of each device that it recognised, its tags: `DEVNAME`, `TYPE`, `UUID`, `LABEL`, `PARTUUID`, `PARTLABEL` and others.
#[must_use]
pub fn devices(export: &str) -> Vec<BTreeMap<&str, String>> {
    // A backslash stands before what a shell would take for its own.
    let tag = |line| str::split_once(line, '=').map(|(name, value)| (name, value.replace('\\', "")));
    export.split("\n\n").map(|paragraph| paragraph.lines().filter_map(tag).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_a_device_and_values_are_as_they_are_on_it() {
        let devices = devices("DEVNAME=/dev/vda1\nLABEL=a\\ b=c\n\nDEVNAME=/dev/vda2\nno tag\n");
        assert_eq!(devices.len(), 2);
        assert_eq!(devices[0]["LABEL"], "a b=c");
        assert_eq!(devices[1].len(), 1);
    }
}
