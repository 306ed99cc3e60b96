//! Arrays that lack members, as /proc/mdstat shows them (md(4)).

use crate::patient::Patient;
use crate::tools;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    if !patient.devices.all.iter().any(|device| device.filesystem == "linux_raid_member") {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string("/proc/mdstat").unwrap_or_default();
    if !text.lines().any(|line| line.starts_with("md")) {
        return Err(match tools::find("mdadm") {
            Some(_) => "the arrays can't be put together".into(),
            None => "there are RAID members, and this rescue image has no mdadm; use the image std".into(),
        });
    }
    Ok(degraded(&text))
}

/// `md0 : active raid1 vdb1[1]`, and below it `1234 blocks super 1.2 [2/1] [_U]`.
fn degraded(mdstat: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut array = "";
    for line in mdstat.lines() {
        if line.starts_with("md") {
            array = line;
            if line.contains(" inactive ") {
                found.push(tools::clean(line));
            }
        } else if line.split('[').any(|part| {
            part.split_once(']')
                .is_some_and(|(state, _)| state.contains('_') && state.bytes().all(|b| b"U_".contains(&b)))
        }) {
            found.push(format!("{}: {}", tools::clean(array), tools::clean(line.trim())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_without_a_member_is_told() {
        let text = "Personalities : [raid1]\nmd0 : active raid1 vdb1[1]\n      1046528 blocks super 1.2 [2/1] [_U]\n\n\
             md1 : active raid1 vda2[0] vdb2[1]\n      1046528 blocks super 1.2 [2/2] [UU]\n\nunused devices: <none>\n";
        assert_eq!(degraded(text), ["md0 : active raid1 vdb1[1]: 1046528 blocks super 1.2 [2/1] [_U]"]);
    }
}
