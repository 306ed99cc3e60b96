//! Disk mode `overlay`: what is written in rescue stays beside the disks, and is dropped or merged at the end, whatever dies meanwhile.

use std::path::PathBuf;

use proto::host::v1 as pb;
use types::desc::{Desc, DiskDriver, NicBackend, NicDesc, NicModel, PortForward};
use types::operation::{FailureCode, Outcome};
use types::status::RescueNetwork;

use crate::agent::{Agent, create, operate, outcome, tiny};
use crate::change::content;
use crate::files::Files;
use crate::rescue::{Session, log_in};

fn restore(session: &Session, overlay: &str) -> pb::RestoreDescRequest {
    pb::RestoreDescRequest { overlay: overlay.into(), ..session.restore() }
}

fn images(agent: &Agent, desc: &Desc) -> Vec<PathBuf> {
    let folder = agent.guest_folder(desc.id).join("disks");
    desc.disks.iter().map(|disk| folder.join(format!("{}.qcow2", disk.id))).collect()
}

fn digests(images: &[PathBuf]) -> Vec<artifact::Digest> {
    images.iter().map(|path| artifact::Digest::of(&std::fs::read(path).unwrap())).collect()
}

/// Into rescue, with the repeat of the request that writes the desc.
async fn enter(agent: &Agent, desc: &Desc, session: &Session) -> u32 {
    let guest = desc.id;
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    operate!(agent, agent.header(guest), start_rescue, session.start());
    let ready = operate!(agent, agent.header(guest), await_ready, session.ready(120));
    let Outcome::Ready { ready, .. } = ready else { panic!("{ready:?}") };
    assert!(ready.disks.len() == 2 && ready.disks.iter().all(|disk| !disk.read_only), "{ready:?}");
    ready.boot
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_over_disks_is_dropped_or_merged() {
    let files = Files::serve().await;
    let mut agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    let mut desc = tiny(DiskDriver::Virtio);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    desc.nics.push(NicDesc {
        index: 0,
        backend: NicBackend::User,
        mac: "52:54:00:00:00:01".into(),
        model: NicModel::Virtio,
        forwards: vec![PortForward { host_port: port, guest_port: 22 }],
        bridge: None,
    });
    let guest = desc.id;
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let images = images(&agent, &desc);
    let overlays = agent.guest_folder(guest).join("overlays");
    let before = digests(&images);
    // With no network: its NIC is there, and leads nowhere.
    let session = Session { network: "none", ..Session::new(&files, "overlay") };
    let preflighted = operate!(agent, agent.header(guest), preflight_rescue, session.preflight());
    let cut_off = Some(RescueNetwork::None);
    assert!(matches!(&preflighted, Outcome::Preflighted { network, .. } if *network == cut_off), "{preflighted:?}");
    operate!(agent, agent.header(guest), prepare_rescue, session.prepare());

    // Written, found again after a reboot inside, and dropped: the disks are what they were, and the overlays are kept.
    enter(&agent, &desc, &session).await;
    let mut console = log_in(&agent, guest, 0).await;
    let dead_end = "hubport,id=net-0";
    assert!(agent.arguments(guest).contains(dead_end) && !agent.arguments(guest).contains("hostfwd"));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody comes in over the network");
    console.types("cat /sys/class/net/eth0/address; pidof dropbear udhcpc || echo nothing list''ens\r").await;
    console.shows("52:54:00:00:00:01").await;
    console.shows("nothing listens").await;
    console.types("tr '\\0' x </dev/zero | dd of=/dev/vdb bs=64k count=64 iflag=fullblock && sync && reboot\r").await;
    agent.until_state("the second boot", guest, |state| state.rescue_boot == 2 && state.rescue_ready).await;
    let from = agent.serial(guest).rfind("rescue login:").unwrap_or_default();
    let mut console = log_in(&agent, guest, from).await;
    console.types("head -c 4 /dev/vdb; echo '!'\r").await;
    console.shows("xxxx!").await;
    assert_eq!(digests(&images), before, "the images are only read");
    let dropped = operate!(agent, agent.header(guest), restore_desc, restore(&session, "discard"));
    assert!(matches!(dropped, Outcome::Restored { .. }), "{dropped:?}");
    assert_eq!(digests(&images), before);
    let kept = overlays.join(session.id.to_string());
    assert!(kept.join("discarded").exists() && kept.join(images[1].file_name().unwrap()).exists());

    // Written, and merged, while the agent dies in it.
    let session = Session::new(&files, "overlay");
    assert_eq!(enter(&agent, &desc, &session).await, 1);
    assert!(!agent.arguments(guest).contains(dead_end) && agent.arguments(guest).contains("hostfwd"));
    let from = agent.serial(guest).rfind("rescue login:").unwrap_or_default();
    let mut console = log_in(&agent, guest, from).await;
    console
        .types("tr '\\0' y </dev/zero | dd of=/dev/vdb bs=64k count=200 iflag=fullblock && sync && echo writ''ten\r")
        .await;
    console.shows("written").await;
    let merging = overlays.join(session.id.to_string());
    let (header, request) = (agent.header(guest), restore(&session, "commit"));
    let mut sent = request.clone();
    sent.operation = Some(header.clone().into());
    let mut client = agent.client();
    let lost = tokio::spawn(async move { client.restore_desc(sent).await.map(|reply| outcome(reply.into_inner())) });
    crate::agent::until("the merge's begin or end", || {
        (merging.join("commit-started").exists() || !merging.exists()).then_some(())
    })
    .await;
    agent.kill().await;
    let _ = lost.await;
    agent.run().await;
    let merged = operate!(agent, header, restore_desc, request);
    assert!(matches!(merged, Outcome::Restored { .. }), "{merged:?}");
    assert!(!merging.exists() && content(&images[1], "read -P 0x79 0 12800k").await);

    // Half merged, nothing boots, and the only way is forward, whatever is asked.
    let session = Session::new(&files, "overlay");
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    let half = overlays.join(session.id.to_string());
    std::fs::create_dir_all(&half).unwrap();
    let over = half.join(images[1].file_name().unwrap());
    let made = tokio::process::Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .args([&images[1], &over])
        .status()
        .await;
    assert!(made.unwrap().success());
    assert!(content(&over, "write -P 0x7a 0 64k").await);
    std::fs::write(half.join("commit-started"), "").unwrap();
    let refused = operate!(agent, agent.header(guest), start_rescue, session.start());
    assert!(
        matches!(&refused, Outcome::Failed { failure } if failure.code == FailureCode::WrongState && failure.message.contains(&session.id.to_string())),
        "{refused:?}"
    );
    for _ in 0..2 {
        let restored = operate!(agent, agent.header(guest), restore_desc, restore(&session, "discard"));
        assert!(matches!(restored, Outcome::Restored { .. }), "{restored:?}");
    }
    assert!(!half.exists() && content(&images[1], "read -P 0x7a 0 64k").await);
    assert!(content(&images[1], "read -P 0x79 64k 64k").await);
    let unknown = pb::RestoreDescRequest {
        operation: Some(agent.header(guest).into()),
        session_id: session.id.to_string(),
        overlay: "keep".into(),
    };
    let error = agent.client().restore_desc(unknown).await.unwrap_err();
    assert!(error.message().contains("commit, discard"), "{error}");
}
