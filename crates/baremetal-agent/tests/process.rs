//! The program itself: commands, ready file, signals, and a client that others wrote.

mod setup;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use setup::{kernel, site, until};

fn agent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_baremetal-agent"))
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn config(site: &setup::Site, more: &str) -> std::path::PathBuf {
    let path = site.folder.path().join("agent.toml");
    let text = format!("root = {:?}\ntrusted_keys = [{:?}]\n{more}", site.root, site.public);
    std::fs::write(&path, text).unwrap();
    path
}

/// A running agent; ended by SIGKILL if a test fails.
struct Running {
    child: std::process::Child,
    http: String,
    tftp: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    async fn start(config: &Path, log: &Path) -> Self {
        let ready = config.with_extension("ready");
        let log = std::fs::File::create(log).unwrap();
        let mut command = agent();
        command.arg("--config").arg(config).arg("--ready-file").arg(&ready).stderr(log).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        until("the ready file", async || ready.exists()).await;
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        let field = |name: &str| json[name].as_str().unwrap().to_owned();
        Self { child, http: field("http"), tftp: field("tftp") }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    async fn status(&self, path: &str) -> u16 {
        service::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(format!("{}{path}", self.http)).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_looks_again_on_sighup_and_ends_on_sigterm() {
    let site = site();
    let log = site.folder.path().join("log");
    // Checks by the clock would come too late for this test: only the signal can be why.
    let mut running = Running::start(&config(&site, "check_interval_s = 3600\n"), &log).await;
    assert_eq!(running.status("/images/small/kernel").await, 200);

    site.add_image("second", 1);
    assert_eq!(running.status("/images/second/kernel").await, 404);
    running.signal(rustix::process::Signal::HUP);
    until("the new image", async || running.status("/images/second/kernel").await == 200).await;

    // Busybox's client, which knows nothing of ours.
    let (ip, port) = running.tftp.split_once(':').unwrap();
    let file = site.folder.path().join("fetched");
    let output = run(Command::new("busybox")
        .args(["tftp", "-g", "-b", "1428", "-r", "/images/second/kernel", "-l"])
        .arg(&file)
        .args([ip, port]));
    assert!(output.status.success(), "busybox is wanted (apt-get install busybox-static): {}", text(&output.stderr));
    assert!(std::fs::read(&file).unwrap() == kernel("second"));
    let output = run(Command::new("busybox").args(["tftp", "-g", "-r", "../secret", "-l"]).arg(&file).args([ip, port]));
    assert!(!output.status.success() && text(&output.stderr).contains("access denied"), "{}", text(&output.stderr));

    running.signal(rustix::process::Signal::TERM);
    let deadline = Instant::now() + Duration::from_secs(15);
    let status = loop {
        if let Some(status) = running.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{log}");
    assert!(log.contains("image verified") && log.contains("SIGHUP") && log.contains("ended"), "{log}");
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let site = site();
    for (more, want) in [
        ("htpp = 1\n", "unknown field"),
        ("check_interval_s = \"often\"\n", "check_interval_s"),
        ("[http]\nlisten = \"0.0.0.0:0\"\n", "advertise.http"),
        ("[region]\nendpoint = \"http://10.1.2.3:1\"\n", "tls.ca"),
        ("revoked_keys = [\"nonsense\"]\n", "revoked_keys"),
    ] {
        let output = run(agent().arg("--config").arg(config(&site, more)));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(want), "{said} should name {want}");
    }
    let output = run(agent().args(["serve", "--config", "/nowhere/agent.toml"]));
    assert!(!output.status.success() && text(&output.stderr).contains("/nowhere/agent.toml"));
    std::fs::remove_dir_all(&site.root).unwrap();
    let output = run(agent().arg("--config").arg(config(&site, "")));
    assert!(!output.status.success() && text(&output.stderr).contains("make it, or set 'root'"));
}

#[test]
fn images_are_signed_verified_and_listed() {
    let site = site();
    let dir = site.folder.path();
    let output = run(agent().args(["image", "keygen"]).arg(dir.join("keys/dev")));
    assert!(output.status.success() && text(&output.stdout).contains("not encrypted"), "{}", text(&output.stderr));
    let (key, public) = (dir.join("keys/dev.key"), dir.join("keys/dev.pub"));
    let image = site.image("small");
    let output = run(agent().args(["image", "sign", "--key"]).arg(&key).arg(&image));
    assert_eq!(text(&output.stdout), "small 6.1 serial 1: signed\n", "{}", text(&output.stderr));
    let verify = |key: &str| run(agent().args(["image", "verify", "--pubkey", key]).arg(&image));
    assert_eq!(text(&verify(public.to_str().unwrap()).stdout), "small 6.1 serial 1: good\n");
    let output = verify(&site.public);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("not by a trusted key"), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());

    let listed = run(agent().args(["image", "list", "--config"]).arg(config(&site, "")));
    assert_eq!(listed.status.code(), Some(1), "small is signed by another key now");
    assert!(
        text(&listed.stdout).contains("small  rejected: the signature is not by a trusted key"),
        "{}",
        text(&listed.stdout)
    );
    site.add_image("small", 2);
    let listed = run(agent().args(["image", "list", "--config"]).arg(config(&site, "")));
    assert!(listed.status.success() && text(&listed.stdout).contains("small  version 6.1  serial 2  x86_64"));
    assert_eq!(run(agent().args(["image", "nonsense"])).status.code(), Some(2));
}

#[test]
fn images_are_added_beside_each_other_and_collected() {
    let site = site();
    let dir = site.folder.path();
    let config = config(&site, "");
    let command = |arguments: &[&str], path: &Path| {
        run(agent().args(["image"]).args(arguments).arg(path).arg("--config").arg(&config))
    };
    let said = |output: &Output| format!("{}{}", text(&output.stdout), text(&output.stderr));
    // Built and signed elsewhere, then published.
    let built = |serial: u64| {
        site.add_image("small", serial);
        let place = dir.join(format!("built-{serial}"));
        std::fs::rename(site.image("small"), &place).unwrap();
        place
    };
    let versions: Vec<_> = (1..=4).map(built).collect();
    let output = command(&["add"], &versions[1]);
    assert!(said(&output).contains("small 6.1 serial 2: added as small"), "{}", said(&output));
    assert_eq!(std::fs::read(site.image("small/kernel")).unwrap(), kernel("small"));
    assert!(!site.image("small/notes.txt").exists(), "only what the manifest vouches for");
    assert!(said(&command(&["add"], &versions[1])).contains("is there already"));
    let older = command(&["add"], &versions[0]);
    assert!(!older.status.success() && said(&older).contains("serial 2, and this image 1"), "{}", said(&older));
    for version in [&versions[0], &versions[2], &versions[3]] {
        let output = command(&["add", "--beside"], version);
        assert!(output.status.success(), "{}", said(&output));
    }
    let newer = command(&["add"], &versions[2]);
    assert!(newer.status.success(), "{}", said(&newer));
    let broken = dir.join("built-1");
    std::fs::write(broken.join("kernel"), "broken").unwrap();
    let output = command(&["add", "--beside"], &broken);
    assert!(!output.status.success() && said(&output).contains("kernel has 6 bytes"), "{}", said(&output));

    let listed = run(agent().args(["image", "list", "--output-format", "json", "--config"]).arg(&config));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let folders: Vec<_> = listed["images"].as_array().unwrap().iter().map(|i| i["folder"].as_str().unwrap()).collect();
    assert_eq!(folders, ["small", "small.1", "small.3", "small.4"]);

    // What an `add` that was killed has left, long ago and just now; and an image that fails, long ago.
    let old = std::time::SystemTime::now() - Duration::from_secs(7200);
    for (name, aged) in [(".adding-dead", true), (".adding-alive", false), ("failed", true), ("failing", false)] {
        let folder = site.image(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("kernel"), "k").unwrap();
        if aged {
            for path in [folder.join("kernel"), folder] {
                std::fs::File::open(path).unwrap().set_modified(old).unwrap();
            }
        }
    }
    let gc = |more: &[&str]| {
        text(&run(agent().args(["image", "gc", "--keep", "2", "--config"]).arg(&config).args(more)).stdout)
    };
    let dry = gc(&["--dry-run"]);
    assert_eq!(dry.lines().count(), 3, "{dry}");
    let removed = gc(&[]);
    assert_eq!(removed, dry.replace("would be removed", "removed"));
    assert_eq!(removed, ".adding-dead: removed\nfailed: removed\nsmall.1: removed\n");
    let mut left: Vec<_> = std::fs::read_dir(site.root.join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".adding-alive", "failing", "small", "small.3", "small.4"]);
    assert_eq!(gc(&[]), "", "a second time there is nothing to do");
}
