//! The description of a guest as its host keeps it: `<workspace>/servers/<id>/desc`, JSON, mode 0600.
//!
//! Everything QEMU is started with follows from this file alone. Addresses are fixed when the guest is created, so that
//! names inside it never move, neither from one boot to the next nor between a normal boot and a rescue boot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{DiskId, GuestId, SessionId};
use crate::status::{Arch, DiskMode, RescueNetwork};
use crate::words;

/// The version written today. A host refuses a higher one.
pub const DESC_VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desc {
    pub version: u32,
    pub id: GuestId,
    /// Shown to people; names no file.
    pub name: String,
    pub arch: Arch,
    pub machine: Machine,
    pub firmware: Firmware,
    /// Virtual processors.
    pub vcpu: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// In boot order.
    pub disks: Vec<DiskDesc>,
    pub nics: Vec<NicDesc>,
    /// Drives for ISO images. A drive comes and goes only while the guest is off; what is in it changes at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdroms: Vec<CdromDesc>,
    /// The version of QEMU to run it with, as the host lists it; the host's newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu_version: Option<String>,
    /// QEMU's VNC server on a unix socket, and a display to show.
    #[serde(default)]
    pub vnc: bool,
    /// A virtio-serial port named `org.qemu.guest_agent.0`, for QEMU's guest agent: a stop asks it where the power button is ignored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest_agent: bool,
    /// Devices on a USB controller, which is there while there are any. They come and go only while the guest is off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usb: Vec<UsbDesc>,
    /// PCI devices of the host that the guest has to itself (VFIO). They come and go only while the guest is off. A rescue goes on
    /// without one that is not there, and says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passthrough: Vec<PassthroughDesc>,
    /// Present while, and only while, the guest is to boot into the rescue system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueSection>,
}

words! {
    pub enum Machine as "machine type" {
        Q35 = "q35",
        Pc = "pc",
    }
}

words! {
    pub enum Firmware as "firmware" {
        Bios = "bios",
        Uefi = "uefi",
    }
}

words! {
    pub enum DiskDriver as "disk driver" {
        Virtio = "virtio",
        Scsi = "scsi",
        Ide = "ide",
        Sata = "sata",
    }
}

words! {
    pub enum DiskFormat as "disk format" {
        Qcow2 = "qcow2",
        Raw = "raw",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskDesc {
    pub id: DiskId,
    /// Position in the guest: 0 is the first disk, and the one the firmware boots.
    pub index: u32,
    pub driver: DiskDriver,
    pub format: DiskFormat,
    /// Size in MiB that the guest sees. 0: as large as the image it is made from.
    pub size_mib: u64,
    /// The name of an image in the host's image folder to copy from; empty disk if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the guest reads as the disk's serial number, so that a person can tell disks apart in rescue.
    pub serial: String,
    /// How the host reads and writes the image; changed while the guest runs, it counts from the next start.
    #[serde(default, skip_serializing_if = "DiskIo::is_default")]
    pub io: DiskIo,
}

/// How a disk's image is read and written: QEMU's `-blockdev` options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskIo {
    pub cache: DiskCache,
    pub aio: DiskAio,
    pub discard: DiskDiscard,
    pub detect_zeroes: DetectZeroes,
}

impl DiskIo {
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

words! {
    #[derive(Default)]
    pub enum DiskCache as "disk cache" {
        /// The host's page cache; a flush by the guest reaches the disk.
        #[default]
        Writeback = "writeback",
        /// Past the host's page cache (O_DIRECT); a flush reaches the disk.
        None = "none",
        /// The host's page cache for reading; every write reaches the disk.
        Writethrough = "writethrough",
        /// Past the page cache; every write reaches the disk.
        Directsync = "directsync",
        /// Flushes are ignored: fast, and lost when the host fails. For what can be made anew.
        Unsafe = "unsafe",
    }
}

words! {
    #[derive(Default)]
    pub enum DiskAio as "disk aio" {
        #[default]
        Threads = "threads",
        /// Linux AIO; only with `cache` `none` or `directsync`.
        Native = "native",
        /// Where host and QEMU have it.
        IoUring = "io_uring",
    }
}

words! {
    #[derive(Default)]
    pub enum DiskDiscard as "disk discard" {
        /// What the guest trims is given back to the host.
        #[default]
        Unmap = "unmap",
        Ignore = "ignore",
    }
}

words! {
    #[derive(Default)]
    pub enum DetectZeroes as "detect_zeroes" {
        #[default]
        Off = "off",
        /// Zeroes are not written as data.
        On = "on",
        /// They are given back to the host; only with `discard` `unmap`.
        Unmap = "unmap",
    }
}

words! {
    pub enum UsbKind as "usb device" {
        /// A pointer with absolute positions, as a VNC viewer wants it.
        Tablet = "tablet",
        Keyboard = "keyboard",
        /// A device of the host.
        Host = "host",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsbDesc {
    /// The controller's port, from 0: below 8.
    pub index: u32,
    pub kind: UsbKind,
    /// Of kind `host`: which one, as `vendor:product` (`046d:c52b`, hex, four digits each) or as `bus.address` (`1.4`, decimal, which
    /// changes when it is plugged in again).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// How the host knows one of its USB devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsbHost {
    Product { vendor: u16, product: u16 },
    Place { bus: u8, address: u8 },
}

impl std::str::FromStr for UsbHost {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = |text: &str| {
            let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
            digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().filter(|number: &u8| *number > 0)
        };
        let product = text
            .split_once(':')
            .and_then(|(vendor, product)| Some(Self::Product { vendor: hex(vendor)?, product: hex(product)? }));
        let place = || {
            let (bus, address) = text.split_once('.')?;
            Some(Self::Place { bus: number(bus)?, address: number(address)? })
        };
        product
            .or_else(place)
            .ok_or_else(|| format!("'{text}' is neither vendor:product (046d:c52b) nor bus.address (1.4)"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassthroughDesc {
    /// The guest's address for it follows from this alone: below 8.
    pub index: u32,
    /// Address on the host: `0000:3b:00.0`, lower case hex: domain, bus, device, function. It is bound to `vfio-pci` there.
    pub host: String,
}

/// A drive for ISO images. It is an ATAPI drive, which every firmware and operating system knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdromDesc {
    /// 0 or 1. The drives have the last IDE or SATA ports, from the end: disks of those buses have the first ones.
    pub index: u32,
    /// The name of an ISO image in the host's image folder; nothing is in the drive if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso: Option<String>,
}

words! {
    pub enum NicBackend as "nic backend" {
        /// QEMU's user networking: no privilege, reachable by port forwards only.
        User = "user",
        /// A port of its own on a bridge of the host; the host makes it when the guest starts, and removes it when it ends.
        Tap = "tap",
        /// As `tap`, on a network interface of the host instead of a bridge. It can't come or go while the guest runs.
        Macvtap = "macvtap",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NicDesc {
    pub index: u32,
    pub backend: NicBackend,
    /// Six octets, lower case hex, separated by colons.
    pub mac: String,
    /// The model of the device, a QEMU device name: `virtio-net-pci`, `e1000`.
    pub model: NicModel,
    /// Of backend `user`.
    #[serde(default)]
    pub forwards: Vec<PortForward>,
    /// Of backend `tap` the bridge, of `macvtap` the network interface; the host's configuration names those that may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
}

words! {
    pub enum NicModel as "nic model" {
        Virtio = "virtio",
        E1000 = "e1000",
    }
}

/// A TCP port on the host's loopback that leads into the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortForward {
    pub host_port: u16,
    pub guest_port: u16,
}

impl Desc {
    /// It runs a rescue system that may reach nothing over its NICs.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.rescue.as_ref().is_some_and(|section| section.network == Some(RescueNetwork::None))
    }

    /// It has devices of its host to itself.
    #[must_use]
    pub fn has_host_devices(&self) -> bool {
        !self.passthrough.is_empty() || self.usb.iter().any(|device| device.host.is_some())
    }

    /// What the guest's own kernel calls its disks, by serial number: it counts each kind of bus for itself, in the order of the disks.
    /// Where SCSI, SATA and IDE disks are mixed their order is the controllers', which a kernel may take either way: those are left out.
    #[must_use]
    pub fn kernel_names(&self) -> BTreeMap<String, String> {
        let bus = |driver: DiskDriver| if driver == DiskDriver::Virtio { "vd" } else { "sd" };
        let mut others = self.disks.iter().map(|disk| disk.driver).filter(|driver| *driver != DiskDriver::Virtio);
        let first = others.next();
        let mixed = others.any(|driver| Some(driver) != first);
        let mut disks: Vec<&DiskDesc> = self.disks.iter().collect();
        disks.sort_by_key(|disk| disk.index);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut names = BTreeMap::new();
        for disk in disks {
            let count = counts.entry(bus(disk.driver)).or_default();
            let unsure = mixed && bus(disk.driver) == "sd";
            if !unsure && !disk.serial.is_empty() {
                names.insert(disk.serial.clone(), format!("{}{}", bus(disk.driver), letters(*count)));
            }
            *count += 1;
        }
        names
    }
}

/// The kernel's counting: a to z, then aa (drivers/scsi/sd.c, `sd_format_disk_name`).
fn letters(mut index: usize) -> String {
    let mut text = Vec::new();
    loop {
        text.insert(0, char::from(b'a' + u8::try_from(index % 26).unwrap_or(0)));
        match (index / 26).checked_sub(1) {
            Some(next) => index = next,
            None => return text.into_iter().collect(),
        }
    }
}

/// What turns a boot of the guest's own disks into a boot of the rescue system, with the disks beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RescueSection {
    pub session: SessionId,
    pub image: String,
    pub kernel: BootFile,
    pub initramfs: BootFile,
    /// The kernel's command line. Never holds a secret.
    pub cmdline: String,
    pub disk_mode: DiskMode,
    /// The version of QEMU to run the rescue system with; the guest's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu_version: Option<String>,
    /// Absent: `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<RescueNetwork>,
}

/// A boot file, named by what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BootFile {
    /// 64 lower case hex digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_called_what_the_guests_own_kernel_calls_them() {
        use DiskDriver::{Ide, Sata, Scsi, Virtio};
        for (drivers, expected) in [
            (vec![Virtio, Virtio], "vda vdb"),
            (vec![Scsi, Virtio, Scsi], "sda vda sdb"),
            (vec![Sata, Sata], "sda sdb"),
            // Which controller is counted first, nobody knows here.
            (vec![Scsi, Virtio, Ide], "- vda -"),
            (vec![], ""),
        ] {
            let disk = |(index, driver): (u32, &DiskDriver)| serde_json::json!({"id": DiskId::generate(), "index": index, "driver": driver, "format": "raw", "size_mib": 1, "serial": format!("s{index}")});
            let desc: Desc = serde_json::from_value(serde_json::json!({
                "version": 1, "id": GuestId::generate(), "name": "x", "arch": "x86_64", "machine": "q35", "firmware": "bios", "vcpu": 1,
                "memory_mib": 1, "nics": [], "disks": (0..drivers.len() as u32).zip(&drivers).map(disk).rev().collect::<Vec<_>>(),
            }))
            .unwrap();
            let names = desc.kernel_names();
            let all: Vec<&str> =
                (0..drivers.len()).map(|at| names.get(&format!("s{at}")).map_or("-", |it| it)).collect();
            assert_eq!(all.join(" "), expected);
        }
        let counted: Vec<String> = [0, 25, 26, 27, 701, 702].map(letters).into();
        assert_eq!(counted, ["a", "z", "aa", "ab", "zz", "aaa"]);
    }
}
