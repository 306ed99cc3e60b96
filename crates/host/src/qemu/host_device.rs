//! Devices of the host that guests are to have: whether they are there and free to be given away, from sysfs. Source: Linux,
//! `Documentation/driver-api/vfio.rst`, `Documentation/ABI/testing/sysfs-bus-usb`.

use std::path::PathBuf;

use types::desc::UsbHost;

/// Where the kernel shows devices; another folder in tests.
#[derive(Debug, Clone)]
pub struct Tree {
    pub sys: PathBuf,
    pub dev: PathBuf,
}

impl Default for Tree {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into() }
    }
}

impl Tree {
    /// The device file by which QEMU takes a PCI device, given its address.
    ///
    /// # Errors
    /// Why it can't be passed through, with what to do.
    pub fn pci(&self, address: &str) -> Result<PathBuf, String> {
        let device = self.sys.join("bus/pci/devices").join(address);
        if !device.exists() {
            return Err(format!("this host has no PCI device {address}"));
        }
        let link = |name: &str| -> Option<String> {
            Some(std::fs::read_link(device.join(name)).ok()?.file_name()?.to_string_lossy().into_owned())
        };
        let Some(group) = link("iommu_group") else {
            return Err(format!(
                "the IOMMU is off, so {address} can't be passed through: switch VT-d or AMD-Vi on in the firmware, and intel_iommu=on on the host's kernel"
            ));
        };
        let bound = link("driver");
        if bound.as_deref() != Some("vfio-pci") {
            let bound = bound.map_or("no driver".to_owned(), |driver| format!("the driver {driver}"));
            return Err(format!("{address} has {bound}: driverctl set-override {address} vfio-pci"));
        }
        let file = self.dev.join("vfio").join(&group);
        if !file.exists() {
            return Err(format!("{} is missing: modprobe vfio-pci", file.display()));
        }
        Ok(file)
    }

    /// The device file of a USB device of the host. None: it is not plugged in.
    #[must_use]
    pub fn usb(&self, wanted: UsbHost) -> Option<PathBuf> {
        let devices = std::fs::read_dir(self.sys.join("bus/usb/devices")).into_iter().flatten().flatten();
        devices.map(|entry| entry.path()).find_map(|device| {
            let value = |name: &str| std::fs::read_to_string(device.join(name)).ok().map(|text| text.trim().to_owned());
            let hex = |name: &str| u16::from_str_radix(&value(name)?, 16).ok();
            let (bus, address): (u8, u8) = (value("busnum")?.parse().ok()?, value("devnum")?.parse().ok()?);
            let found = match wanted {
                UsbHost::Place { bus: wanted_bus, address: at } => (bus, address) == (wanted_bus, at),
                UsbHost::Product { vendor, product } => {
                    (hex("idVendor"), hex("idProduct")) == (Some(vendor), Some(product))
                }
            };
            found.then(|| self.dev.join(format!("bus/usb/{bus:03}/{address:03}")))
        })
    }
}

/// QEMU maps all of a guest's memory for a device that is passed through, and may lock as much as the agent may. Root may raise that.
pub fn unlimited_memory_lock() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }) {
        tracing::warn!(%error, "the limit on locked memory can't be raised; QEMU may refuse devices that are passed through");
    }
}

/// The text of [`Tree::usb`]'s None.
#[must_use]
pub fn not_plugged_in(host: &str) -> String {
    format!("the USB device {host} is not plugged in at this host")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_keeps_a_pci_device_from_being_passed_through_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree { sys: folder.path().join("sys"), dev: folder.path().join("dev") };
        let address = "0000:3b:00.0";
        let device = tree.sys.join("bus/pci/devices").join(address);
        let refused = |word: &str| {
            let problem = tree.pci(address).unwrap_err();
            assert!(problem.contains(word), "{problem} should speak of {word}");
        };
        refused("no PCI device");
        std::fs::create_dir_all(&device).unwrap();
        refused("IOMMU is off");
        symlink("../../../kernel/iommu_groups/17", device.join("iommu_group")).unwrap();
        refused("no driver");
        symlink("../../../bus/pci/drivers/nvme", device.join("driver")).unwrap();
        refused("driver nvme");
        std::fs::remove_file(device.join("driver")).unwrap();
        symlink("../../../bus/pci/drivers/vfio-pci", device.join("driver")).unwrap();
        refused("modprobe");
        write(&tree.dev.join("vfio/17"), "");
        assert_eq!(tree.pci(address).unwrap(), tree.dev.join("vfio/17"));
    }

    #[test]
    fn a_usb_device_is_found_by_what_it_is_or_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree { sys: folder.path().join("sys"), dev: "/dev".into() };
        let device = |name: &str, values: [(&str, &str); 4]| {
            for (file, value) in values {
                write(&tree.sys.join("bus/usb/devices").join(name).join(file), &format!("{value}\n"));
            }
        };
        device("usb1", [("busnum", "1"), ("devnum", "1"), ("idVendor", "1d6b"), ("idProduct", "0002")]);
        device("1-4", [("busnum", "1"), ("devnum", "14"), ("idVendor", "046d"), ("idProduct", "c52b")]);
        std::fs::create_dir_all(tree.sys.join("bus/usb/devices/1-4:1.0")).unwrap();
        for (wanted, expected) in [
            ("046d:c52b", Some("/dev/bus/usb/001/014")),
            ("1.14", Some("/dev/bus/usb/001/014")),
            ("1.1", Some("/dev/bus/usb/001/001")),
            ("046d:0000", None),
            ("2.14", None),
        ] {
            assert_eq!(tree.usb(wanted.parse().unwrap()), expected.map(PathBuf::from), "{wanted}");
        }
    }
}
