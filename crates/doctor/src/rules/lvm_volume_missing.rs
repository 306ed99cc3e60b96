//! Volume groups without all of their disks, and volumes that could not be activated.

use std::time::Duration;

use crate::patient::Patient;
use crate::tools::{self, Deadline};

const LIMIT: Duration = Duration::from_secs(20);

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = incomplete(patient)?
        .into_iter()
        .map(|(group, count)| format!("volume group {group} lacks {count} of its disks"))
        .collect();
    if has_volumes(patient) {
        found.extend(inactive(&ask("lvs", "vg_name,lv_name,lv_active,lv_skip_activation", patient.deadline)?));
    }
    Ok(found)
}

/// Groups that lack disks, and how many. None where a disk of theirs may be behind what is closed here.
///
/// # Errors
/// This image has no LVM.
pub fn incomplete(patient: &Patient) -> Result<Vec<(String, String)>, String> {
    if !has_volumes(patient) || may_hide_a_disk(patient) {
        return Ok(Vec::new());
    }
    Ok(groups(&ask("vgs", "vg_name,vg_missing_pv_count", patient.deadline)?))
}

/// Whether something is encrypted, belongs to an array that does not run, or could not be read.
fn may_hide_a_disk(patient: &Patient) -> bool {
    let all = &patient.devices.all;
    let runs = all.iter().any(|device| device.name.starts_with("md"));
    all.iter().any(|device| {
        device.is_unread || device.filesystem == "crypto_LUKS" || (device.filesystem == "linux_raid_member" && !runs)
    })
}

/// Volumes that lie, be it in part, on disks that are gone: group and name.
///
/// # Errors
/// This image has no LVM.
pub fn partial() -> Result<Vec<(String, String)>, String> {
    Ok(of_health(&ask("lvs", "vg_name,lv_name,lv_health_status", Deadline::default())?))
}

fn has_volumes(patient: &Patient) -> bool {
    patient.devices.all.iter().any(|device| device.filesystem == "LVM2_member")
}

fn ask(what: &str, fields: &str, deadline: Deadline) -> Result<String, String> {
    if tools::find("lvm").is_none() {
        return Err("there are LVM volumes, and this rescue image has no lvm; use the image std".into());
    }
    let args = [what, "--noheadings", "--separator", "|", "-o", fields];
    let ended = tools::run("lvm", &args, deadline.within(LIMIT))?;
    // With an incomplete group it ends badly, and has told all the same; not so if it was cut off.
    if ended.code.is_none() { Err(format!("{what} did not come to its end")) } else { Ok(ended.text) }
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| line.contains('|')).map(|line| line.trim().split('|').map(str::trim).collect())
}

fn groups(text: &str) -> Vec<(String, String)> {
    let incomplete = rows(text).filter(|row| row.get(1).is_some_and(|count| !matches!(*count, "" | "0")));
    incomplete.map(|row| (tools::clean(row[0]), tools::clean(row[1]))).collect()
}

fn of_health(text: &str) -> Vec<(String, String)> {
    let lost = rows(text).filter(|row| row.len() == 3 && row[2] == "partial");
    lost.map(|row| (tools::clean(row[0]), tools::clean(row[1]))).collect()
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
        assert_eq!(groups("  WARNING: x\n  vg0|0\n  vg1|2\n"), [("vg1".to_owned(), "2".to_owned())]);
        assert_eq!(of_health("  vg0|root|\n  vg1|data|partial\n"), [("vg1".to_owned(), "data".to_owned())]);
        let text = "  vg0|root|active|\n  vg0|home||\n  vg0|snap||skip activation\n";
        assert_eq!(inactive(text), ["volume vg0/home can't be activated"]);
    }

    #[test]
    fn what_is_closed_may_be_the_disk_that_is_missed() {
        let mut patient = Folder::new().patient();
        patient.devices.all[0].filesystem = "LVM2_member".into();
        assert!(!may_hide_a_disk(&patient));
        for (closed, is_unread) in [("crypto_LUKS", false), ("linux_raid_member", false), ("", true)] {
            (patient.devices.all[1].filesystem, patient.devices.all[1].is_unread) = (closed.into(), is_unread);
            assert!(may_hide_a_disk(&patient), "{closed}");
            assert_eq!(incomplete(&patient), Ok(Vec::new()));
        }
    }

    #[test]
    fn without_volumes_there_is_nothing_to_ask() {
        assert!(probe(&Folder::new().patient()).unwrap().is_empty());
    }
}
