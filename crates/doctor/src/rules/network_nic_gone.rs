//! Hardware addresses in the configuration of networks that belong to no device of this machine.

use crate::patient::{Patient, System};

/// Folders, and how their files end.
const PLACES: [(&str, &str); 6] = [
    ("/etc/systemd/network", ""),
    ("/etc/netplan", ".yaml"),
    ("/etc/NetworkManager/system-connections", ".nmconnection"),
    ("/etc/sysconfig/network-scripts", ""),
    ("/etc/udev/rules.d", ".rules"),
    ("/etc/network/interfaces.d", ""),
];
/// What stands before an address by which a device is chosen (not one that it is given).
const KEYS: [&str; 7] =
    ["macaddress", "permanentmacaddress", "mac-address", "hwaddr", "attr{address}", "attrs{address}", "hwaddress"];

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    let system = patient.system()?;
    if patient.nics.is_empty() {
        return Err("this machine has no network device to compare with".into());
    }
    let named = addresses(system);
    // As long as one is served, the machine has a network; a file for another is left over.
    if named.iter().any(|(_, _, address)| patient.nics.contains(address)) {
        return Ok(Vec::new());
    }
    let have = patient.nics.iter().cloned().collect::<Vec<_>>().join(", ");
    Ok(named
        .into_iter()
        .map(|(file, line, address)| format!("{file} line {line}: {address}; this machine has {have}"))
        .collect())
}

/// File, line from 1, address in lower case.
pub fn addresses(system: &System) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    for (folder, end) in PLACES {
        for name in system.tree.names(folder).into_iter().filter(|name| name.ends_with(end)) {
            let file = format!("{folder}/{name}");
            let text = system.tree.text(&file).unwrap_or_default();
            for (index, line) in text.lines().enumerate() {
                if let Some(address) = address(line) {
                    found.push((file.clone(), index + 1, address));
                }
            }
        }
    }
    found
}

fn address(line: &str) -> Option<String> {
    let line = line.trim().to_ascii_lowercase();
    if line.starts_with('#') || line.starts_with(';') {
        return None;
    }
    let rest = KEYS.iter().find_map(|key| line.split_once(key).map(|(_, rest)| rest))?;
    let value = rest.trim_start_matches([':', '=', ' ', '"', '\'']);
    let address: String = value.chars().take(17).collect();
    let form = address.len() == 17 && address.split([':', '-']).count() == 6;
    (form && address.chars().all(|c| c.is_ascii_hexdigit() || ":-".contains(c))).then(|| address.replace('-', ":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn addresses_are_read_from_every_kind_of_file() {
        for line in [
            "MACAddress=52:54:00:AA:BB:01",
            "      macaddress: \"52:54:00:aa:bb:01\"",
            "mac-address=52:54:00:AA:BB:01",
            "HWADDR=52-54-00-aa-bb-01",
            "SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:aa:bb:01\", NAME=\"eth0\"",
        ] {
            assert_eq!(address(line).as_deref(), Some("52:54:00:aa:bb:01"), "{line}");
        }
        assert_eq!(address("# MACAddress=52:54:00:AA:BB:01"), None);
        assert_eq!(address("Address=10.0.0.1/24"), None);
    }

    #[test]
    fn one_that_belongs_to_no_device_is_told() {
        let folder = Folder::new();
        folder.put("etc/systemd/network/a.network", "[Match]\nMACAddress=52:54:00:aa:bb:01\n");
        let mut patient = folder.patient();
        assert!(probe(&patient).is_err());
        patient.nics.insert("52:54:00:00:00:02".into());
        assert_eq!(
            probe(&patient).unwrap(),
            ["/etc/systemd/network/a.network line 2: 52:54:00:aa:bb:01; this machine has 52:54:00:00:00:02"]
        );
        patient.nics.insert("52:54:00:aa:bb:01".into());
        assert!(probe(&patient).unwrap().is_empty());
    }
}
