//! An agent in a container that sees the machine's processes: what becomes of its guest when the container ends. The container is runc's, as it
//! is for Docker and Kubernetes.

use std::path::Path;
use std::process::{Command, Output};

use host::qemu::scope::Wanted;
use proto::host::v1 as pb;
use serde_json::{Value, json};
use types::desc::DiskDriver;
use types::id::GuestId;
use types::operation::Outcome;

use crate::agent::{Agent, create, operate, tiny, until};

struct Container {
    folder: tempfile::TempDir,
    name: String,
}

impl Container {
    /// All of this machine's files, its processes and its network; a cgroup of its own.
    fn run(program: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("lifeboat-test-{}", uuid::Uuid::new_v4().simple());
        let rootfs = folder.path().join("rootfs");
        let mut mounts = Vec::new();
        for entry in std::fs::read_dir("/").unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            std::fs::create_dir_all(rootfs.join(entry.file_name())).unwrap();
            let path = entry.path();
            mounts.push(json!({ "destination": path, "type": "bind", "source": path, "options": ["rbind", "rw"] }));
        }
        let rights: Vec<_> =
            ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SYS_ADMIN", "SYS_PTRACE"]
                .map(|right| format!("CAP_{right}"))
                .into();
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": { "uid": 0, "gid": 0 }, "args": program, "cwd": "/",
                "env": [format!("PATH={}", std::env::var("PATH").unwrap())],
                "capabilities": { "bounding": rights, "effective": rights, "permitted": rights },
            },
            "root": { "path": "rootfs" },
            "mounts": mounts,
            "linux": { "cgroupsPath": format!("/{name}"), "namespaces": [{ "type": "mount" }] },
        });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let container = Self { folder, name };
        let bundle = container.folder.path().to_str().unwrap().to_owned();
        let log = std::fs::File::create(container.folder.path().join("log")).unwrap();
        let status = container
            .runc(&["run", "--detach", "--bundle", &bundle])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status();
        assert!(status.unwrap().success(), "runc: {}", container.log());
        container
    }

    fn runc(&self, words: &[&str]) -> Command {
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.folder.path().join("state")).args(words).arg(&self.name);
        command.stdin(std::process::Stdio::null());
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// As when a pod is taken away: everything in it is killed.
    async fn end(&self) {
        let Output { status, stderr, .. } = self.runc(&["delete", "--force"]).output().unwrap();
        assert!(status.success(), "runc: {}", String::from_utf8_lossy(&stderr));
        until("the container is gone", || {
            let listed = Command::new("runc")
                .arg("--root")
                .arg(self.folder.path().join("state"))
                .args(["list", "--format", "json"])
                .output();
            let listed: Value = serde_json::from_slice(&listed.unwrap().stdout).unwrap();
            listed.as_array().is_none_or(Vec::is_empty).then_some(())
        })
        .await;
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.runc(&["delete", "--force"]).output();
        // runc leaves this one behind where it works with the first version's trees.
        let _ = std::fs::remove_dir(Path::new("/sys/fs/cgroup/unified").join(&self.name));
    }
}

fn cgroups(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()
}

/// A guest that is started in a container, by the program of the agent.
async fn started(agent: &Agent, guest: GuestId, scope: Wanted) -> (Container, i32) {
    agent.configure(|config| config.scope = scope);
    let host = Path::new(env!("CARGO_BIN_EXE_host")).display();
    let (config, folder) = (agent.folder.path().join("host.yaml"), agent.guest_folder(guest));
    let script =
        format!("{host} --config {} start-from-desc {} && exec sleep 3600", config.display(), folder.display());
    let container = Container::run(&["sh".into(), "-c".into(), script]);
    // The program says so once QEMU is where it is to be.
    let pid = until("the guest runs", || {
        let pid = agent.pid(guest)?;
        let log = container.log();
        assert!(!log.contains("Error:"), "{log}");
        log.lines().any(|line| line == pid.to_string()).then_some(pid)
    })
    .await;
    (container, pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_outlives_the_container_that_it_was_started_in() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: containers are made by root only: run this test as root");
        return;
    }
    assert!(Command::new("runc").arg("--version").output().is_ok(), "runc is wanted for this test: make deps");
    let mut agent = Agent::start(&[]).await;
    let desc = tiny(DiskDriver::Virtio);
    let guest = desc.id;
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    agent.kill().await;

    // Left where the agent is, it ends with the container: that is what the runtime does.
    let (container, pid) = started(&agent, guest, Wanted::None).await;
    assert!(cgroups(pid).contains(&container.name), "{}", cgroups(pid));
    container.end().await;
    until("the guest has ended", || agent.pid(guest).is_none().then_some(())).await;

    let (container, pid) = started(&agent, guest, Wanted::Cgroup).await;
    assert!(
        cgroups(pid).contains(&format!("/lifeboat/{guest}")) && !cgroups(pid).contains(&container.name),
        "{}",
        cgroups(pid)
    );
    container.end().await;
    assert_eq!(agent.pid(guest), Some(pid), "it runs on");
    agent.run().await;
    let state = agent.until_state("the next agent has it", guest, |state| state.power == "running").await;
    assert!(!state.interrupted);
    let deleted = operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None });
    assert_eq!(deleted, Outcome::Deleted);
    assert_eq!(agent.pid(guest), None);
    let left = ["/sys/fs/cgroup/lifeboat", "/sys/fs/cgroup/unified/lifeboat"]
        .map(|tree| Path::new(tree).join(guest.to_string()));
    assert!(left.iter().all(|path| !path.exists()), "its cgroup is cleared away");
}
