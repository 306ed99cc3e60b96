//! What QEMU is started with: desc and files in, arguments out. Pure.
//!
//! The guest sees the same machine in each boot ([`devices`]), and in rescue only what is added: a kernel, a fw_cfg file, and a port of
//! the virtio-serial controller, whose address is used for nothing else.

use std::path::{Path, PathBuf};

use types::desc::{Desc, DiskDriver, Machine, UsbDesc};
use types::rescue::{CMDLINE_FLAG, CMDLINE_READ_ONLY, CMDLINE_SESSION, FW_CFG_NAME, PORT_NAME};
use types::status::DiskMode;

use super::devices::{self, AHCI, SCSI, VGA, VIRTIO_SERIAL};

/// What QEMU's guest agent looks for.
const GUEST_AGENT_PORT: &str = "org.qemu.guest_agent.0";

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
    /// In the order of the desc's cdroms.
    pub isos: Vec<Option<PathBuf>>,
    /// Devices of the host, as the desc names them, that are not there and without which this boot does.
    pub absent: Vec<String>,
    pub rescue: Option<RescueFiles>,
}

/// Unix sockets that QEMU listens on. The agent and an operator have a control socket each, as QEMU serves one client per socket.
#[derive(Debug, Clone)]
pub struct Sockets {
    pub agent: PathBuf,
    pub operator: PathBuf,
    pub serial: PathBuf,
    pub vnc: PathBuf,
    /// QEMU's guest agent, where the desc has one.
    pub guest_agent: PathBuf,
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
    let read_only = desc.rescue.as_ref().is_some_and(|section| section.disk_mode == DiskMode::Ro);
    for (disk, file) in desc.disks.iter().zip(&launch.disks) {
        out.add("-blockdev", devices::blockdev(disk, file, read_only).to_string());
        out.add("-device", devices::disk(disk, desc.machine).option());
    }
    for nic in &desc.nics {
        // The NICs stay, so that nothing else moves; a hub to which nothing else is connected leads nowhere.
        let netdev = if desc.is_cut_off() { devices::dead_end(nic) } else { devices::netdev_option(nic, desc.id) };
        out.add("-netdev", netdev);
        out.add("-device", devices::nic(nic, desc.machine).option());
    }
    for (drive, iso) in desc.cdroms.iter().zip(&launch.isos) {
        if let Some(iso) = iso {
            out.add("-blockdev", devices::iso(drive.index, iso).to_string());
        }
        out.add("-device", devices::cdrom(drive, desc.machine).option());
    }
    devices::passthrough_ports(desc).iter().for_each(|port| out.add("-device", port.option()));
    for it in desc.passthrough.iter().filter(|it| !launch.absent.contains(&it.host)) {
        out.add("-device", devices::passthrough(it, desc.machine).option());
    }
    if let Some(controller) = devices::usb_controller(desc) {
        out.add("-device", controller.option());
        let there = |it: &&UsbDesc| it.host.as_ref().is_none_or(|host| !launch.absent.contains(host));
        desc.usb.iter().filter(there).for_each(|it| out.add("-device", devices::usb(it).option()));
    }
    if desc.guest_agent {
        serial_controller(&mut out);
        let path = escaped(&launch.sockets.guest_agent);
        out.add("-chardev", format!("socket,id=guest-agent,path={path},server=on,wait=off"));
        out.add("-device", format!("virtserialport,bus=lifeboat.0,nr=1,chardev=guest-agent,name={GUEST_AGENT_PORT}"));
    }
    if let (Some(section), Some(files)) = (&desc.rescue, &launch.rescue) {
        out.add("-kernel", text(&files.kernel));
        out.add("-initrd", text(&files.initramfs));
        let count = desc.disks.len();
        let session = section.session;
        let append = format!("{} {CMDLINE_FLAG} {CMDLINE_SESSION}{session} lifeboat.disks={count}", section.cmdline);
        let lock = if read_only { format!(" {CMDLINE_READ_ONLY}") } else { String::new() };
        out.add("-append", format!("{}{lock}", append.trim()));
        out.add("-fw_cfg", format!("name={FW_CFG_NAME},file={}", escaped(&files.secrets)));
        // A reboot ends QEMU and comes to the agent, which gives the next boot a nonce of its own.
        out.flag("-no-reboot");
        if !desc.guest_agent {
            serial_controller(&mut out);
        }
        out.add("-chardev", format!("socket,id=rescue,path={},server=on,wait=off", escaped(&launch.sockets.rescue)));
        out.add("-device", format!("virtserialport,bus=lifeboat.0,chardev=rescue,name={PORT_NAME}"));
    }
    out.0
}

fn serial_controller(out: &mut Arguments) {
    out.add("-device", format!("virtio-serial-pci,id=lifeboat,addr={VIRTIO_SERIAL:#x}"));
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
    out.add("-device", devices::rng(desc).option());
    let has = |driver| desc.disks.iter().any(|disk| disk.driver == driver);
    if has(DiskDriver::Scsi) {
        out.add("-device", format!("virtio-scsi-pci,id=scsi,addr={SCSI:#x}"));
    }
    if has(DiskDriver::Sata) && desc.machine == Machine::Pc {
        out.add("-device", format!("ahci,id=ahci,addr={AHCI:#x}"));
    }
    devices::root_ports(desc.machine).for_each(|port| out.add("-device", port.option()));
}

/// A bus that refuses a disk which can't be written.
#[must_use]
pub const fn needs_overlay(driver: DiskDriver) -> bool {
    matches!(driver, DiskDriver::Ide | DiskDriver::Sata)
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
    use crate::qemu::devices::{MAX_NICS, MAX_VIRTIO_DISKS};
    use types::desc::{
        BootFile, CdromDesc, DESC_VERSION, DetectZeroes, DiskAio, DiskCache, DiskDesc, DiskDiscard, DiskFormat, DiskIo,
        Firmware, NicBackend, NicDesc, NicModel, PassthroughDesc, PortForward, RescueSection, UsbKind,
    };
    use types::id::{DiskId, GuestId, SessionId};
    use types::status::Arch;

    fn uuid(last: u8) -> uuid::Uuid {
        uuid::Uuid::from_bytes([0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, last])
    }

    fn disk(index: u32, driver: DiskDriver, format: DiskFormat) -> DiskDesc {
        let (id, serial) = (DiskId::from_uuid(uuid(index as u8)), format!("S{index}"));
        DiskDesc { id, index, driver, format, size_mib: 64, image: None, serial, io: DiskIo::default() }
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
                bridge: None,
            }],
            cdroms: Vec::new(),
            qemu_version: None,
            vnc: false,
            guest_agent: false,
            usb: Vec::new(),
            passthrough: Vec::new(),
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
                guest_agent: path("g"),
                rescue: path("r"),
            },
            uefi: None,
            disks: desc
                .disks
                .iter()
                .map(|d| DiskFile { path: path(&format!("d{}", d.index)), overlay: None })
                .collect(),
            isos: desc.cdroms.iter().map(|drive| drive.iso.as_ref().map(|name| path(name))).collect(),
            absent: Vec::new(),
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
            qemu_version: None,
            network: None,
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
    fn nics_on_the_host_s_own_networks() {
        let mut desc = desc(Machine::Q35, DiskDriver::Virtio);
        let on = |index, backend, bridge: &str| NicDesc {
            index,
            backend,
            forwards: vec![],
            bridge: Some(bridge.into()),
            ..desc.nics[0].clone()
        };
        desc.nics = vec![on(0, NicBackend::Tap, "br0"), on(1, NicBackend::Macvtap, "eth0")];
        let shown = shown(&arguments(&desc, &launch(&desc)));
        let nics: Vec<_> = shown.lines().filter(|line| line.contains("net-")).collect();
        insta::assert_snapshot!(nics.join("\n"));
    }

    fn with_everything(machine: Machine) -> Desc {
        let mut desc = desc(machine, DiskDriver::Virtio);
        let usb = |index, kind, host: Option<&str>| UsbDesc { index, kind, host: host.map(str::to_owned) };
        desc.guest_agent = true;
        desc.usb = vec![
            usb(0, UsbKind::Tablet, None),
            usb(1, UsbKind::Keyboard, None),
            usb(4, UsbKind::Host, Some("046D:c52b")),
            usb(7, UsbKind::Host, Some("1.14")),
        ];
        let host = |index, host: &str| PassthroughDesc { index, host: host.into() };
        desc.passthrough = vec![host(0, "0000:3b:00.0"), host(2, "0000:3b:00.1")];
        desc
    }

    #[test]
    fn usb_devices_of_the_host_and_a_guest_agent() {
        for machine in [Machine::Q35, Machine::Pc] {
            let own = with_everything(machine);
            let rescue = in_rescue(own.clone(), DiskMode::Rw);
            let absent = Launch { absent: vec!["0000:3b:00.1".into()], ..launch(&rescue) };
            let plain =
                shown(&arguments(&desc(machine, DiskDriver::Virtio), &launch(&desc(machine, DiskDriver::Virtio))));
            let more = |arguments: &[String]| {
                let shown = shown(arguments);
                shown.lines().filter(|line| !plain.contains(line)).map(|line| format!("{line}\n")).collect::<String>()
            };
            let (own, rescue) = (more(&arguments(&own, &launch(&own))), more(&arguments(&rescue, &absent)));
            insta::assert_snapshot!(
                format!("everything_{machine}"),
                format!("{own}\nin rescue, one is not there:\n{rescue}")
            );
        }
    }

    #[test]
    fn how_disks_are_read_and_written() {
        let mut shown = String::new();
        for cache in DiskCache::ALL {
            for (aio, discard, detect_zeroes) in [
                (DiskAio::Threads, DiskDiscard::Unmap, DetectZeroes::Off),
                (DiskAio::Native, DiskDiscard::Unmap, DetectZeroes::Unmap),
                (DiskAio::IoUring, DiskDiscard::Ignore, DetectZeroes::On),
            ] {
                let io = DiskIo { cache: *cache, aio, discard, detect_zeroes };
                let disk = DiskDesc { io, ..disk(1, DiskDriver::Scsi, DiskFormat::Raw) };
                let file = DiskFile { path: "/d".into(), overlay: None };
                let device = devices::disk(&disk, Machine::Q35).option();
                shown += &format!(
                    "{cache} {aio} {discard} {detect_zeroes}\n  {}\n  {device}\n",
                    devices::blockdev(&disk, &file, false)
                );
            }
        }
        insta::assert_snapshot!(shown);
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
        desc.cdroms = vec![CdromDesc { index: 0, iso: Some("a.iso".into()) }, CdromDesc { index: 1, iso: None }];
        let mut launch = launch(&desc);
        launch.accelerator = Accelerator::Kvm;
        launch.uefi = Some(("/code,1".into(), "/vars".into()));
        launch.disks[1].overlay = Some("/overlay".into());
        insta::assert_snapshot!(shown(&arguments(&desc, &launch)));
    }

    #[test]
    fn a_rescue_without_network_keeps_its_nics_and_reaches_nothing() {
        let full = in_rescue(with_everything(Machine::Q35), DiskMode::Rw);
        let mut none = full.clone();
        none.rescue.as_mut().unwrap().network = Some(types::status::RescueNetwork::None);
        let (full, none) = (arguments(&full, &launch(&full)), arguments(&none, &launch(&none)));
        let changed: Vec<_> = full.iter().zip(&none).filter(|(full, none)| full != none).collect();
        assert_eq!(full.len(), none.len());
        assert_eq!(changed.len(), with_everything(Machine::Q35).nics.len(), "{changed:?}");
        assert!(changed.iter().all(|(_, none)| none.starts_with("hubport,id=net-")), "{changed:?}");
        assert!(!none.iter().any(|argument| argument.contains("hostfwd")));
    }

    #[test]
    fn rescue_adds_and_moves_nothing() {
        for machine in [Machine::Q35, Machine::Pc] {
            for driver in [DiskDriver::Virtio, DiskDriver::Scsi, DiskDriver::Ide, DiskDriver::Sata] {
                let own = Desc { disks: desc(machine, driver).disks, ..with_everything(machine) };
                let rescue = in_rescue(own.clone(), DiskMode::Rw);
                let (own, rescue) = (arguments(&own, &launch(&own)), arguments(&rescue, &launch(&rescue)));
                assert_eq!(rescue[..own.len()], own, "{machine} {driver}");
            }
        }
    }

    #[test]
    fn no_address_is_given_twice() {
        for machine in [Machine::Q35, Machine::Pc] {
            let mut desc = in_rescue(with_everything(machine), DiskMode::Rw);
            desc.vnc = true;
            desc.disks = (0..MAX_VIRTIO_DISKS).map(|i| disk(i, DiskDriver::Virtio, DiskFormat::Raw)).collect();
            desc.disks.push(disk(20, DiskDriver::Scsi, DiskFormat::Raw));
            desc.disks.push(disk(3, DiskDriver::Sata, DiskFormat::Raw));
            desc.nics = (0..MAX_NICS).map(|index| NicDesc { index, ..desc.nics[0].clone() }).collect();
            let arguments = arguments(&desc, &launch(&desc));
            // On the root bus, and on the ports, which have one place each; not behind the bridge for devices of the host.
            let mut addresses: Vec<_> = arguments
                .iter()
                .filter(|argument| !argument.contains(",bus=host"))
                .filter_map(|argument| {
                    argument.split(',').find(|part| part.starts_with("addr=") || part.starts_with("bus=port-"))
                })
                .collect();
            let count = addresses.len();
            addresses.sort_unstable();
            addresses.dedup();
            assert_eq!(addresses.len(), count);
            assert!(["addr=0x0", "addr=0x1", "addr=0x1f"].iter().all(|taken| !addresses.contains(taken)));
        }
    }
}
