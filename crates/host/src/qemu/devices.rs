//! A guest's devices, each described once: as options of QEMU's command line, and as arguments of its control socket. Pure.
//!
//! Every device has an address of its own, fixed by its kind and index, whether or not its neighbours are there. So the guest sees the
//! same machine in each boot, and a device that was plugged in while it ran is found at the same place after the next start.
//!
//! q35 can't hot-plug on its root bus: there, the first disk and the first NIC are on the root bus, and each other index has a root
//! port of its own, which is there from the start, occupied or not. `pc` hot-plugs on its root bus.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value, json};
use types::desc::{
    CdromDesc, Desc, DetectZeroes, DiskAio, DiskCache, DiskDesc, DiskDriver, DiskFormat, Machine, NicBackend, NicDesc,
    NicModel, PassthroughDesc, UsbDesc, UsbHost, UsbKind,
};
use types::id::GuestId;

use super::cmdline::DiskFile;
use crate::network;

/// Addresses on the root bus. 0 is the host bridge, 1 the chipset of `pc`, 31 that of `q35`.
pub const VGA: u32 = 0x2;
pub const RNG: u32 = 0x3;
pub const VIRTIO_SERIAL: u32 = 0x4;
pub const SCSI: u32 = 0x5;
pub const AHCI: u32 = 0x6;
/// Devices of the host: on q35 a root port for each, as functions of this slot; on `pc` a bridge, with a slot for each.
const PASSTHROUGH: u32 = 0x7;
/// The USB controller is the second function of the slot of the random number generator, which every machine has.
const USB: &str = "0x3.0x1";
const NICS: u32 = 0x8;
const DISKS: u32 = 0x10;
/// NICs and virtio disks that have an address.
pub const MAX_NICS: u32 = DISKS - NICS;
pub const MAX_VIRTIO_DISKS: u32 = 0x1f - DISKS;
/// Drives for ISO images.
pub const MAX_CDROMS: u32 = 2;
/// Ports of the USB controller, and functions of a slot.
pub const MAX_USB: u32 = 8;
pub const MAX_PASSTHROUGH: u32 = 8;
/// What the firmware tries after all disks.
const CDROM_BOOT: u32 = 100;

/// A device: its driver, and options in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Device(Vec<(&'static str, Value)>);

impl Device {
    fn new(driver: &str) -> Self {
        Self(vec![("driver", driver.into())])
    }
    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The value of `-device`. Values are our own words, checked serials and macs: no comma in them.
    #[must_use]
    pub fn option(&self) -> String {
        let mut text = String::new();
        for (at, (name, value)) in self.0.iter().enumerate() {
            let _ = match value {
                Value::String(value) if at == 0 => write!(text, "{value}"),
                Value::String(value) => write!(text, ",{name}={value}"),
                other => write!(text, ",{name}={other}"),
            };
        }
        text
    }

    fn driver(&self) -> String {
        self.0.first().and_then(|(_, driver)| driver.as_str()).unwrap_or_default().to_owned()
    }

    /// The arguments of `device_add`.
    #[must_use]
    pub fn arguments(&self) -> Value {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>().into()
    }
}

/// The drivers of all devices that a guest has, or gets in rescue.
#[must_use]
pub fn drivers(desc: &Desc) -> BTreeSet<String> {
    let mut drivers: BTreeSet<_> = root_ports(desc.machine).map(|port| port.driver()).collect();
    drivers.extend(desc.disks.iter().map(|it| disk(it, desc.machine).driver()));
    drivers.extend(desc.nics.iter().map(|it| nic(it, desc.machine).driver()));
    drivers.extend(desc.cdroms.iter().map(|it| cdrom(it, desc.machine).driver()));
    drivers.extend(["virtio-rng-pci", "virtio-serial-pci", "virtserialport"].map(str::to_owned));
    drivers.extend(usb_controller(desc).into_iter().chain(desc.usb.iter().map(usb)).map(|it| it.driver()));
    drivers.extend(passthrough_ports(desc).iter().map(Device::driver));
    drivers.extend(desc.passthrough.iter().map(|it| passthrough(it, desc.machine).driver()));
    let has = |driver| desc.disks.iter().any(|disk| disk.driver == driver);
    let more = [
        (desc.vnc, "VGA"),
        (has(DiskDriver::Scsi), "virtio-scsi-pci"),
        (has(DiskDriver::Sata) && desc.machine == Machine::Pc, "ahci"),
    ];
    drivers.extend(more.into_iter().filter(|(wanted, _)| *wanted).map(|(_, driver)| driver.to_owned()));
    drivers
}

/// Where a device is on PCI.
fn place(device: Device, machine: Machine, first: u32, index: u32) -> Device {
    match machine {
        Machine::Q35 if index > 0 => device.with("bus", port_id(first + index)),
        Machine::Q35 | Machine::Pc => device.with("addr", format!("{:#x}", first + index)),
    }
}

fn port_id(address: u32) -> String {
    format!("port-{address:x}")
}

/// The root ports of a machine, the same for each guest.
pub fn root_ports(machine: Machine) -> impl Iterator<Item = Device> {
    let addresses = (NICS + 1..NICS + MAX_NICS).chain(DISKS + 1..DISKS + MAX_VIRTIO_DISKS);
    addresses.filter(move |_| machine == Machine::Q35).map(|address| {
        // The slot's number is what systemd calls a NIC by (`ens9`).
        let port = Device::new("pcie-root-port").with("id", port_id(address)).with("addr", format!("{address:#x}"));
        port.with("chassis", address).with("slot", address)
    })
}

/// A name of QEMU's for a disk's content.
#[must_use]
pub fn disk_node(index: u32) -> String {
    format!("disk-{index}")
}
#[must_use]
pub fn disk_id(index: u32) -> String {
    format!("dev-{index}")
}
#[must_use]
pub fn netdev_id(index: u32) -> String {
    format!("net-{index}")
}
#[must_use]
pub fn nic_id(index: u32) -> String {
    format!("nic-{index}")
}
#[must_use]
pub fn cdrom_id(index: u32) -> String {
    format!("cd-{index}")
}

/// The arguments of `-blockdev` and `blockdev-add`.
#[must_use]
pub fn blockdev(disk: &DiskDesc, file: &DiskFile, read_only: bool) -> Value {
    let format = match (&file.overlay, disk.format) {
        (Some(_), _) | (None, DiskFormat::Qcow2) => "qcow2",
        (None, DiskFormat::Raw) => "raw",
    };
    let mut node = json!({
        "driver": format,
        "node-name": disk_node(disk.index),
        "read-only": read_only && file.overlay.is_none(),
        "discard": disk.io.discard.as_str(),
        "file": { "driver": "file", "filename": text(file.overlay.as_ref().unwrap_or(&file.path)) },
    });
    if disk.io.detect_zeroes != DetectZeroes::Off {
        node["detect-zeroes"] = disk.io.detect_zeroes.as_str().into();
    }
    if disk.io.aio != DiskAio::Threads {
        node["file"]["aio"] = disk.io.aio.as_str().into();
    }
    // Whether a write has to reach the disk at once is the device's part: see `disk`.
    let (direct, no_flush) = match disk.io.cache {
        DiskCache::Writeback | DiskCache::Writethrough => (false, false),
        DiskCache::None | DiskCache::Directsync => (true, false),
        DiskCache::Unsafe => (false, true),
    };
    if direct || no_flush {
        let cache = json!({ "direct": direct, "no-flush": no_flush });
        node["cache"] = cache.clone();
        node["file"]["cache"] = cache;
    }
    node
}

#[must_use]
pub fn disk(disk: &DiskDesc, machine: Machine) -> Device {
    let index = disk.index;
    let device = match (disk.driver, machine) {
        (DiskDriver::Virtio, _) => place(Device::new("virtio-blk-pci"), machine, DISKS, index),
        (DiskDriver::Scsi, _) => {
            Device::new("scsi-hd").with("bus", "scsi.0").with("channel", 0).with("scsi-id", index).with("lun", 0)
        }
        // q35 has one AHCI controller with six ports on board, for what is called IDE as well.
        (DiskDriver::Ide | DiskDriver::Sata, Machine::Q35) => Device::new("ide-hd").with("bus", format!("ide.{index}")),
        (DiskDriver::Ide, Machine::Pc) => {
            Device::new("ide-hd").with("bus", format!("ide.{}", index / 2)).with("unit", index % 2)
        }
        (DiskDriver::Sata, Machine::Pc) => Device::new("ide-hd").with("bus", format!("ahci.{index}")),
    };
    let device = device.with("drive", disk_node(index)).with("id", disk_id(index)).with("serial", disk.serial.clone());
    let device = match disk.io.cache {
        DiskCache::Writethrough | DiskCache::Directsync => device.with("write-cache", "off"),
        DiskCache::Writeback | DiskCache::None | DiskCache::Unsafe => device,
    };
    // From 1 on: 0 belongs to a kernel that is given with -kernel.
    device.with("bootindex", index + 1)
}

/// The random number generator. Its slot has a second function where there is USB.
#[must_use]
pub fn rng(desc: &Desc) -> Device {
    let device = Device::new("virtio-rng-pci").with("rng", "rng").with("addr", format!("{RNG:#x}"));
    if desc.usb.is_empty() { device } else { device.with("multifunction", "on") }
}

#[must_use]
pub fn usb_controller(desc: &Desc) -> Option<Device> {
    let controller =
        || Device::new("qemu-xhci").with("id", "usb").with("addr", USB).with("p2", MAX_USB).with("p3", MAX_USB);
    (!desc.usb.is_empty()).then(controller)
}

/// Ports count from 1. Which device of the host is checked: see [`crate::guest::desc::check`].
#[must_use]
pub fn usb(it: &UsbDesc) -> Device {
    let driver = match it.kind {
        UsbKind::Tablet => "usb-tablet",
        UsbKind::Keyboard => "usb-kbd",
        UsbKind::Host => "usb-host",
    };
    let device =
        Device::new(driver).with("id", format!("usb-{}", it.index)).with("bus", "usb.0").with("port", it.index + 1);
    match it.host.as_deref().and_then(|host| host.parse().ok()) {
        None => device,
        Some(UsbHost::Product { vendor, product }) => {
            device.with("vendorid", format!("{vendor:#06x}")).with("productid", format!("{product:#06x}"))
        }
        Some(UsbHost::Place { bus, address }) => device.with("hostbus", bus).with("hostaddr", address),
    }
}

/// What devices of the host are behind, the same whether or not they are there.
#[must_use]
pub fn passthrough_ports(desc: &Desc) -> Vec<Device> {
    let Some(last) = desc.passthrough.iter().map(|it| it.index).max() else { return Vec::new() };
    match desc.machine {
        // A slot is found by its first function, so that is there as well.
        Machine::Q35 => (0..=last)
            .map(|index| {
                let port = Device::new("pcie-root-port").with("id", passthrough_port(index));
                let port = port.with("addr", format!("{PASSTHROUGH:#x}.{index:#x}")).with("multifunction", "on");
                port.with("chassis", 0x40 + index).with("slot", 0x40 + index)
            })
            .collect(),
        Machine::Pc => {
            let bridge = Device::new("pci-bridge").with("id", "host").with("addr", format!("{PASSTHROUGH:#x}"));
            vec![bridge.with("chassis_nr", 1)]
        }
    }
}

fn passthrough_port(index: u32) -> String {
    format!("host-{index}")
}

#[must_use]
pub fn passthrough(it: &PassthroughDesc, machine: Machine) -> Device {
    let device = Device::new("vfio-pci").with("host", it.host.clone()).with("id", format!("vfio-{}", it.index));
    match machine {
        Machine::Q35 => device.with("bus", passthrough_port(it.index)),
        Machine::Pc => device.with("bus", "host").with("addr", format!("{:#x}", it.index + 1)),
    }
}

/// Whether it can come and go while the guest runs. The first disk stays: the guest runs from it.
#[must_use]
pub const fn disk_is_hot(disk: &DiskDesc) -> bool {
    disk.index > 0 && matches!(disk.driver, DiskDriver::Virtio | DiskDriver::Scsi)
}

/// As for disks; the first NIC of a q35 is on the root bus, and a macvtap's descriptor is inherited.
#[must_use]
pub const fn nic_is_hot(nic: &NicDesc, machine: Machine) -> bool {
    (nic.index > 0 || matches!(machine, Machine::Pc)) && !matches!(nic.backend, NicBackend::Macvtap)
}

/// The last ports, from the end.
#[must_use]
pub fn cdrom(drive: &CdromDesc, machine: Machine) -> Device {
    let index = drive.index;
    let device = Device::new("ide-cd");
    let device = match machine {
        Machine::Q35 => device.with("bus", format!("ide.{}", 5 - index.min(5))),
        Machine::Pc => device.with("bus", "ide.1").with("unit", 1 - index.min(1)),
    };
    let device = if drive.iso.is_some() { device.with("drive", format!("iso-{index}")) } else { device };
    device.with("id", cdrom_id(index)).with("bootindex", CDROM_BOOT + index)
}

/// The index an IDE or SATA disk must not have beside this drive.
#[must_use]
pub const fn taken_by_cdrom(index: u32, machine: Machine) -> u32 {
    match machine {
        Machine::Q35 => 5 - index,
        Machine::Pc => 3 - index,
    }
}

#[must_use]
pub fn iso(index: u32, file: &Path) -> Value {
    json!({
        "driver": "raw",
        "node-name": format!("iso-{index}"),
        "read-only": true,
        "file": { "driver": "file", "filename": text(file) },
    })
}

/// The arguments of `netdev_add`. A macvtap can't be plugged in: its descriptor would have to be sent as well.
#[must_use]
pub fn netdev(nic: &NicDesc, guest: GuestId) -> Value {
    let id = netdev_id(nic.index);
    match nic.backend {
        NicBackend::User | NicBackend::Macvtap => {
            let forwards: Vec<_> = forwards(nic).map(|text| json!({ "str": text })).collect();
            let mut arguments = json!({ "type": "user", "id": id });
            if !forwards.is_empty() {
                arguments["hostfwd"] = forwards.into();
            }
            arguments
        }
        NicBackend::Tap => {
            let ifname = network::interface(guest, nic.index);
            json!({ "type": "tap", "id": id, "ifname": ifname, "script": "no", "downscript": "no" })
        }
    }
}

/// The value of `-netdev`.
#[must_use]
pub fn netdev_option(nic: &NicDesc, guest: GuestId) -> String {
    let id = netdev_id(nic.index);
    match nic.backend {
        NicBackend::User => forwards(nic).fold(format!("user,id={id}"), |text, it| format!("{text},hostfwd={it}")),
        NicBackend::Tap => {
            format!("tap,id={id},ifname={},script=no,downscript=no", network::interface(guest, nic.index))
        }
        NicBackend::Macvtap => format!("tap,id={id},fd={}", network::descriptor(nic.index)),
    }
}

/// The value of `-netdev` for a NIC that reaches nothing.
#[must_use]
pub fn dead_end(nic: &NicDesc) -> String {
    format!("hubport,id={},hubid={}", netdev_id(nic.index), nic.index)
}

fn forwards(nic: &NicDesc) -> impl Iterator<Item = String> {
    nic.forwards.iter().map(|f| format!("tcp:127.0.0.1:{}-:{}", f.host_port, f.guest_port))
}

#[must_use]
pub fn nic(nic: &NicDesc, machine: Machine) -> Device {
    let model = match nic.model {
        NicModel::Virtio => "virtio-net-pci",
        NicModel::E1000 => "e1000",
    };
    let device = Device::new(model).with("netdev", netdev_id(nic.index)).with("id", nic_id(nic.index));
    // Without its option ROM: a guest boots from its disks, and the ROM's package need not be there.
    place(device.with("mac", nic.mac.clone()), machine, NICS, nic.index).with("romfile", "")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
