//! The simulated QEMU beside the host agent's own code: what the agent asks, starts and looks for, it finds.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use host::qemu::cmdline::{Accelerator, DiskFile, Launch, RescueFiles, Sockets, arguments};
use host::qemu::{Qemu, process};
use qmp::Limits;
use qmp::command::{QueryStatus, Quit, Stop};
use types::desc::{
    BootFile, CdromDesc, DESC_VERSION, Desc, DiskDesc, DiskDriver, DiskFormat, DiskIo, Firmware, Machine, NicBackend,
    NicDesc, NicModel, RescueSection,
};
use types::id::{DiskId, GuestId, SessionId};
use types::rescue::{BootSecrets, Frame, PROTOCOL_VERSION, verify};
use types::secret::Secret;
use types::status::{Arch, DiskMode};

const LIMIT: Duration = Duration::from_secs(30);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_qemu-sim"))
}

fn disk(index: u32, driver: DiskDriver) -> DiskDesc {
    let (id, serial) = (DiskId::generate(), format!("S{index}"));
    DiskDesc { id, index, driver, format: DiskFormat::Qcow2, size_mib: 1, image: None, serial, io: DiskIo::default() }
}

/// Of every kind of device.
fn desc(machine: Machine) -> Desc {
    let drivers = [DiskDriver::Virtio, DiskDriver::Scsi, DiskDriver::Ide, DiskDriver::Sata];
    let nic = |(index, model)| NicDesc {
        index,
        backend: NicBackend::User,
        mac: format!("52:54:00:00:00:0{index}"),
        model,
        forwards: vec![],
        bridge: None,
    };
    Desc {
        version: DESC_VERSION,
        id: GuestId::generate(),
        name: "web1".into(),
        arch: Arch::X86_64,
        machine,
        firmware: Firmware::Bios,
        vcpu: 1,
        memory_mib: 64,
        disks: (0..).zip(drivers).map(|(index, driver)| disk(index, driver)).collect(),
        nics: (0..).zip([NicModel::Virtio, NicModel::E1000]).map(nic).collect(),
        cdroms: vec![CdromDesc { index: 0, iso: None }],
        qemu_version: None,
        vnc: true,
        guest_agent: false,
        usb: Vec::new(),
        passthrough: Vec::new(),
        rescue: None,
    }
}

#[tokio::test]
async fn the_agent_takes_it_for_a_qemu_with_all_devices() {
    let qemu = Qemu::probe(program()).await.expect("the agent's probe understands it");
    assert_eq!((qemu.version.as_str(), qemu.sandbox), ("10.0.0", true));
    for machine in [Machine::Q35, Machine::Pc] {
        assert_eq!(qemu.lacks(&desc(machine)), None);
    }
}

/// A folder with everything that a rescue system is started from; what runs there ends with it.
struct Place {
    folder: tempfile::TempDir,
    desc: Desc,
    secrets: BootSecrets,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let session = SessionId::generate();
        let secrets = BootSecrets {
            version: PROTOCOL_VERSION,
            session,
            key: Secret::new("ab".repeat(32)),
            nonce: "01".repeat(16),
            boot: 3,
            ssh_keys: vec![],
            password_hash: None,
            host_key: None,
            network: None,
            disk_names: std::collections::BTreeMap::new(),
        };
        std::fs::write(folder.path().join("secrets"), serde_json::to_vec(&secrets).unwrap()).unwrap();
        let file = || BootFile { sha256: "a".repeat(64), size: 1 };
        let section = RescueSection {
            session,
            image: "small 1".into(),
            kernel: file(),
            initramfs: file(),
            network: None,
            cmdline: String::new(),
            disk_mode: DiskMode::Rw,
            qemu_version: None,
        };
        Self { folder, desc: Desc { rescue: Some(section), ..desc(Machine::Q35) }, secrets }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self) -> Vec<String> {
        let file = |disk: &DiskDesc| DiskFile { path: self.path(&disk.serial), overlay: None };
        let launch = Launch {
            accelerator: Accelerator::Tcg,
            sandbox: true,
            pid_file: self.path("pid"),
            serial_log: self.path("serial.log"),
            sockets: Sockets {
                agent: self.path("q"),
                operator: self.path("o"),
                serial: self.path("s"),
                vnc: self.path("v"),
                guest_agent: self.path("g"),
                rescue: self.path("r"),
            },
            uefi: None,
            disks: self.desc.disks.iter().map(file).collect(),
            isos: vec![None],
            absent: Vec::new(),
            rescue: Some(RescueFiles {
                kernel: self.path("kernel"),
                initramfs: self.path("initramfs"),
                secrets: self.path("secrets"),
            }),
        };
        arguments(&self.desc, &launch)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.path("pid")).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

#[tokio::test]
async fn it_is_started_found_spoken_with_and_ended_as_a_qemu() {
    let place = Place::new();
    let output = Command::new(program()).args(place.arguments()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let found = process::find(place.desc.id, &place.path("pid")).unwrap().expect("it stays when its parent has ended");
    assert_eq!(std::fs::read_to_string(place.path("pid")).unwrap().trim(), found.pid.to_string());
    assert_eq!(found.session(), Some(place.secrets.session));

    // Two connections, one after the other: each hears the proof.
    for _ in 0..2 {
        let port = UnixStream::connect(place.path("r")).unwrap();
        port.set_read_timeout(Some(LIMIT)).unwrap();
        let mut lines = BufReader::new(port).lines();
        let hello: Frame = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(hello, Frame::Hello { version: PROTOCOL_VERSION });
        let Frame::Ready { payload, mac } = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() else {
            panic!("the second frame is the proof")
        };
        let report = verify(&place.secrets, &payload, &mac).unwrap();
        let seen: BTreeSet<_> = report.disks.iter().map(|disk| disk.serial.as_str()).collect();
        assert_eq!(seen, BTreeSet::from(["S0", "S1", "S2", "S3"]));
    }

    let (control, mut events) = qmp::Qmp::connect(&place.path("q"), Limits::default()).await.unwrap();
    let (_operator, mut heard) = qmp::Qmp::connect(&place.path("o"), Limits::default()).await.unwrap();
    assert!(control.execute(QueryStatus {}).await.unwrap().running);
    control.execute(Stop {}).await.unwrap();
    assert_eq!(control.execute(QueryStatus {}).await.unwrap().status, "paused");
    control.execute(Quit {}).await.unwrap();
    for events in [&mut events, &mut heard] {
        assert_eq!(events.recv().await.unwrap().name, "STOP");
        assert_eq!(events.recv().await.unwrap().reason(), Some("host-qmp-quit"));
    }
    tokio::time::timeout(LIMIT, found.ended()).await.expect("it ends when told to quit");
    assert!(std::fs::metadata(place.path("serial.log")).unwrap().len() >= 64 * 1024);
}

#[test]
fn what_keeps_it_from_starting_is_said_by_the_process_that_was_started() {
    let place = Place::new();
    std::fs::remove_file(place.path("secrets")).unwrap();
    let output = Command::new(program()).args(place.arguments()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("secrets"), "{said}");
    assert!(!place.path("pid").exists());
}
