//! A machine without a disk boots the rescue image from here: QEMU's own boot ROM, user networking, to the rescue agent's `hello` on the
//! serial console.

mod setup;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use setup::{site, start};
use types::rescue::SERIAL_PREFIX;

/// Emulated, on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(240);

/// The rescue image as it was built, without a signature of ours.
fn built() -> PathBuf {
    let images = std::env::var_os("LIFEBOAT_RESCUE_IMAGES").map(PathBuf::from).unwrap_or_else(|| {
        // target/debug/deps/netboot-... is this program.
        let program = std::env::current_exe().unwrap();
        program.ancestors().nth(3).expect("a target folder").join("rescue-images")
    });
    let folder = images.join("images/small");
    assert!(folder.join("image.json").exists(), "{} is missing; build it: make rescue-image", folder.display());
    folder
}

/// A site that serves the real rescue image as `small`, and what it has to be booted with.
fn rescue_site() -> setup::Site {
    let site = site();
    let place = site.image("small");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    for name in ["kernel", "initramfs", "image.json"] {
        std::fs::copy(built().join(name), place.join(name)).unwrap();
    }
    baremetal_agent::image::sign(&place, &site.key, None).unwrap();
    site
}

struct Machine {
    qemu: Child,
    console: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    /// Boots from the network and from nothing else.
    fn boot(folder: &Path, from: &str) -> Self {
        let console = folder.join("console.log");
        let qemu = Command::new("qemu-system-x86_64")
            .args(["-machine", "q35,accel=tcg", "-nodefaults", "-no-user-config", "-display", "none", "-m", "512"])
            .args(["-netdev", &format!("user,id=n0,bootfile={from}"), "-device", "virtio-net-pci,netdev=n0"])
            .args(["-boot", "n", "-no-reboot", "-serial", &format!("file:{}", console.display())])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.join("qemu.log")).unwrap())
            .spawn()
            .expect("QEMU is wanted for this test: make deps");
        Self { qemu, console }
    }

    /// Whether it says hello within the limit; else what it said.
    async fn hello(&mut self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        loop {
            let said = std::fs::read(&self.console).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            if said.contains(&format!("{SERIAL_PREFIX}{{\"type\":\"hello\"")) {
                return Ok(());
            }
            if Instant::now() >= deadline || self.qemu.try_wait().unwrap().is_some() {
                return Err(said);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The agent as a guest on user networking sees it.
fn seen(address: &str) -> String {
    let port = address.rsplit(':').next().unwrap();
    format!("10.0.2.2:{port}")
}

async fn boots(by_http: bool) {
    let site = rescue_site();
    let mut config = site.config();
    config.boot.image = "small".into();
    let agent = start(config).await;
    let from = if by_http {
        format!("http://{}/boot.ipxe", seen(&agent.endpoints.http))
    } else {
        format!("tftp://{}/boot.ipxe", seen(&agent.endpoints.tftp))
    };
    let mut machine = Machine::boot(site.folder.path(), &from);
    if let Err(said) = machine.hello(LIMIT).await {
        let qemu = std::fs::read_to_string(site.folder.path().join("qemu.log")).unwrap();
        panic!("no hello after a boot from {from}; the console said:\n{said}\nQEMU said:\n{qemu}");
    }
    // The files came by that protocol, and not by another way.
    let metrics = agent.get("/metrics").await.text().await.unwrap();
    let protocol = if by_http { "http" } else { "tftp" };
    for file in ["boot.ipxe", "images/small/kernel", "images/small/initramfs"] {
        let counted = format!("baremetal_agent_files_total{{protocol=\"{protocol}\",file=\"{file}\"}}");
        assert!(metrics.contains(&counted), "{file} by {protocol}:\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_disk_boots_by_tftp() {
    boots(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_disk_boots_by_http() {
    boots(true).await;
}

/// The control of the two above: without an image that passes its check nothing boots.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_does_not_boot_an_image_that_was_changed() {
    let site = rescue_site();
    let initramfs = site.image("small").join("initramfs");
    let mut content = std::fs::read(&initramfs).unwrap();
    let at = content.len() / 2;
    content[at] ^= 1;
    std::fs::write(&initramfs, content).unwrap();
    // A script by hand, so that the ROM does ask for the files.
    let script = "#!ipxe\nkernel /images/small/kernel console=ttyS0 quiet\ninitrd /images/small/initramfs\nboot\n";
    std::fs::write(site.root.join("boot.ipxe"), script).unwrap();
    let agent = start(site.config()).await;
    let mut machine = Machine::boot(site.folder.path(), &format!("http://{}/boot.ipxe", seen(&agent.endpoints.http)));
    setup::until_within("the refusal", LIMIT, async || {
        let metrics = agent.get("/metrics").await.text().await.unwrap();
        metrics.contains("baremetal_agent_refused_total{protocol=\"http\",reason=\"not_found\"}")
    })
    .await;
    assert!(machine.hello(Duration::from_secs(2)).await.is_err());
}
