//! A folder with signed images, and an agent that serves it.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod clients;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use artifact::Manifest;
use baremetal_agent::app::{App, Endpoints};
use baremetal_agent::config::Config;
use baremetal_agent::image;
use tokio_util::sync::CancellationToken;

pub const KERNEL: &[u8] = b"kernel of small, sixteen times over: ";
pub const SECRET: &str = "this must never leave the machine";

/// A root with the signed image `small`, a plain boot file, and traps; `secret` lies beside the root.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub root: PathBuf,
    pub key: PathBuf,
    pub public: String,
}

pub fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let (key, public) = image::keygen(&folder.path().join("signing")).unwrap();
    let site = Site { public: public.to_string_lossy().into_owned(), key, root, folder };
    std::fs::create_dir_all(site.root.join("pxe")).unwrap();
    std::fs::write(site.root.join("pxe/boot.ipxe"), "#!ipxe\n").unwrap();
    std::fs::write(site.root.join("empty"), "").unwrap();
    std::fs::write(site.folder.path().join("secret"), SECRET).unwrap();
    std::os::unix::fs::symlink("../secret", site.root.join("link")).unwrap();
    std::os::unix::fs::symlink("..", site.root.join("up")).unwrap();
    std::fs::write(site.root.join(".hidden"), SECRET).unwrap();
    site.add_image("small", 1);
    site
}

impl Site {
    pub fn image(&self, name: &str) -> PathBuf {
        self.root.join("images").join(name)
    }

    pub fn add_image(&self, name: &str, serial: u64) -> Manifest {
        let folder = self.image(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("kernel"), kernel(name)).unwrap();
        std::fs::write(folder.join("initramfs"), initramfs(name)).unwrap();
        std::fs::write(folder.join("notes.txt"), "not part of the image").unwrap();
        let description = format!(
            r#"{{"format": 1, "name": "{name}", "version": "6.1", "serial": {serial}, "arch": "x86_64",
            "cmdline": "console=ttyS0", "min_memory_mib": 192, "drivers": ["virtio_blk"]}}"#
        );
        std::fs::write(folder.join("image.json"), description).unwrap();
        image::sign(&folder, &self.key, None).unwrap()
    }

    pub fn config(&self) -> Config {
        Config { root: self.root.clone(), trusted_keys: vec![self.public.clone()], drain_s: 2, ..Config::default() }
    }
}

pub fn kernel(image: &str) -> Vec<u8> {
    [KERNEL.repeat(2000), image.as_bytes().to_vec()].concat()
}

pub fn initramfs(image: &str) -> Vec<u8> {
    [b"initramfs ".repeat(10_000), image.as_bytes().to_vec()].concat()
}

pub struct Agent {
    pub endpoints: Endpoints,
    pub shutdown: CancellationToken,
    pub task: tokio::task::JoinHandle<anyhow::Result<()>>,
    pub http: reqwest::Client,
}

pub async fn start(config: Config) -> Agent {
    service::install_crypto();
    let app = App::bind(config).await.unwrap();
    let (endpoints, shutdown) = (app.endpoints().clone(), CancellationToken::new());
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { app.run(None, stop).await });
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    Agent { endpoints, shutdown, task, http }
}

impl Agent {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoints.http)
    }
    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }
    pub async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }
    pub fn tftp(&self) -> SocketAddr {
        self.endpoints.tftp.parse().unwrap()
    }
    pub fn http_address(&self) -> SocketAddr {
        self.endpoints.http.strip_prefix("http://").unwrap().parse().unwrap()
    }
}

/// Waits for something that is to become true.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl FnMut() -> F) {
    until_within(what, Duration::from_secs(30), condition).await;
}

pub async fn until_within<F: Future<Output = bool>>(what: &str, limit: Duration, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn replace(path: &Path, content: &[u8]) {
    service::files::write_atomic(path, content, 0o644).unwrap();
}
