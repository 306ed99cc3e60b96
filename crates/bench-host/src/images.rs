//! A real baremetal agent, what it serves, and what it says that it has served.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use artifact::Manifest;
use proto::host::v1 as pb;
use serde_json::json;
use tokio::process::{Child, Command};

use crate::Arguments;

const START: Duration = Duration::from_secs(60);

/// Ends with this value.
pub struct BootServer {
    pub http: String,
    client: reqwest::Client,
    _child: Child,
}

impl BootServer {
    /// Publishes signed images, and serves them from below `folder`. `keys` are trusted.
    ///
    /// # Errors
    /// With what the agent said.
    pub async fn start(arguments: &Arguments, folder: &Path, keys: &[&Path], images: &[&Path]) -> anyhow::Result<Self> {
        let root = folder.join("root");
        std::fs::create_dir_all(&root)?;
        let (config, ready) = (folder.join("agent.yaml"), folder.join("agent-ready.json"));
        // No region: files are served all the same.
        let settings = json!({
            "root": root, "trusted_keys": keys, "http": { "listen": "127.0.0.1:0" }, "tftp": { "listen": "127.0.0.1:0" }
        });
        std::fs::write(&config, settings.to_string())?;
        let program = arguments.bin.join("baremetal-agent");
        for image in images {
            run(&program, &["image".as_ref(), "add".as_ref(), image, "--config".as_ref(), &config]).await?;
        }
        let log = std::fs::File::create(folder.join("agent.log"))?;
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config).arg("--ready-file").arg(&ready).env("RUST_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{}: build it with --release", program.display()))?;
        let until = Instant::now() + START;
        let text = loop {
            match std::fs::read_to_string(&ready) {
                Ok(text) => break text,
                Err(_) if child.try_wait()?.is_some() || Instant::now() > until => {
                    bail!("baremetal-agent: {}", std::fs::read_to_string(folder.join("agent.log")).unwrap_or_default())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let at: serde_json::Value = serde_json::from_str(&text)?;
        let http = at["http"].as_str().context("the ready file names an address")?.to_owned();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, client, _child: child })
    }

    /// Bytes of all bodies sent by HTTP so far, as the agent counts them, and those of the answer that says so, which count from then on.
    ///
    /// # Errors
    /// The agent does not say.
    pub async fn sent(&self) -> anyhow::Result<(u64, u64)> {
        let page = self.client.get(format!("{}/metrics", self.http)).send().await?.error_for_status()?.text().await?;
        let line = page.lines().find_map(|line| line.strip_prefix("baremetal_agent_http_bytes_total "));
        // Before the first byte there is no line.
        let bytes = line.map_or(Ok(0), |number| number.trim().parse())?;
        Ok((bytes, page.len() as u64))
    }

    /// Bytes that were sent since, without the answer to [`sent`](Self::sent) itself.
    ///
    /// # Errors
    /// The agent does not say.
    pub async fn sent_since(&self, (bytes, page): (u64, u64)) -> anyhow::Result<u64> {
        let now = self.sent().await?.0;
        now.checked_sub(bytes + page).context("the baremetal agent counts backwards")
    }
}

/// The signed image in a folder, as region would name it.
///
/// # Errors
/// There is none.
pub fn named(image: &Path) -> anyhow::Result<pb::RescueImage> {
    let path = image.join("manifest.json");
    let json = std::fs::read(&path).with_context(|| format!("{}: make rescue-image", path.display()))?;
    let manifest: Manifest = serde_json::from_slice(&json)?;
    Ok(pb::RescueImage {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        serial: manifest.serial,
        kernel: Some(types::desc::BootFile::from(&manifest.kernel).into()),
        initramfs: Some(types::desc::BootFile::from(&manifest.initramfs).into()),
        cmdline: manifest.cmdline.clone(),
        min_memory_mib: manifest.min_memory_mib,
    })
}

/// Bytes of both files.
#[must_use]
pub fn size(image: &pb::RescueImage) -> u64 {
    [&image.kernel, &image.initramfs].into_iter().flatten().map(|file| file.size).sum()
}

/// Makes a signed image of random content: the folder, and the public key.
///
/// # Errors
/// With what `baremetal-agent image` said.
pub async fn make(arguments: &Arguments, folder: &Path, initramfs_mib: usize) -> anyhow::Result<(PathBuf, PathBuf)> {
    let image = folder.join("large");
    std::fs::create_dir_all(&image)?;
    for (name, mib) in [("kernel", 16), ("initramfs", initramfs_mib)] {
        let mut random = std::fs::File::open("/dev/urandom")?;
        let mut file = std::fs::File::create(image.join(name))?;
        std::io::copy(&mut std::io::Read::take(&mut random, (mib as u64) << 20), &mut file)?;
        // Written before anything is measured.
        file.sync_all()?;
    }
    let description = json!({
        "format": 1, "name": "large", "version": "1", "serial": 1, "arch": std::env::consts::ARCH,
        "cmdline": "console=ttyS0", "min_memory_mib": 64
    });
    std::fs::write(image.join("image.json"), description.to_string())?;
    let program = arguments.bin.join("baremetal-agent");
    let key = folder.join("large-key");
    run(&program, &["image".as_ref(), "keygen".as_ref(), &key]).await?;
    let (secret, public) = (key.with_extension("key"), key.with_extension("pub"));
    run(&program, &["image".as_ref(), "sign".as_ref(), &image, "--key".as_ref(), &secret]).await?;
    Ok((image, public))
}

/// Runs a program to its end.
///
/// # Errors
/// With what it said.
pub async fn run(program: &Path, arguments: &[&Path]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("{}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} {arguments:?}: {said}", program.display());
    Ok(())
}
