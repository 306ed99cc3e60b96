//! Disks made from images elsewhere: by address and digest, and only from where they may come.

use axum::Router;
use axum::routing::get;
use proto::host::v1 as pb;
use types::desc::{Desc, DiskDriver, DiskFormat};
use types::operation::{FailureCode, Outcome};

use crate::agent::{Agent, create, operate, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_from_elsewhere_is_what_its_digest_says() {
    let content: Vec<u8> = (0..3 << 20).map(|at: u32| (at / 512).to_le_bytes()[(at % 4) as usize]).collect();
    let digest = artifact::Digest::of(&content);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/images", listener.local_addr().unwrap());
    let served = content.clone();
    let routes = Router::new().route("/images/small.raw", get(move || async move { served.clone() }));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let allowed = base.clone();
    let agent = Agent::start_with(&[], move |config, _| config.image_sources = vec![allowed]).await;

    let with = |image: String| {
        let mut desc = tiny(DiskDriver::Virtio);
        desc.disks.truncate(1);
        desc.disks[0].image = Some(image);
        desc.disks[0].format = DiskFormat::Raw;
        desc.disks[0].size_mib = 4;
        desc
    };
    let refused = async |desc: &Desc, code, word: &str| {
        let outcome = operate!(agent, agent.header(desc.id), create_guest, create(desc));
        let Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
        assert!(failure.code == code && failure.message.contains(word), "{failure:?}");
        assert!(!agent.guest_folder(desc.id).exists());
    };
    let other = artifact::Digest::of(b"other");
    refused(&with(format!("{base}/small.raw")), FailureCode::Disk, "#sha256=").await;
    refused(&with(format!("{base}/small.raw#sha256={other}")), FailureCode::Download, &digest.to_string()).await;
    refused(&with(format!("{base}/none#sha256={other}")), FailureCode::Download, "404").await;
    refused(&with(format!("http://127.0.0.1:1/x#sha256={other}")), FailureCode::Disk, "image_sources").await;

    // A request that is too long is refused before it is read, and takes nobody else's place.
    let longest = pb::CreateGuestRequest { operation: None, desc_json: " ".repeat(5 << 20) };
    assert_eq!(agent.client().create_guest(longest).await.unwrap_err().code(), tonic::Code::OutOfRange);

    let desc = with(format!("{base}/small.raw#sha256={digest}"));
    let made = operate!(agent, agent.header(desc.id), create_guest, create(&desc));
    assert!(matches!(made, Outcome::Created { .. }), "{made:?}");
    let disk = agent.guest_folder(desc.id).join("disks").join(format!("{}.raw", desc.disks[0].id));
    let disk = std::fs::read(disk).unwrap();
    assert!(
        disk.len() == 4 << 20 && disk[..content.len()] == content && disk[content.len()..].iter().all(|it| *it == 0)
    );
}
