//! No file system that looks like a system's root could be read.

use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    if patient.system.is_some() {
        return Ok(Vec::new());
    }
    if patient.devices.unassembled() {
        return Err("there are volumes that this rescue image has no tools to put together; use the image std".into());
    }
    let mut evidence: Vec<String> = patient
        .devices
        .leaves()
        .map(|device| {
            let what = if device.filesystem.is_empty() { "nothing that is known" } else { &device.filesystem };
            format!("{} ({} MiB): {what}", device.path(), device.size >> 20)
        })
        .collect();
    evidence.extend(patient.troubles.iter().map(|trouble| format!("{}: {}", trouble.device.path(), trouble.why)));
    if evidence.is_empty() {
        evidence.push("this machine has no disk".into());
    }
    Ok(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn what_is_there_instead_is_told() {
        let mut patient = Folder::new().patient();
        assert!(probe(&patient).unwrap().is_empty());
        patient.system = None;
        patient.devices.all[1].filesystem.clear();
        assert_eq!(probe(&patient).unwrap(), ["/dev/vda1 (0 MiB): nothing that is known"]);
        patient.devices.all[1].filesystem = "LVM2_member".into();
        assert!(probe(&patient).unwrap_err().contains("std"));
    }
}
