//! What QEMU is started with: desc and files in, arguments out. Pure.
//!
//! Every device has a PCI address of its own, fixed by its kind and index, whether or not its neighbours are there. So the guest
//! sees the same machine in each boot, and in rescue only what is added: a kernel, a fw_cfg file, and the virtio-serial controller
//! on an address that is never used otherwise.

use std::path::{Path, PathBuf};

use serde_json::json;
use types::desc::{Desc, DiskDesc, DiskDriver, DiskFormat, Machine, NicDesc, NicModel};
use types::rescue::{CMDLINE_FLAG, CMDLINE_SESSION, FW_CFG_NAME, PORT_NAME};
use types::status::DiskMode;

/// Addresses on the root bus. 0 is the host bridge, 1 the chipset of `pc`, 31 that of `q35`.
const VGA: u32 = 0x2;
const RNG: u32 = 0x3;
const VIRTIO_SERIAL: u32 = 0x4;
const SCSI: u32 = 0x5;
const AHCI: u32 = 0x6;
const NICS: u32 = 0x8;
const DISKS: u32 = 0x10;
/// NICs and virtio disks that have an address.
pub const MAX_NICS: u32 = DISKS - NICS;
pub const MAX_VIRTIO_DISKS: u32 = 0x1f - DISKS;

/// What runs the guest's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    Kvm,
    Tcg,
}
impl Accelerator {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// Everything that the arguments name besides the desc. Paths are absolute: a daemon's folder is `/`.
#[derive(Debug, Clone)]
pub struct Launch {
    pub accelerator: Accelerator,
    pub sandbox: bool,
    pub pid_file: PathBuf,
    pub serial_log: PathBuf,
    pub sockets: Sockets,
    /// UEFI code and the variable store of this boot.
    pub uefi: Option<(PathBuf, PathBuf)>,
    /// In the order of the desc's disks.
    pub disks: Vec<DiskFile>,
    pub rescue: Option<RescueFiles>,
}

/// Unix sockets that QEMU listens on. The agent and an operator have a control socket each, as QEMU serves one client per socket.
#[derive(Debug, Clone)]
pub struct Sockets {
    pub agent: PathBuf,
    pub operator: PathBuf,
    pub serial: PathBuf,
    pub vnc: PathBuf,
    /// The rescue system's port.
    pub rescue: PathBuf,
}

/// What a disk's content comes from.
#[derive(Debug, Clone)]
pub struct DiskFile {
    pub path: PathBuf,
    /// A throw-away overlay over `path`, for a bus that can't have a read-only disk.
    pub overlay: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct RescueFiles {
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    /// Mode 0600: `types::rescue::BootSecrets`.
    pub secrets: PathBuf,
}

/// The arguments, without the program.
#[must_use]
pub fn arguments(desc: &Desc, launch: &Launch) -> Vec<String> {
    let mut out = Arguments(Vec::new());
    general(&mut out, desc, launch);
    consoles(&mut out, desc, launch);
    controllers(&mut out, desc);
    for (disk, file) in desc.disks.iter().zip(&launch.disks) {
        add_disk(&mut out, desc, disk, file);
    }
    desc.nics.iter().for_each(|nic| add_nic(&mut out, nic));
    if let (Some(section), Some(files)) = (&desc.rescue, &launch.rescue) {
        out.add("-kernel", text(&files.kernel));
        out.add("-initrd", text(&files.initramfs));
        let count = desc.disks.len();
        let session = section.session;
        let append = format!("{} {CMDLINE_FLAG} {CMDLINE_SESSION}{session} lifeboat.disks={count}", section.cmdline);
        out.add("-append", append.trim().to_owned());
        out.add("-fw_cfg", format!("name={FW_CFG_NAME},file={}", escaped(&files.secrets)));
        // A reboot ends QEMU and comes to the agent, which gives the next boot a nonce of its own.
        out.flag("-no-reboot");
        out.add("-device", format!("virtio-serial-pci,id=lifeboat,addr={VIRTIO_SERIAL:#x}"));
        out.add("-chardev", format!("socket,id=rescue,path={},server=on,wait=off", escaped(&launch.sockets.rescue)));
        out.add("-device", format!("virtserialport,bus=lifeboat.0,chardev=rescue,name={PORT_NAME}"));
    }
    out.0
}

struct Arguments(Vec<String>);
impl Arguments {
    fn flag(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }
    fn add(&mut self, name: &str, value: impl Into<String>) {
        self.flag(name);
        self.0.push(value.into());
    }
}

fn general(out: &mut Arguments, desc: &Desc, launch: &Launch) {
    // The id twice: for people in a process list, and as the machine's own (SMBIOS), by which the agent knows its processes.
    out.add("-name", format!("lifeboat-{}", desc.id));
    out.add("-uuid", desc.id.to_string());
    out.flag("-nodefaults");
    out.flag("-no-user-config");
    out.add("-display", "none");
    if launch.sandbox {
        out.add("-sandbox", super::SANDBOX);
    }
    out.add("-machine", format!("{},accel={}", desc.machine, launch.accelerator.as_str()));
    if launch.accelerator == Accelerator::Kvm {
        out.add("-cpu", "host");
    }
    out.add("-smp", desc.vcpu.to_string());
    out.add("-m", format!("{}M", desc.memory_mib));
    out.add("-rtc", "base=utc");
    out.add("-boot", "strict=on");
    if let Some((code, variables)) = &launch.uefi {
        out.add("-drive", format!("if=pflash,unit=0,format=raw,readonly=on,file={}", escaped(code)));
        out.add("-drive", format!("if=pflash,unit=1,format=raw,file={}", escaped(variables)));
    }
    out.flag("-daemonize");
    out.add("-pidfile", text(&launch.pid_file));
}

fn consoles(out: &mut Arguments, desc: &Desc, launch: &Launch) {
    for (id, path) in [("agent", &launch.sockets.agent), ("operator", &launch.sockets.operator)] {
        out.add("-chardev", format!("socket,id={id},path={},server=on,wait=off", escaped(path)));
        out.add("-mon", format!("chardev={id},mode=control"));
    }
    let (socket, log) = (escaped(&launch.sockets.serial), escaped(&launch.serial_log));
    let chardev = format!("socket,id=serial,path={socket},server=on,wait=off,logfile={log},logappend=on");
    out.add("-chardev", chardev);
    out.add("-serial", "chardev:serial");
    if desc.vnc {
        out.add("-device", format!("VGA,addr={VGA:#x}"));
        out.add("-vnc", format!("unix:{}", escaped(&launch.sockets.vnc)));
    }
}

fn controllers(out: &mut Arguments, desc: &Desc) {
    out.add("-object", "rng-random,id=rng,filename=/dev/urandom");
    out.add("-device", format!("virtio-rng-pci,rng=rng,addr={RNG:#x}"));
    let has = |driver| desc.disks.iter().any(|disk| disk.driver == driver);
    if has(DiskDriver::Scsi) {
        out.add("-device", format!("virtio-scsi-pci,id=scsi,addr={SCSI:#x}"));
    }
    if has(DiskDriver::Sata) && desc.machine == Machine::Pc {
        out.add("-device", format!("ahci,id=ahci,addr={AHCI:#x}"));
    }
}

/// A bus that refuses a disk which can't be written.
#[must_use]
pub const fn needs_overlay(driver: DiskDriver) -> bool {
    matches!(driver, DiskDriver::Ide | DiskDriver::Sata)
}

fn add_disk(out: &mut Arguments, desc: &Desc, disk: &DiskDesc, file: &DiskFile) {
    let read_only = desc.rescue.as_ref().is_some_and(|section| section.disk_mode == DiskMode::Ro);
    let index = disk.index;
    let node = format!("disk-{index}");
    let format = match (&file.overlay, disk.format) {
        (Some(_), _) | (None, DiskFormat::Qcow2) => "qcow2",
        (None, DiskFormat::Raw) => "raw",
    };
    let blockdev = json!({
        "driver": format,
        "node-name": node,
        "read-only": read_only && file.overlay.is_none(),
        "discard": "unmap",
        "file": { "driver": "file", "filename": text(file.overlay.as_ref().unwrap_or(&file.path)) },
    });
    out.add("-blockdev", blockdev.to_string());
    let place = match (disk.driver, desc.machine) {
        (DiskDriver::Virtio, _) => format!("virtio-blk-pci,addr={:#x}", DISKS + index),
        (DiskDriver::Scsi, _) => format!("scsi-hd,bus=scsi.0,channel=0,scsi-id={index},lun=0"),
        // q35 has one AHCI controller with six ports on board, for what is called IDE as well.
        (DiskDriver::Ide | DiskDriver::Sata, Machine::Q35) => format!("ide-hd,bus=ide.{index}"),
        (DiskDriver::Ide, Machine::Pc) => format!("ide-hd,bus=ide.{},unit={}", index / 2, index % 2),
        (DiskDriver::Sata, Machine::Pc) => format!("ide-hd,bus=ahci.{index}"),
    };
    // From 1 on: 0 belongs to a kernel that is given with -kernel.
    let order = index + 1;
    out.add("-device", format!("{place},drive={node},id=dev-{index},serial={},bootindex={order}", disk.serial));
}

fn add_nic(out: &mut Arguments, nic: &NicDesc) {
    let index = nic.index;
    let forwards = nic.forwards.iter().map(|f| format!(",hostfwd=tcp:127.0.0.1:{}-:{}", f.host_port, f.guest_port));
    out.add("-netdev", format!("user,id=net-{index}{}", forwards.collect::<String>()));
    let model = match nic.model {
        NicModel::Virtio => "virtio-net-pci",
        NicModel::E1000 => "e1000",
    };
    // Without its option ROM: a guest boots from its disks, and the ROM's package need not be there.
    let address = NICS + index;
    out.add("-device", format!("{model},netdev=net-{index},id=nic-{index},mac={},addr={address:#x},romfile=", nic.mac));
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// For a value inside an option list: QEMU reads two commas as one.
fn escaped(path: &Path) -> String {
    text(path).replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::desc::{BootFile, DESC_VERSION, Firmware, NicBackend, PortForward, RescueSection};
    use types::id::{DiskId, GuestId, SessionId};
    use types::status::Arch;

    fn uuid(last: u8) -> uuid::Uuid {
        uuid::Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, last])
    }

    fn disk(index: u32, driver: DiskDriver, format: DiskFormat) -> DiskDesc {
        let (id, serial) = (DiskId::from_uuid(uuid(index as u8)), format!("S{index}"));
        DiskDesc { id, index, driver, format, size_mib: 64, image: None, serial }
    }

    fn desc(machine: Machine, driver: DiskDriver) -> Desc {
        Desc {
            version: DESC_VERSION,
            id: GuestId::from_uuid(uuid(0xff)),
            name: "a,b".into(),
            arch: Arch::X86_64,
            machine,
            firmware: Firmware::Bios,
            vcpu: 2,
            memory_mib: 256,
            disks: vec![disk(0, driver, DiskFormat::Qcow2), disk(1, driver, DiskFormat::Raw)],
            nics: vec![NicDesc {
                index: 0,
                backend: NicBackend::User,
                mac: "52:54:00:00:00:01".into(),
                model: NicModel::Virtio,
                forwards: vec![PortForward { host_port: 2222, guest_port: 22 }],
            }],
            cdroms: Vec::new(),
            qemu_version: None,
            vnc: false,
            rescue: None,
        }
    }

    fn launch(desc: &Desc) -> Launch {
        let path = |name: &str| PathBuf::from(format!("/w,x/{name}"));
        Launch {
            accelerator: Accelerator::Tcg,
            sandbox: true,
            pid_file: path("qemu.pid"),
            serial_log: path("serial.log"),
            sockets: Sockets {
                agent: path("q"),
                operator: path("o"),
                serial: path("s"),
                vnc: path("v"),
                rescue: path("r"),
            },
            uefi: None,
            disks: desc
                .disks
                .iter()
                .map(|d| DiskFile { path: path(&format!("d{}", d.index)), overlay: None })
                .collect(),
            rescue: desc.rescue.is_some().then(|| RescueFiles {
                kernel: path("kernel"),
                initramfs: path("initramfs"),
                secrets: path("secrets"),
            }),
        }
    }

    fn in_rescue(mut desc: Desc, disk_mode: DiskMode) -> Desc {
        let file = || BootFile { sha256: "a".repeat(64), size: 1 };
        desc.rescue = Some(RescueSection {
            session: SessionId::from_uuid(uuid(0xee)),
            image: "small 1".into(),
            kernel: file(),
            initramfs: file(),
            cmdline: "console=ttyS0 panic=-1".into(),
            disk_mode,
        });
        desc
    }

    /// One option a line.
    fn shown(arguments: &[String]) -> String {
        let mut text = String::new();
        for argument in arguments {
            text += if argument.starts_with('-') { "\n" } else { " " };
            text += argument;
        }
        text.trim_start().to_owned() + "\n"
    }

    #[test]
    fn a_guest_on_its_own_disks() {
        let desc = desc(Machine::Q35, DiskDriver::Virtio);
        insta::assert_snapshot!(shown(&arguments(&desc, &launch(&desc))));
    }

    #[test]
    fn the_same_guest_in_rescue() {
        let desc = in_rescue(desc(Machine::Q35, DiskDriver::Virtio), DiskMode::Ro);
        insta::assert_snapshot!(shown(&arguments(&desc, &launch(&desc))));
    }

    #[test]
    fn firmware_screen_and_overlay() {
        let mut desc = in_rescue(desc(Machine::Pc, DiskDriver::Sata), DiskMode::Ro);
        desc.vnc = true;
        desc.nics[0].model = NicModel::E1000;
        let mut launch = launch(&desc);
        launch.accelerator = Accelerator::Kvm;
        launch.uefi = Some(("/code,1".into(), "/vars".into()));
        launch.disks[1].overlay = Some("/overlay".into());
        insta::assert_snapshot!(shown(&arguments(&desc, &launch)));
    }

    #[test]
    fn rescue_adds_and_moves_nothing() {
        for machine in [Machine::Q35, Machine::Pc] {
            for driver in [DiskDriver::Virtio, DiskDriver::Scsi, DiskDriver::Ide, DiskDriver::Sata] {
                let own = desc(machine, driver);
                let rescue = in_rescue(own.clone(), DiskMode::Rw);
                let (own, rescue) = (arguments(&own, &launch(&own)), arguments(&rescue, &launch(&rescue)));
                assert_eq!(rescue[..own.len()], own, "{machine} {driver}");
            }
        }
    }

    #[test]
    fn no_address_is_given_twice() {
        for machine in [Machine::Q35, Machine::Pc] {
            let mut desc = in_rescue(desc(machine, DiskDriver::Virtio), DiskMode::Rw);
            desc.vnc = true;
            desc.disks = (0..MAX_VIRTIO_DISKS).map(|i| disk(i, DiskDriver::Virtio, DiskFormat::Raw)).collect();
            desc.disks.push(disk(20, DiskDriver::Scsi, DiskFormat::Raw));
            desc.disks.push(disk(3, DiskDriver::Sata, DiskFormat::Raw));
            desc.nics = (0..MAX_NICS).map(|index| NicDesc { index, ..desc.nics[0].clone() }).collect();
            let arguments = arguments(&desc, &launch(&desc));
            let mut addresses: Vec<_> = arguments
                .iter()
                .filter_map(|argument| argument.split(',').find_map(|part| part.strip_prefix("addr=")))
                .collect();
            let count = addresses.len();
            addresses.sort_unstable();
            addresses.dedup();
            assert_eq!(addresses.len(), count);
            assert!(!addresses.contains(&"0x0") && !addresses.contains(&"0x1") && !addresses.contains(&"0x1f"));
        }
    }
}
