//! What a baremetal agent serves: a signed rescue image, over HTTP. The files are those that `make rescue-image` builds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact::{Manifest, ManifestFile};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use minisign::KeyPair;
use proto::host::v1 as pb;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

/// Where something that is built by `make` is; says how to build it if it is not.
pub fn built(variable: &str, default: &str, path: &str, how: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = std::env::var_os(variable).map_or_else(|| target.join(default), PathBuf::from);
    let path = folder.join(path);
    assert!(path.exists(), "{} is missing: run make {how}", path.display());
    path
}

pub struct Files {
    pub endpoint: String,
    /// The line of a public key file.
    pub public_key: String,
    pub image: pb::RescueImage,
    pub initramfs: Arc<Vec<u8>>,
    /// While it holds false, the second half of the initramfs is not sent.
    pub gate: watch::Sender<bool>,
}

struct Served {
    gate: watch::Sender<bool>,
    manifest: Vec<u8>,
    signature: String,
    kernel: Arc<Vec<u8>>,
    initramfs: Arc<Vec<u8>>,
}

impl Files {
    pub async fn serve() -> Self {
        Self::serve_with(|initramfs| initramfs).await
    }

    /// With an initramfs that was changed before it was signed.
    pub async fn serve_with(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let folder = built("LIFEBOAT_RESCUE_IMAGES", "rescue-images", "images/small", "rescue-image");
        let description: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("image.json")).unwrap()).unwrap();
        let kernel = Arc::new(std::fs::read(folder.join("kernel")).unwrap());
        let initramfs = Arc::new(change(std::fs::read(folder.join("initramfs")).unwrap()));
        let file = |name: &str, content: &[u8]| ManifestFile {
            file: name.into(),
            sha256: artifact::Digest::of(content),
            size: content.len() as u64,
        };
        let manifest = Manifest {
            format: 1,
            name: "small".into(),
            version: "1".into(),
            serial: 1,
            arch: types::status::Arch::X86_64,
            kernel: file("kernel", &kernel),
            initramfs: file("initramfs", &initramfs),
            cmdline: description["cmdline"].as_str().unwrap().into(),
            min_memory_mib: 192,
            drivers: vec![],
            expires: None,
        };
        let image = pb::RescueImage {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            serial: manifest.serial,
            kernel: Some(types::desc::BootFile::from(&manifest.kernel).into()),
            initramfs: Some(types::desc::BootFile::from(&manifest.initramfs).into()),
            cmdline: manifest.cmdline.clone(),
            min_memory_mib: manifest.min_memory_mib,
        };
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let json = manifest.to_json().unwrap();
        let signature = minisign::sign(Some(&pair.pk), &pair.sk, &*json, None, None).unwrap().to_string();
        let gate = watch::Sender::new(true);
        let served = Arc::new(Served {
            gate: gate.clone(),
            manifest: json,
            signature,
            kernel,
            initramfs: Arc::clone(&initramfs),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(served);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, public_key: pair.pk.to_base64(), image, initramfs, gate }
    }
}

async fn serve(State(served): State<Arc<Served>>, uri: Uri) -> axum::response::Response {
    match uri.path() {
        "/images/small/manifest.json" => return served.manifest.clone().into_response(),
        "/images/small/manifest.json.minisig" => return served.signature.clone().into_response(),
        _ => {}
    }
    let wanted = uri.path().strip_prefix("/artifacts/sha256/").unwrap_or_default();
    for content in [&served.kernel, &served.initramfs] {
        if artifact::Digest::of(content).to_string() == wanted {
            let headers =
                [(header::ETAG, format!("\"{wanted}\"")), (header::CONTENT_LENGTH, content.len().to_string())];
            let half = if Arc::ptr_eq(content, &served.initramfs) { content.len() / 2 } else { content.len() };
            return (headers, in_two(content, half, served.gate.subscribe())).into_response();
        }
    }
    StatusCode::NOT_FOUND.into_response()
}

/// A body whose second part waits for the gate. A client that hangs up ends it.
fn in_two(content: &Arc<Vec<u8>>, half: usize, mut gate: watch::Receiver<bool>) -> axum::body::Body {
    let (first, second) = (content[..half].to_vec(), content[half..].to_vec());
    let (sender, receiver) = mpsc::channel::<std::io::Result<Vec<u8>>>(1);
    tokio::spawn(async move {
        if sender.send(Ok(first)).await.is_ok() && gate.wait_for(|open| *open).await.is_ok() {
            let _ = sender.send(Ok(second)).await;
        }
    });
    axum::body::Body::from_stream(ReceiverStream::new(receiver))
}
