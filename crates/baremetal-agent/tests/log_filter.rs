//! The configuration file changes while the program runs: the filter of the log follows it, anything else waits for the next start.

mod setup;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use setup::{Site, site, until};

/// The program, with its configuration in a folder that is swapped as a ConfigMap is: `agent.toml` leads through `..data`.
struct Agent {
    child: Child,
    mounted: PathBuf,
    log: PathBuf,
    site: Site,
    version: u32,
    http: String,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    async fn start(filter: &str, rust_log: Option<&str>) -> Self {
        let site = site();
        let mounted = site.folder.path().join("mounted");
        let log = site.folder.path().join("log");
        std::fs::create_dir(&mounted).unwrap();
        publish(&mounted, 1, &text(&site, filter, ""));
        std::os::unix::fs::symlink("..data/agent.toml", mounted.join("agent.toml")).unwrap();
        let ready = site.folder.path().join("ready");
        let mut command = Command::new(env!("CARGO_BIN_EXE_baremetal-agent"));
        command.arg("--config").arg(mounted.join("agent.toml")).arg("--ready-file").arg(&ready).stdin(Stdio::null());
        command.env_remove("RUST_LOG").stderr(std::fs::File::create(&log).unwrap());
        if let Some(rust_log) = rust_log {
            command.env("RUST_LOG", rust_log);
        }
        let child = command.spawn().unwrap();
        until("the ready file", async || ready.exists()).await;
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        let http = json["http"].as_str().unwrap().to_owned();
        Self { child, mounted, log, site, version: 1, http }
    }

    fn change(&mut self, text: &str) {
        self.version += 1;
        publish(&self.mounted, self.version, text);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    async fn said(&self, what: &str) {
        until(what, async || self.log().contains(what)).await;
    }

    /// A request, of which a line of level debug tells.
    async fn ask(&self, name: &str) {
        service::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let status = http.get(format!("{}/tftp/{name}", self.http)).send().await.unwrap().status();
        assert_eq!(status, 404);
    }
}

fn publish(mounted: &Path, version: u32, text: &str) {
    let folder = format!("..{version}");
    std::fs::create_dir(mounted.join(&folder)).unwrap();
    std::fs::write(mounted.join(&folder).join("agent.toml"), text).unwrap();
    std::os::unix::fs::symlink(&folder, mounted.join("..new")).unwrap();
    std::fs::rename(mounted.join("..new"), mounted.join("..data")).unwrap();
}

fn text(site: &Site, filter: &str, more: &str) -> String {
    format!("root = {:?}\ntrusted_keys = [{:?}]\n{more}\n[log]\nfilter = {filter:?}\n", site.root, site.public)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_filter_is_taken_over_and_what_is_broken_changes_nothing() {
    let mut agent = Agent::start("info", None).await;
    agent.ask("before").await;

    agent.change(&text(&agent.site, "info,baremetal_agent=debug", ""));
    agent.said("log.filter has changed and is in effect").await;
    agent.ask("after").await;
    agent.said("file=\"after\"").await;
    assert!(!agent.log().contains("file=\"before\""), "{}", agent.log());

    // A filter of no meaning, a file of no meaning: each is a warning, and debug stays.
    agent.change(&text(&agent.site, "info,=debug=,", ""));
    agent.said("the changed log.filter can't be used").await;
    agent.change("this is no TOML");
    agent.said("the changed configuration can't be used").await;
    agent.ask("still").await;
    agent.said("file=\"still\"").await;

    agent.change(&text(&agent.site, "warn", "zone = \"b\"\ndrain_s = 3\n"));
    agent.said("keys=\"drain_s, zone\"").await;
    agent.ask("never").await;
    agent.change(&text(&agent.site, "debug", ""));
    agent.said("the configuration file says what is in effect again").await;
    assert!(!agent.log().contains("file=\"never\""), "{}", agent.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variable_goes_over_the_file() {
    let mut agent = Agent::start("info", Some("info")).await;
    agent.change(&text(&agent.site, "debug", ""));
    agent.said("RUST_LOG goes over it").await;
    agent.ask("quiet").await;
    agent.change(&text(&agent.site, "debug", "zone = \"b\"\n"));
    agent.said("keys=\"zone\"").await;
    assert!(!agent.log().contains("file=\"quiet\""), "{}", agent.log());
}
