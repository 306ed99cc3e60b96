//! Volume groups without all of their disks, and volumes that could not be activated.

use std::time::Duration;

use crate::patient::Patient;
use crate::tools;

const LIMIT: Duration = Duration::from_secs(20);

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    if !patient.devices.all.iter().any(|device| device.filesystem == "LVM2_member") {
        return Ok(Vec::new());
    }
    if tools::find("lvm").is_none() {
        return Err("there are LVM volumes, and this rescue image has no lvm; use the image std".into());
    }
    let ended =
        tools::run("lvm", &["vgs", "--noheadings", "--separator", "|", "-o", "vg_name,vg_missing_pv_count"], LIMIT)?;
    let mut found = groups(&ended.text);
    let ended = tools::run(
        "lvm",
        &["lvs", "--noheadings", "--separator", "|", "-o", "vg_name,lv_name,lv_active,lv_skip_activation"],
        LIMIT,
    )?;
    found.extend(inactive(&ended.text));
    Ok(found)
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| line.contains('|')).map(|line| line.trim().split('|').map(str::trim).collect())
}

fn groups(text: &str) -> Vec<String> {
    let incomplete = rows(text).filter(|row| row.get(1).is_some_and(|count| !matches!(*count, "" | "0")));
    incomplete.map(|row| format!("volume group {} lacks {} of its disks", tools::clean(row[0]), row[1])).collect()
}

fn inactive(text: &str) -> Vec<String> {
    // Snapshots are often made to be activated only on request.
    let idle = rows(text).filter(|row| row.len() == 4 && row[2] != "active" && row[3].is_empty());
    idle.map(|row| format!("volume {}/{} can't be activated", tools::clean(row[0]), tools::clean(row[1]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_lvm_says_is_read() {
        assert_eq!(groups("  WARNING: x\n  vg0|0\n  vg1|2\n"), ["volume group vg1 lacks 2 of its disks"]);
        let text = "  vg0|root|active|\n  vg0|home||\n  vg0|snap||skip activation\n";
        assert_eq!(inactive(text), ["volume vg0/home can't be activated"]);
    }

    #[test]
    fn without_volumes_there_is_nothing_to_ask() {
        assert!(probe(&Folder::new().patient()).unwrap().is_empty());
    }
}
