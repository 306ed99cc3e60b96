//! Rescues that fail: each says why, and the guest can be put back.

use proto::host::v1 as pb;
use tonic::Code;
use types::desc::DiskDriver;
use types::operation::{Failure, FailureCode, Outcome};

use crate::agent::{Agent, create, operate, tiny};
use crate::files::Files;
use crate::rescue::Session;

fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed { failure } => failure,
        other => panic!("it should have failed: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unverified_boots() {
    let files = Files::serve().await;
    let agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    let desc = tiny(DiskDriver::Virtio);
    let (guest, session) = (desc.id, Session::new(&files, "rw"));
    operate!(agent, agent.header(guest), create_guest, create(&desc));

    // Nobody there; another manifest than was asked for; a digest that is none.
    let nobody = Session { endpoints: vec!["http://127.0.0.1:9".into()], ..Session::new(&files, "rw") };
    let failure = failed(operate!(agent, agent.header(guest), prepare_rescue, nobody.prepare()));
    assert_eq!(failure.code, FailureCode::Download, "{failure:?}");
    let mut other = Session::new(&files, "rw");
    other.image.cmdline += " init=/bin/sh";
    let failure = failed(operate!(agent, agent.header(guest), prepare_rescue, other.prepare()));
    assert_eq!(failure.code, FailureCode::Verification, "{failure:?}");
    let mut none = session.prepare();
    none.image.as_mut().unwrap().kernel.as_mut().unwrap().sha256 = "../../kernel".into();
    none.operation = Some(agent.header(guest).into());
    assert_eq!(agent.client().prepare_rescue(none).await.unwrap_err().code(), Code::InvalidArgument);
    let small = pb::RescueImage { min_memory_mib: 100_000, ..files.image.clone() };
    let hungry = Session { image: small, ..Session::new(&files, "rw") };
    let failure = failed(operate!(agent, agent.header(guest), preflight_rescue, hungry.preflight()));
    assert_eq!(failure.code, FailureCode::Resource, "{failure:?}");

    // Never fetched; then a bit flips in the store.
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    let failure = failed(operate!(agent, agent.header(guest), start_rescue, session.start()));
    assert_eq!(failure.code, FailureCode::Verification, "{failure:?}");
    operate!(agent, agent.header(guest), prepare_rescue, session.prepare());
    let digest = files.image.initramfs.as_ref().unwrap().sha256.clone();
    let stored = agent.folder.path().join("w/store/sha256").join(&digest[..2]).join(&digest);
    let mut content = files.initramfs.to_vec();
    content[1_000_000] ^= 1;
    std::fs::remove_file(&stored).unwrap();
    std::fs::write(&stored, content).unwrap();
    let failure = failed(operate!(agent, agent.header(guest), start_rescue, session.start()));
    assert_eq!(failure.code, FailureCode::Verification, "{failure:?}");
    assert_eq!(agent.pid(guest), None);
    let failure = failed(operate!(agent, agent.header(guest), await_ready, session.ready(5)));
    assert_eq!(failure.code, FailureCode::Qemu, "{failure:?}");
    assert!(matches!(operate!(agent, agent.header(guest), restore_desc, session.restore()), Outcome::Restored { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_system_that_gives_up_leaves_its_last_words() {
    // Signed, and useless: the kernel finds no init.
    let files = Files::serve_with(|initramfs| initramfs[..initramfs.len() / 2].to_vec()).await;
    let agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    let desc = tiny(DiskDriver::Virtio);
    let (guest, session) = (desc.id, Session::new(&files, "rw"));
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    operate!(agent, agent.header(guest), prepare_rescue, session.prepare());
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    operate!(agent, agent.header(guest), start_rescue, session.start());
    // The same answer while it boots and when it is all over: asked at once, and asked late.
    for _ in 0..2 {
        let failure = failed(operate!(agent, agent.header(guest), await_ready, session.ready(120)));
        assert_eq!(failure.code, FailureCode::Panic, "{failure:?}");
        let panic = failure.evidence.iter().any(|line| line.contains("Kernel panic"));
        assert!(panic && failure.evidence.len() <= 40, "{failure:?}");
        agent.until_state("the end of it", guest, |state| state.power == "shutoff").await;
    }

    // It is not booted again and again, and the way back is the ordinary one.
    assert_eq!(agent.state(guest).await.rescue_boot, 1);
    assert!(matches!(operate!(agent, agent.header(guest), restore_desc, session.restore()), Outcome::Restored { .. }));

    // A wait that is overtaken by the way back ends, and the way back is not held up by it.
    let session = Session::new(&files, "rw");
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    operate!(agent, agent.header(guest), start_rescue, session.start());
    let (wait, back) = (agent.header(guest), agent.header(guest));
    let mut request = session.ready(600);
    request.operation = Some(wait.clone().into());
    agent.client().await_ready(request.clone()).await.unwrap();
    assert!(matches!(operate!(agent, back, restore_desc, session.restore()), Outcome::Restored { .. }));
    failed(operate!(agent, wait, await_ready, session.ready(600)));
}
