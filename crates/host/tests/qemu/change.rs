//! A guest that is changed in every way while it runs and while it is off: buttons, devices, media, sizes, snapshots.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proto::host::v1 as pb;
use qmp::command::QomList;
use qmp::{Command, Limits, Qmp};
use serde::Serialize;
use serde_json::Value;
use types::desc::{CdromDesc, Desc, DiskDesc, DiskDriver, NicBackend, NicDesc, NicModel, PortForward};
use types::id::{DiskId, GuestId, SnapshotId};
use types::operation::{FailureCode, Outcome};

use crate::agent::{Agent, create, operate, stop, tiny, until};

fn change(desc: &Desc) -> pb::ChangeGuestRequest {
    pb::ChangeGuestRequest { operation: None, desc_json: serde_json::to_string(desc).unwrap() }
}
fn resize(disk: DiskId, size_mib: u64) -> pb::ResizeDiskRequest {
    pb::ResizeDiskRequest { operation: None, disk_id: disk.to_string(), size_mib }
}
fn delete_disk(disk: DiskId) -> pb::DeleteDiskRequest {
    pb::DeleteDiskRequest { operation: None, disk_id: disk.to_string() }
}
fn snapshot(snapshot: SnapshotId) -> pb::SnapshotRequest {
    pb::SnapshotRequest { operation: None, snapshot_id: snapshot.to_string() }
}
fn start() -> pb::StartGuestRequest {
    pb::StartGuestRequest { operation: None }
}
#[track_caller]
fn refused(outcome: &Outcome, code: FailureCode) {
    assert!(matches!(outcome, Outcome::Failed { failure } if failure.code == code), "{outcome:?}");
}
#[track_caller]
fn changed(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Changed { live_pending, .. } if live_pending.is_empty()), "{outcome:?}");
}

/// A question that the host itself has no use for.
#[derive(Serialize)]
#[serde(transparent)]
struct Ask<const WHAT: usize>(Value);
macro_rules! questions {
    ($($number:literal = $word:literal;)+) => { $(
        impl Command for Ask<$number> {
            const NAME: &'static str = $word;
            type Reply = Value;
        }
    )+ };
}
questions! {
    0 = "query-pci";
    1 = "query-blockstats";
    2 = "query-block";
    3 = "query-cpus-fast";
    4 = "query-memory-size-summary";
}

/// The operator's socket of a running guest.
struct Operator(Qmp);

impl Operator {
    async fn open(agent: &Agent, guest: GuestId) -> Self {
        let socket = agent.folder.path().join("r").join(guest.uuid().simple().to_string()).join("qmp-operator");
        Self(Qmp::connect(&socket, Limits::default()).await.unwrap().0)
    }
    async fn ask<const WHAT: usize>(&self) -> Value
    where
        Ask<WHAT>: Command<Reply = Value>,
    {
        self.0.execute(Ask::<WHAT>(Value::Object(serde_json::Map::new()))).await.unwrap()
    }
    async fn devices(&self) -> BTreeSet<String> {
        let list = self.0.execute(QomList { path: "/machine/peripheral".into() }).await.unwrap();
        let ours = |name: &String| ["dev-", "nic-", "cd-"].iter().any(|kind| name.starts_with(kind));
        list.into_iter().map(|it| it.name).filter(ours).collect()
    }
    /// Bus, slot and whether the guest has given it memory, of a device.
    async fn place(&self, id: &str) -> Option<(i64, i64, bool)> {
        fn find(device: &Value, id: &str) -> Option<(i64, i64, bool)> {
            if device["qdev_id"] == id {
                let mapped =
                    device["regions"].as_array()?.iter().any(|it| it["address"].as_i64().is_some_and(|at| at > 0));
                return Some((device["bus"].as_i64()?, device["slot"].as_i64()?, mapped));
            }
            device["pci_bridge"]["devices"].as_array()?.iter().find_map(|it| find(it, id))
        }
        let buses = self.ask::<0>().await;
        buses
            .as_array()?
            .iter()
            .flat_map(|bus| bus["devices"].as_array().into_iter().flatten())
            .find_map(|it| find(it, id))
    }
    /// What is in the drive.
    async fn medium(&self) -> Option<String> {
        let drives = self.ask::<2>().await;
        let drive = drives.as_array()?.iter().find(|it| it["qdev"] == "cd-0")?;
        drive["inserted"]["file"].as_str().map(str::to_owned)
    }
    /// Whether the guest has read from a disk.
    async fn was_read(&self, id: &str) -> bool {
        let stats = self.ask::<1>().await;
        let disk = stats.as_array().unwrap().iter().find(|it| it["qdev"].as_str().is_some_and(|it| it.contains(id)));
        disk.is_some_and(|it| it["stats"]["rd_operations"].as_i64() > Some(0))
    }
}

/// Writes to, or checks, the first bytes of a disk that nobody uses.
pub async fn content(disk: &Path, command: &str) -> bool {
    let output = tokio::process::Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(disk).output().await;
    let output = output.expect("qemu-utils is installed");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!printed.contains("open"), "{printed}");
    output.status.success() && !printed.contains("Pattern verification failed")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_changed_while_it_runs_and_while_it_is_off() {
    // A second QEMU, of another version, that says when it was used.
    let mut agent = Agent::start_with(&[], |config, folder| {
        let (older, used) = (folder.join("older"), folder.join("used"));
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in --version) echo QEMU emulator version 2.9.0; exit;; -name) echo yes >>{};; esac\nexec qemu-system-x86_64 \"$@\"\n",
            used.display()
        );
        std::fs::write(&older, script).unwrap();
        std::fs::set_permissions(&older, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Whoever QEMU runs as may say so.
        std::fs::write(&used, "").unwrap();
        std::fs::set_permissions(&used, std::fs::Permissions::from_mode(0o666)).unwrap();
        config.qemu.binaries = vec!["qemu-system-x86_64".into(), older];
    })
    .await;
    let used = agent.folder.path().join("used");
    let used = || !std::fs::read(&used).unwrap().is_empty();
    let mut desc = tiny(DiskDriver::Virtio);
    desc.vnc = true;
    desc.cdroms.push(CdromDesc { index: 0, iso: None });
    desc.nics.push(NicDesc {
        index: 0,
        backend: NicBackend::User,
        mac: "52:54:00:00:00:01".into(),
        model: NicModel::Virtio,
        forwards: vec![],
        bridge: None,
    });
    let (guest, data) = (desc.id, desc.disks[1].id);
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let disks = agent.guest_folder(guest).join("disks");
    let image = |disk: DiskId| disks.join(format!("{disk}.qcow2"));
    let data_image = image(data);
    let pool = agent.folder.path().join("w/disks");
    for refusal in [
        operate!(agent, agent.header(guest), reset_guest, pb::ResetGuestRequest { operation: None }),
        operate!(agent, agent.header(guest), suspend_guest, pb::SuspendGuestRequest { operation: None }),
        operate!(agent, agent.header(guest), resume_guest, pb::ResumeGuestRequest { operation: None }),
    ] {
        refused(&refusal, FailureCode::WrongState);
    }

    // A snapshot while it is off, of a disk that says something.
    assert!(content(&data_image, "write -P 0xa1 0 64k").await);
    let (before, during) = (SnapshotId::generate(), SnapshotId::generate());
    for _ in 0..2 {
        let made = operate!(agent, agent.header(guest), create_snapshot, snapshot(before));
        assert_eq!(made, Outcome::SnapshotDone);
    }

    // Runs; its screen speaks VNC.
    assert_eq!(operate!(agent, agent.header(guest), start_guest, start()), Outcome::Started);
    let hello = pb::ConsoleInput { guest_id: guest.to_string(), data: Vec::new() };
    let screen = agent.client().vnc(tokio_stream::iter([hello]).chain_pending()).await;
    let words = screen.unwrap().into_inner().message().await.unwrap().unwrap().data;
    assert!(words.starts_with(b"RFB 003."), "{words:?}");
    until("the guest's login", || agent.serial(guest).contains("tiny login:").then_some(())).await;

    let picture = agent.client().screendump(pb::ScreendumpRequest { guest_id: guest.to_string() }).await.unwrap();
    let pb::ScreendumpResponse { format, image: picture } = picture.into_inner();
    assert!((&*format == "png" && picture.starts_with(b"\x89PNG")) || (format == "ppm" && picture.starts_with(b"P6")));

    // Pause.
    for _ in 0..2 {
        let paused = operate!(agent, agent.header(guest), suspend_guest, pb::SuspendGuestRequest { operation: None });
        assert_eq!((paused, &*agent.state(guest).await.power), (Outcome::Suspended, "paused"));
    }
    for _ in 0..2 {
        let resumed = operate!(agent, agent.header(guest), resume_guest, pb::ResumeGuestRequest { operation: None });
        assert_eq!((resumed, &*agent.state(guest).await.power), (Outcome::Resumed, "running"));
    }

    // Devices come: a disk, a NIC, a medium; the guest's kernel finds them. The first answer is lost: the agent dies.
    let extra =
        DiskDesc { id: DiskId::generate(), index: 2, size_mib: 8, serial: "extra-1".into(), ..desc.disks[1].clone() };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut more = desc.clone();
    more.disks.push(extra.clone());
    more.nics.push(NicDesc {
        index: 1,
        mac: "52:54:00:00:00:02".into(),
        forwards: vec![PortForward { host_port: port, guest_port: 22 }],
        ..desc.nics[0].clone()
    });
    more.cdroms[0].iso = Some("tiny.qcow2".into());
    let header = agent.header(guest);
    let mut request = change(&more);
    request.operation = Some(header.clone().into());
    let client = agent.client();
    let lost = tokio::spawn(async move { client.clone().change_guest(request).await.map(drop) });
    until("the new disk's image", || image(extra.id).exists().then_some(())).await;
    agent.kill().await;
    let _ = lost.await;
    agent.run().await;
    agent.until_state("the guest found again", guest, |state| state.power == "running").await;
    changed(&operate!(agent, header, change_guest, change(&more)));
    let operator = Operator::open(&agent, guest).await;
    let all = ["cd-0", "dev-0", "dev-1", "dev-2", "nic-0", "nic-1"];
    assert_eq!(operator.devices().await, all.map(str::to_owned).into());
    while !operator.was_read("dev-2").await {
        tokio::task::yield_now().await;
    }
    let places = (operator.place("dev-2").await, operator.place("nic-1").await);
    assert!(matches!(places, (Some((1.., 0, true)), Some((1.., 0, _)))), "{places:?}");
    assert!(operator.medium().await.unwrap().ends_with("tiny.qcow2"));
    let taken = std::net::TcpListener::bind(("127.0.0.1", port));
    assert!(taken.is_err(), "QEMU listens for the forward");
    refused(&operate!(agent, agent.header(guest), delete_disk, delete_disk(extra.id)), FailureCode::WrongState);

    // Grows while it runs, never shrinks.
    for _ in 0..2 {
        let resized = operate!(agent, agent.header(guest), resize_disk, resize(data, 32));
        assert!(matches!(resized, Outcome::Resized { size_mib: 32, .. }), "{resized:?}");
    }
    more.disks[1].size_mib = 32;
    refused(&operate!(agent, agent.header(guest), resize_disk, resize(data, 31)), FailureCode::Disk);
    refused(&operate!(agent, agent.header(guest), resize_disk, resize(data, 1 << 29)), FailureCode::Resource);
    refused(&operate!(agent, agent.header(guest), resize_disk, resize(DiskId::generate(), 64)), FailureCode::Disk);
    let seen = operator.ask::<2>().await;
    let sizes: Vec<_> =
        seen.as_array().unwrap().iter().map(|it| it["inserted"]["image"]["virtual-size"].as_i64()).collect();
    assert!(sizes.contains(&Some(32 << 20)), "{sizes:?}");

    // All disks at one moment; not back while it runs. What can't be done while it runs changes nothing.
    for _ in 0..2 {
        let made = operate!(agent, agent.header(guest), create_snapshot, snapshot(during));
        assert_eq!(made, Outcome::SnapshotDone);
    }
    refused(&operate!(agent, agent.header(guest), revert_snapshot, snapshot(before)), FailureCode::MustStop);
    let larger = Desc { vcpu: 2, memory_mib: 320, ..more.clone() };
    refused(&operate!(agent, agent.header(guest), change_guest, change(&larger)), FailureCode::MustStop);
    let stored = agent.client().get_desc(pb::GetDescRequest { guest_id: guest.to_string() }).await.unwrap();
    assert_eq!(serde_json::from_str::<Desc>(&stored.into_inner().desc_json).unwrap(), more);

    // Devices go; the disk's image stays.
    let mut less = Desc { disks: more.disks[..2].to_vec(), nics: desc.nics.clone(), ..more.clone() };
    less.cdroms[0].iso = None;
    changed(&operate!(agent, agent.header(guest), change_guest, change(&less)));
    assert_eq!(operator.devices().await, ["cd-0", "dev-0", "dev-1", "nic-0"].map(str::to_owned).into());
    assert_eq!(operator.medium().await, None);
    assert!(!image(extra.id).exists() && pool.join(format!("{}.qcow2", extra.id)).exists());

    // The reset button: it boots again, in the same process.
    let (pid, logins) = (agent.pid(guest), agent.serial(guest).matches("tiny login:").count());
    let reset = operate!(agent, agent.header(guest), reset_guest, pb::ResetGuestRequest { operation: None });
    assert_eq!((reset, agent.pid(guest)), (Outcome::ResetDone, pid));
    until("the next login", || (agent.serial(guest).matches("tiny login:").count() > logins).then_some(())).await;
    drop(operator);
    operate!(agent, agent.header(guest), stop_guest, stop(1, true));

    // Back to the first snapshot: the content of then, the size of now.
    assert!(content(&data_image, "write -P 0xb2 0 64k").await);
    for _ in 0..2 {
        let back = operate!(agent, agent.header(guest), revert_snapshot, snapshot(before));
        assert_eq!(back, Outcome::SnapshotDone);
    }
    assert!(content(&data_image, "read -P 0xa1 0 64k").await);
    assert!(content(&data_image, "read -P 0 31M 64k").await, "it has 32 MiB");
    assert!(!content(&data_image, "read -P 0xb2 0 64k").await);
    // A return that was begun is ended before anything else.
    assert!(content(&data_image, "write -P 0xb2 0 64k").await);
    let marker = agent.guest_folder(guest).join("reverting.json");
    std::fs::write(&marker, format!(r#"{{"snapshot":"{before}"}}"#)).unwrap();

    // Off, everything can change: and the disk of before comes back, to the place where it was plugged in.
    let unknown = Desc { qemu_version: Some("1.0".into()), ..more.clone() };
    let refusal = operate!(agent, agent.header(guest), change_guest, change(&unknown));
    assert!(matches!(&refusal, Outcome::Failed { failure } if failure.message.contains("2.9.0, ")), "{refusal:?}");
    let larger = Desc { vcpu: 2, memory_mib: 320, qemu_version: Some("2.9.0".into()), ..more.clone() };
    for _ in 0..2 {
        changed(&operate!(agent, agent.header(guest), change_guest, change(&larger)));
    }
    assert!(!marker.exists() && content(&data_image, "read -P 0xa1 0 64k").await);
    refused(&operate!(agent, agent.header(guest), revert_snapshot, snapshot(before)), FailureCode::Disk);
    assert!(!used());
    assert_eq!(operate!(agent, agent.header(guest), start_guest, start()), Outcome::Started);
    assert!(used(), "the wanted version runs it");
    let operator = Operator::open(&agent, guest).await;
    assert_eq!(operator.devices().await, all.map(str::to_owned).into());
    assert_eq!(operator.ask::<3>().await.as_array().unwrap().len(), 2);
    assert_eq!(operator.ask::<4>().await["base-memory"], 320 << 20);
    assert!(operator.medium().await.unwrap().ends_with("tiny.qcow2"));
    let logins = agent.serial(guest).matches("tiny login:").count();
    until("the next login", || (agent.serial(guest).matches("tiny login:").count() > logins).then_some(())).await;
    assert_eq!((operator.place("dev-2").await, operator.place("nic-1").await), places);
    drop(operator);
    operate!(agent, agent.header(guest), stop_guest, stop(1, true));

    // Forgotten, detached, deleted.
    for id in [before, during, before] {
        assert_eq!(operate!(agent, agent.header(guest), delete_snapshot, snapshot(id)), Outcome::SnapshotDone);
    }
    refused(&operate!(agent, agent.header(guest), revert_snapshot, snapshot(before)), FailureCode::Disk);
    changed(&operate!(agent, agent.header(guest), change_guest, change(&less)));
    operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None });
    assert!(pool.join(format!("{}.qcow2", extra.id)).exists(), "a detached disk outlives its guest");
    for _ in 0..2 {
        let deleted = operate!(agent, agent.header(guest), delete_disk, delete_disk(extra.id));
        assert_eq!(deleted, Outcome::DiskDeleted);
    }
    assert_eq!(std::fs::read_dir(&pool).unwrap().count(), 0);
}

/// A stream of requests that stays open after the first.
trait StaysOpen: Sized {
    fn chain_pending(self) -> tokio_stream::adapters::Chain<Self, tokio_stream::Pending<pb::ConsoleInput>>
    where
        Self: tokio_stream::Stream<Item = pb::ConsoleInput>,
    {
        tokio_stream::StreamExt::chain(self, tokio_stream::pending())
    }
}
impl<T> StaysOpen for T {}
