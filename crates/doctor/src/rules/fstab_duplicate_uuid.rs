//! File systems with one UUID, as copies of disks have, where the machine chooses by it.

use std::collections::BTreeMap;

use crate::bootloader;
use crate::patient::Patient;

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    let mut named: Vec<String> = patient.fstab().into_iter().map(|line| line.device).collect();
    named.extend(bootloader::entries(system).iter().filter_map(|entry| entry.option("root").map(String::from)));
    let mut devices: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for device in patient.devices.leaves().filter(|device| !device.uuid.is_empty() && !device.is_member()) {
        devices.entry(&device.uuid).or_default().push(device.path());
    }
    let used = |uuid: &str| named.iter().any(|name| name.to_ascii_lowercase().contains(&uuid.to_ascii_lowercase()));
    let several = devices.iter().filter(|(uuid, paths)| paths.len() > 1 && used(uuid));
    Ok(several.map(|(uuid, paths)| format!("{uuid} is the UUID of {}", paths.join(" and of "))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn a_copy_is_named_where_its_uuid_is_used() {
        let folder = Folder::new();
        let mut patient = folder.patient();
        let mut copy = patient.devices.all[1].clone();
        (copy.name, copy.parent) = ("vdb1".into(), Some("vdb".into()));
        patient.devices.all.push(copy);
        folder.put("etc/fstab", "LABEL=root / ext4 defaults 0 1\n");
        assert!(probe(&patient).unwrap().is_empty(), "nothing goes by the UUID");
        folder.put("etc/fstab", "UUID=aaaa / ext4 defaults 0 1\n");
        assert_eq!(probe(&patient).unwrap(), ["aaaa is the UUID of /dev/vda1 and of /dev/vdb1"]);
    }
}
