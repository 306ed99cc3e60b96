//! The desc on disk, and what a desc must be like before it is taken. The file is replaced whole or not at all; the desc of
//! before a rescue session is kept byte for byte, once per session.

use std::collections::HashSet;
use std::path::Path;

use sha2::{Digest, Sha256};
use types::desc::{
    DESC_VERSION, Desc, DetectZeroes, DiskAio, DiskCache, DiskDesc, DiskDiscard, DiskDriver, Machine, NicBackend,
    UsbHost, UsbKind,
};
use types::id::SessionId;
use types::operation::{Failure, FailureCode};
use types::rescue::hex;

use super::paths::{Paths, gone};
use super::recover;
use super::{broken, failure};
use crate::qemu::devices::{MAX_CDROMS, MAX_NICS, MAX_PASSTHROUGH, MAX_USB, MAX_VIRTIO_DISKS, taken_by_cdrom};

/// A desc as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub desc: Desc,
    pub bytes: Vec<u8>,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Desc(Box<Stored>),
    /// No desc: torn or corrupt. The text names the file and says what is wrong.
    Garbage(String),
}

impl Stored {
    /// How it would be written.
    #[must_use]
    pub fn new(desc: Desc) -> Self {
        let mut bytes = serde_json::to_vec_pretty(&desc).expect("a desc is plain data");
        bytes.push(b'\n');
        Self { desc, bytes }
    }

    /// 64 hex digits, of the file's bytes.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.bytes))
    }

    /// # Errors
    /// The file is there and can't be read, or is no desc of a version known here.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        match Self::look(path)? {
            Found::Nothing => Ok(None),
            Found::Desc(stored) => Ok(Some(*stored)),
            Found::Garbage(problem) => Err(failure(FailureCode::Internal, problem)),
        }
    }

    /// # Errors
    /// The file is there and the disk does not give it, or it is of a version newer than this program.
    pub fn look(path: &Path) -> Result<Found, Failure> {
        /// Later versions may have any other field.
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u32,
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(broken(path.display())(error)),
        };
        if let Ok(Versioned { version }) = serde_json::from_slice(&bytes)
            && version > DESC_VERSION
        {
            let message = format!("{} is of version {version}, which is newer than this program", path.display());
            return Err(failure(FailureCode::Internal, message));
        }
        Ok(match serde_json::from_slice(&bytes) {
            Ok(desc) => Found::Desc(Box::new(Self { desc, bytes })),
            Err(error) => Found::Garbage(format!("{} is no desc: {error}", path.display())),
        })
    }

    /// # Errors
    /// As the file system says; the old file is then untouched.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        service::files::write_atomic(path, &self.bytes, 0o600).map_err(broken(path.display()))
    }
}

/// The desc of before the session, from its file; saved now if this is the first time. `current` is the desc on disk.
///
/// # Errors
/// The file can't be read or written, or the desc of before is lost.
pub fn save_source(paths: &Paths, session: SessionId, current: &Stored) -> Result<Stored, Failure> {
    let path = paths.source_desc(session);
    if let Some(source) = Stored::read(&path)? {
        return Ok(source);
    }
    if current.desc.rescue.is_some() {
        // Saved now, the rescue desc would pass for the original one.
        let message = format!("{} is missing, though the desc is in rescue already", path.display());
        return Err(failure(FailureCode::Internal, message));
    }
    current.write(&path)?;
    Ok(current.clone())
}

/// Puts the desc of before back, byte for byte.
///
/// # Errors
/// As the file system says; nothing is lost, it can be repeated.
pub fn restore_source(paths: &Paths, session: SessionId, current: Stored) -> Result<Stored, Failure> {
    let path = paths.source_desc(session);
    let in_session = current.desc.rescue.as_ref().is_some_and(|section| section.session == session);
    let restored = match (in_session, Stored::look(&path)?) {
        (false, _) => current,
        (true, Found::Desc(source)) => {
            recover::keep(paths, &source)?;
            *source
        }
        (true, Found::Nothing | Found::Garbage(_)) => {
            tracing::error!(path = %path.display(), "the desc of before is lost; taking the rescue section out instead");
            let without = Stored::new(Desc { rescue: None, ..current.desc });
            recover::keep(paths, &without)?;
            without
        }
    };
    // Last: a crash before this repeats the whole and comes to the same end.
    gone(std::fs::remove_file(&path)).map_err(broken(path.display()))?;
    Ok(restored)
}

/// What is wrong with a desc that is to become a guest, in words for whoever sent it.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(desc: &Desc) -> Result<(), String> {
    let wrong = |problem: String| Err(problem);
    if desc.rescue.is_some() {
        return wrong("a new guest has no rescue section".into());
    }
    if desc.arch.as_str() != std::env::consts::ARCH {
        return wrong(format!("this host is {}, not {}", std::env::consts::ARCH, desc.arch));
    }
    if !(1..=255).contains(&desc.vcpu) || !(16..=16 << 20).contains(&desc.memory_mib) {
        return wrong("vcpu must be 1 to 255, and memory_mib at least 16".into());
    }
    if desc.disks.is_empty() || desc.disks.first().is_none_or(|disk| disk.index != 0) {
        return wrong("the first disk must have index 0".into());
    }
    let mut seen = HashSet::new();
    for disk in &desc.disks {
        let (index, driver) = (disk.index, disk.driver);
        let most = match (driver, desc.machine) {
            (DiskDriver::Virtio, _) => MAX_VIRTIO_DISKS,
            (DiskDriver::Scsi, _) => 64,
            (DiskDriver::Ide, Machine::Pc) => 4,
            (DiskDriver::Ide | DiskDriver::Sata, _) => 6,
        };
        if index >= most {
            return wrong(format!("disk {index}: a {driver} disk on {} has an index below {most}", desc.machine));
        }
        // 20 bytes is what virtio-blk and ATA can carry.
        if !(1..=20).contains(&disk.serial.len())
            || !disk.serial.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        {
            return wrong(format!("disk {index}: the serial is 1 to 20 of letters, digits, '.', '_', '-'"));
        }
        if disk.size_mib == 0 && disk.image.is_none() {
            return wrong(format!("disk {index}: an empty disk needs a size"));
        }
        if disk.size_mib > 1 << 30 {
            return wrong(format!("disk {index}: {} MiB are too many", disk.size_mib));
        }
        let io = disk.io;
        if io.aio == DiskAio::Native && !matches!(io.cache, DiskCache::None | DiskCache::Directsync) {
            return wrong(format!("disk {index}: aio native goes with cache none or directsync, not {}", io.cache));
        }
        if io.detect_zeroes == DetectZeroes::Unmap && io.discard != DiskDiscard::Unmap {
            return wrong(format!("disk {index}: detect_zeroes unmap goes with discard unmap"));
        }
        if !seen.insert(format!("i{index}"))
            || !seen.insert(format!("s{}", disk.serial))
            || !seen.insert(disk.id.to_string())
        {
            return wrong(format!("disk {index}: id, index and serial must differ from the other disks'"));
        }
    }
    host_devices(desc, &mut seen)?;
    for drive in &desc.cdroms {
        let index = drive.index;
        if index >= MAX_CDROMS || !seen.insert(format!("c{index}")) {
            return wrong(format!(
                "cdrom {index}: the index is below {MAX_CDROMS}, and differs from the other drives'"
            ));
        }
        let port = taken_by_cdrom(index, desc.machine);
        let there = |disk: &&DiskDesc| match disk.driver {
            DiskDriver::Ide => disk.index == port,
            DiskDriver::Sata => disk.index == port && desc.machine == Machine::Q35,
            DiskDriver::Virtio | DiskDriver::Scsi => false,
        };
        if let Some(disk) = desc.disks.iter().find(there) {
            return wrong(format!("cdrom {index}: {} disk {port} has its place", disk.driver));
        }
    }
    for nic in &desc.nics {
        let index = nic.index;
        let octets: Vec<_> = nic.mac.split(':').collect();
        let hex =
            |text: &&str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if octets.len() != 6 || !octets.iter().all(hex) {
            return wrong(format!("nic {index}: the mac is six octets of lower case hex, separated by colons"));
        }
        if index >= MAX_NICS || !seen.insert(format!("n{index}")) || !seen.insert(format!("m{}", nic.mac)) {
            return wrong(format!(
                "nic {index}: the index is below {MAX_NICS}, and index and mac differ from the other nics'"
            ));
        }
        let on_host = matches!(nic.backend, NicBackend::Tap | NicBackend::Macvtap);
        // IFNAMSIZ with its closing zero: netdevice(7).
        let named = nic.bridge.as_ref().is_some_and(|name| {
            (1..=15).contains(&name.len())
                && !name.starts_with(['-', '.'])
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        });
        if on_host != nic.bridge.is_some() || (on_host && (!named || !nic.forwards.is_empty())) {
            return wrong(format!(
                "nic {index}: backends tap and macvtap, and no other, name a bridge or interface of the host, and forward no ports"
            ));
        }
        for forward in &nic.forwards {
            if forward.host_port == 0 || forward.guest_port == 0 || !seen.insert(format!("p{}", forward.host_port)) {
                return wrong(format!("nic {index}: forwarded ports are above 0, each host port once"));
            }
        }
    }
    Ok(())
}

/// USB, and what is passed through.
fn host_devices(desc: &Desc, seen: &mut HashSet<String>) -> Result<(), String> {
    for usb in &desc.usb {
        let index = usb.index;
        if index >= MAX_USB || !seen.insert(format!("u{index}")) {
            return Err(format!("usb {index}: the index is below {MAX_USB}, and differs from the others'"));
        }
        match (usb.kind, &usb.host) {
            (UsbKind::Host, Some(host)) => {
                let host: UsbHost = host.parse().map_err(|problem| format!("usb {index}: host: {problem}"))?;
                if !seen.insert(format!("{host:?}")) {
                    return Err(format!("usb {index}: another has this device of the host"));
                }
            }
            (UsbKind::Tablet | UsbKind::Keyboard, None) => {}
            _ => return Err(format!("usb {index}: kind host, and no other, names a device of the host")),
        }
    }
    for device in &desc.passthrough {
        let (index, host) = (device.index, &device.host);
        if index >= MAX_PASSTHROUGH || !seen.insert(format!("h{index}")) {
            return Err(format!(
                "passthrough {index}: the index is below {MAX_PASSTHROUGH}, and differs from the others'"
            ));
        }
        if !is_pci_address(host) {
            return Err(format!("passthrough {index}: host is a PCI address in lower case hex, like 0000:3b:00.0"));
        }
        if !seen.insert(format!("pci{host}")) {
            return Err(format!("passthrough {index}: another has {host}"));
        }
    }
    Ok(())
}

/// `0000:3b:00.0`: a path of sysfs and an option of QEMU are made of it.
fn is_pci_address(text: &str) -> bool {
    let like = "hhhh:hh:hh.o";
    text.len() == like.len()
        && text.bytes().zip(like.bytes()).all(|(byte, like)| match like {
            b'h' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            b'o' => (b'0'..=b'7').contains(&byte),
            other => byte == other,
        })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use types::desc::{
        BootFile, CdromDesc, DiskFormat, DiskIo, Firmware, NicDesc, NicModel, PassthroughDesc, PortForward,
        RescueSection, UsbDesc,
    };
    use types::id::{DiskId, GuestId};
    use types::status::{Arch, DiskMode};

    pub(crate) fn sample() -> Desc {
        Desc {
            version: DESC_VERSION,
            id: GuestId::generate(),
            name: "web1".into(),
            arch: Arch::X86_64,
            machine: Machine::Q35,
            firmware: Firmware::Bios,
            vcpu: 1,
            memory_mib: 256,
            disks: vec![DiskDesc {
                id: DiskId::generate(),
                index: 0,
                driver: DiskDriver::Virtio,
                format: DiskFormat::Qcow2,
                size_mib: 64,
                image: None,
                serial: "root-1".into(),
                io: types::desc::DiskIo::default(),
            }],
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

    pub(crate) fn section(session: SessionId) -> RescueSection {
        let file = || BootFile { sha256: "a".repeat(64), size: 1 };
        RescueSection {
            session,
            image: "small 1".into(),
            kernel: file(),
            initramfs: file(),
            cmdline: "console=ttyS0".into(),
            disk_mode: DiskMode::Rw,
            qemu_version: None,
            network: None,
        }
    }

    #[test]
    fn the_source_is_saved_once_and_comes_back_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), folder.path(), GuestId::generate());
        paths.make().unwrap();
        let session = SessionId::generate();
        // Written by another version of this program: other white space, and it must come back so.
        let bytes = serde_json::to_vec(&sample()).unwrap();
        std::fs::write(paths.desc(), &bytes).unwrap();
        let source = Stored::read(&paths.desc()).unwrap().unwrap();

        for _ in 0..2 {
            let current = Stored::read(&paths.desc()).unwrap().unwrap();
            let saved = save_source(&paths, session, &current).unwrap();
            assert_eq!(saved, source);
            Stored::new(Desc { rescue: Some(section(session)), ..saved.desc }).write(&paths.desc()).unwrap();
        }
        let in_rescue = Stored::read(&paths.desc()).unwrap().unwrap();
        assert!(
            save_source(&paths, SessionId::generate(), &in_rescue).is_err(),
            "another session would save the rescue desc"
        );

        let elsewhere = restore_source(&paths, SessionId::generate(), in_rescue.clone()).unwrap();
        assert_eq!(elsewhere, in_rescue, "another session's end changes nothing");
        let restored = restore_source(&paths, session, in_rescue).unwrap();
        assert_eq!(restored, source);
        assert_eq!(std::fs::read(paths.desc()).unwrap(), bytes);
        assert_eq!(restore_source(&paths, session, restored).unwrap(), source);
        assert!(!paths.source_desc(session).exists());
    }

    #[test]
    fn a_lost_source_costs_the_rescue_section_only() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), folder.path(), GuestId::generate());
        paths.make().unwrap();
        let (session, desc) = (SessionId::generate(), sample());
        let current = Stored::new(Desc { rescue: Some(section(session)), ..desc.clone() });
        assert_eq!(restore_source(&paths, session, current.clone()).unwrap().desc, desc);
        std::fs::write(paths.source_desc(session), "{\"torn").unwrap();
        assert_eq!(restore_source(&paths, session, current).unwrap().desc, desc);
        assert!(!paths.source_desc(session).exists());
    }

    #[test]
    fn a_desc_of_the_future_or_garbage_is_no_desc() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desc");
        assert_eq!(Stored::read(&path).unwrap(), None);
        for text in ["", "{", &serde_json::to_string(&Desc { version: 99, ..sample() }).unwrap()] {
            std::fs::write(&path, text).unwrap();
            assert!(Stored::read(&path).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(check(&sample()), Ok(()));
        type Change = fn(&mut Desc);
        fn usb(index: u32, kind: UsbKind, host: Option<&str>) -> UsbDesc {
            UsbDesc { index, kind, host: host.map(str::to_owned) }
        }
        fn pci(index: u32, host: &str) -> PassthroughDesc {
            PassthroughDesc { index, host: host.into() }
        }
        let cases: [(Change, &str); 31] = [
            (|d| d.disks[0].io.aio = DiskAio::Native, "cache none"),
            (
                |d| {
                    d.disks[0].io =
                        DiskIo { cache: DiskCache::Writethrough, aio: DiskAio::Native, ..DiskIo::default() };
                },
                "not writethrough",
            ),
            (
                |d| {
                    d.disks[0].io = DiskIo {
                        discard: DiskDiscard::Ignore,
                        detect_zeroes: DetectZeroes::Unmap,
                        ..DiskIo::default()
                    };
                },
                "discard unmap",
            ),
            (|d| d.usb = vec![usb(8, UsbKind::Tablet, None)], "below 8"),
            (|d| d.usb = vec![usb(0, UsbKind::Tablet, None), usb(0, UsbKind::Keyboard, None)], "differs"),
            (|d| d.usb = vec![usb(0, UsbKind::Tablet, Some("1.4"))], "no other"),
            (|d| d.usb = vec![usb(0, UsbKind::Host, None)], "no other"),
            (|d| d.usb = vec![usb(0, UsbKind::Host, Some("46d:c52b,hostbus=1"))], "neither vendor:product"),
            (|d| d.usb = vec![usb(0, UsbKind::Host, Some("1.2")), usb(1, UsbKind::Host, Some("01.02"))], "another has"),
            (|d| d.passthrough = vec![pci(8, "0000:3b:00.0")], "below 8"),
            (|d| d.passthrough = vec![pci(0, "../../../../x")], "PCI address"),
            (|d| d.passthrough = vec![pci(0, "0000:3b:00.0"), pci(1, "0000:3b:00.0")], "another has"),
            (|d| d.rescue = Some(section(SessionId::generate())), "rescue section"),
            (|d| d.arch = if d.arch == Arch::X86_64 { Arch::Aarch64 } else { Arch::X86_64 }, "this host is"),
            (|d| d.vcpu = 0, "vcpu"),
            (|d| d.memory_mib = 1, "memory_mib"),
            (|d| d.disks.clear(), "index 0"),
            (|d| d.disks[0].index = 1, "index 0"),
            (|d| d.disks[0].serial = "a,b".into(), "serial"),
            (|d| d.disks[0].serial = "x".repeat(21), "serial"),
            (|d| d.disks[0].size_mib = 0, "size"),
            (|d| d.disks.push(d.disks[0].clone()), "differ"),
            (|d| d.cdroms.push(CdromDesc { index: 2, iso: None }), "below 2"),
            (|d| d.cdroms = vec![CdromDesc { index: 0, iso: None }; 2], "differs"),
            (
                |d| {
                    d.cdroms.push(CdromDesc { index: 0, iso: None });
                    d.disks.push(DiskDesc {
                        id: DiskId::generate(),
                        index: 5,
                        driver: DiskDriver::Sata,
                        serial: "x".into(),
                        ..d.disks[0].clone()
                    });
                },
                "has its place",
            ),
            (|d| d.nics[0].bridge = Some("br0".into()), "bridge"),
            (|d| d.nics[0].backend = NicBackend::Tap, "bridge"),
            (
                |d| {
                    d.nics[0] = NicDesc {
                        backend: NicBackend::Tap,
                        bridge: Some("br0,script=/x".into()),
                        forwards: vec![],
                        ..d.nics[0].clone()
                    };
                },
                "bridge",
            ),
            (|d| d.nics[0].mac = "52:54:00:00:00:0G".into(), "mac"),
            (|d| d.nics.push(NicDesc { index: 1, ..d.nics[0].clone() }), "differ"),
            (|d| d.nics[0].forwards.push(PortForward { host_port: 2222, guest_port: 80 }), "once"),
        ];
        for (change, word) in cases {
            let mut desc = sample();
            change(&mut desc);
            let error = check(&desc).unwrap_err();
            assert!(error.contains(word), "{error} should speak of {word}");
        }
    }
}
