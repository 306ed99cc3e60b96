//! Loads the drivers that this machine's devices ask for, and only those: every module costs time before `ready`.
//!
//! Devices name their driver by a modalias. A bus driver brings new devices (virtio on PCI, disks on SCSI), so it goes in rounds
//! until a round finds nothing new.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use types::rescue::SeenDisk;

use crate::command;

/// More rounds than buses can be nested in a machine that QEMU makes.
const MAX_ROUNDS: usize = 6;
const LIMIT: Duration = Duration::from_secs(20);

/// Loads drivers until no device asks for another.
///
/// # Errors
/// When `modprobe` can't be run at all. A device without a driver in this image is no error.
pub fn load(sys: &Path) -> std::io::Result<()> {
    let mut asked = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let new: Vec<String> = aliases(sys).into_iter().filter(|alias| asked.insert(alias.clone())).collect();
        if new.is_empty() {
            break;
        }
        modprobe(&new.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Loads modules by name or alias; names that are unknown are skipped.
///
/// # Errors
/// When `modprobe` can't be run.
pub fn modprobe(names: &[&str]) -> std::io::Result<()> {
    let mut args = vec!["-a", "-b", "-q"];
    args.extend(names);
    command::run("/sbin/modprobe", &args, LIMIT).map(drop)
}

/// The modules, by alias, of the file systems that were recognised: `mount` without a type tries those only that the kernel has.
pub fn of_file_systems(disks: &[SeenDisk]) -> Vec<String> {
    let found: BTreeSet<&str> =
        disks.iter().flat_map(|disk| &disk.parts).map(|part| part.filesystem.as_str()).collect();
    let word = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    found.into_iter().filter(word).map(|name| format!("fs-{name}")).collect()
}

/// What the devices of all buses ask for. Only kinds are asked that an image can hold a driver for: a machine lists dozens of
/// ACPI and platform devices that are none of ours, and each would be searched for in vain.
fn aliases(sys: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for bus in ["pci", "acpi", "virtio", "scsi", "usb", "hid", "serio"] {
        let Ok(devices) = std::fs::read_dir(sys.join("bus").join(bus).join("devices")) else { continue };
        for device in devices.flatten() {
            if device.path().join("driver").exists() {
                continue;
            }
            let Ok(alias) = std::fs::read_to_string(device.path().join("modalias")) else { continue };
            let alias = alias.trim();
            if !alias.is_empty() && (bus != "acpi" || alias.contains("QEMU")) {
                found.insert(alias.to_string());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(sys: &Path, bus: &str, name: &str, alias: &str) -> std::path::PathBuf {
        let folder = sys.join("bus").join(bus).join("devices").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("modalias"), alias).unwrap();
        folder
    }

    #[test]
    fn devices_without_a_driver_ask_by_alias() {
        let sys = tempfile::tempdir().unwrap();
        device(sys.path(), "pci", "0000:00:01.0", "pci:v00001AF4d00001001\n");
        device(sys.path(), "virtio", "virtio0", "virtio:d00000002v00001AF4\n");
        let served = device(sys.path(), "pci", "0000:00:02.0", "pci:served\n");
        std::fs::create_dir(served.join("driver")).unwrap();
        device(sys.path(), "acpi", "QEMU0002:00", "acpi:QEMU0002:\n");
        device(sys.path(), "acpi", "PNP0103:00", "acpi:PNP0103:\n");
        device(sys.path(), "platform", "serial8250", "platform:serial8250\n");
        let found: Vec<_> = aliases(sys.path()).into_iter().collect();
        assert_eq!(found, ["acpi:QEMU0002:", "pci:v00001AF4d00001001", "virtio:d00000002v00001AF4"]);
    }

    #[test]
    fn file_systems_are_asked_for_once_each() {
        let part = |filesystem: &str| types::rescue::SeenPart {
            name: "vda1".into(),
            size: 1,
            filesystem: filesystem.into(),
            ..types::rescue::SeenPart::default()
        };
        let disk = SeenDisk {
            name: "vda".into(),
            size: 1,
            parts: ["xfs", "ext4", "", "ext4", "-r x"].map(part).into(),
            ..SeenDisk::default()
        };
        assert_eq!(of_file_systems(&[disk]), ["fs-ext4", "fs-xfs"]);
    }

    #[test]
    fn a_machine_without_buses_asks_for_nothing() {
        assert!(aliases(tempfile::tempdir().unwrap().path()).is_empty());
    }
}
