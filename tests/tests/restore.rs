//! Back up and restore, by the commands of `docs/operations.md`: the database from a dump that is older than what happened since, and a
//! host's folder from a copy. One guest runs, one is in rescue, one is made after the dump; real QEMU, real Postgres.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api::ListQuery;
use api::host::{Hosts, Reachability};
use api::server::Server;
use e2e::{Stack, until};
use pg_cluster::Cluster;
use types::{GuestStatus, PowerState};

const LIMIT: Duration = Duration::from_secs(60);
/// As long as a boot of the rescue system may take on a busy machine.
const TASK: &str = "400";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_dump_and_a_copy_of_the_hosts_folder_bring_everything_back() {
    let stack = Stack::up().await.unwrap();
    for (name, more) in [("runs", Some("--auto-start")), ("rescued", None), ("copied", None)] {
        let create = ["server-create", name, "--disk", "size=64M", "--mem", "256", "--wait", "--timeout", TASK];
        stack.climc(&create.iter().copied().chain(more).collect::<Vec<_>>()).await.unwrap();
    }
    stack.climc(&["server-start-rescue", "rescued", "--wait", "--timeout", TASK]).await.unwrap();
    let desc = stack.climc(&["server-desc", "copied"]).await.unwrap();

    // Taken while everything runs.
    let database = database(&stack.state.path("postgres"));
    let dump = stack.state.path("lifeboat.dump");
    run(tool("pg_dump").arg("--format=custom").arg(format!("--file={}", dump.display())).arg(&database));
    let (folder, copy) = (stack.state.path("host"), stack.state.path("host.tar"));
    run(Command::new("tar").args(["--exclude=./store", "-cf"]).arg(&copy).arg("-C").arg(&folder).arg("."));

    // What happens since is not in the dump.
    stack.climc(&["server-stop", "runs", "--wait", "--timeout", TASK, "--force"]).await.unwrap();
    stack.climc(&["server-stop-rescue", "rescued", "--wait", "--timeout", TASK]).await.unwrap();
    stack.climc(&["server-create", "later", "--disk", "size=64M", "--mem", "256", "--wait"]).await.unwrap();
    let verified = stack.climc(&["event-verify", "runs"]).await.unwrap();
    assert!(!verified.is_empty());

    // Both are lost.
    assert!(stack.lifeboat("down").unwrap().status.success());
    let cluster = Cluster::builder(stack.state.path("postgres")).start().unwrap();
    let server = cluster.url("postgres");
    run(tool("psql").arg(&server).args(["-qc", "drop database lifeboat", "-c", "create database lifeboat"]));
    run(tool("pg_restore").arg(format!("--dbname={database}")).arg("--no-owner").arg(&dump));
    let ahead = "select setval('task_sequence', last_value + 1000000000) from task_sequence";
    run(tool("psql").arg(&database).args(["-qc", ahead]));
    cluster.stop().unwrap();
    let lost = server_folder(&stack, "copied");
    std::fs::remove_dir_all(&lost).unwrap();
    let wanted = Path::new(".").join(lost.strip_prefix(&folder).unwrap());
    run(Command::new("tar").arg("-xpf").arg(&copy).arg("-C").arg(&folder).arg(wanted));

    stack.up_again().unwrap();
    until(LIMIT, "the host to be online", async || {
        let Ok(hosts) = stack.client.list::<Hosts>(&ListQuery::default()).await else { return Ok(None) };
        Ok(hosts.data.iter().any(|host| host.host_status == Reachability::Online).then_some(()))
    })
    .await
    .unwrap();
    // The dump says that it runs, and the host that it does not; it was in rescue, and its session is over.
    stack.climc(&["server-syncstatus", "runs", "--wait"]).await.unwrap();
    becomes(&stack, "runs", |server| server.status == GuestStatus::Ready).await;
    becomes(&stack, "rescued", |server| server.status == GuestStatus::Rescue).await;
    stack.climc(&["server-stop-rescue", "rescued", "--wait", "--timeout", TASK]).await.unwrap();
    becomes(&stack, "rescued", |server| server.status == GuestStatus::Ready).await;
    let unknown = stack.climc(&["host-unknown-guests", "host1"]).await.unwrap();
    assert_eq!(unknown.matches("shutoff").count(), 1, "made after the dump, and untouched: {unknown}");

    // Everything works again: requests of today are not taken for old ones.
    assert_eq!(stack.climc(&["server-desc", "copied"]).await.unwrap(), desc);
    for name in ["runs", "copied"] {
        stack.climc(&["server-start", name, "--wait", "--timeout", TASK]).await.unwrap();
        becomes(&stack, name, |s| (s.status, s.power_state) == (GuestStatus::Running, PowerState::Running)).await;
    }
    stack.climc(&["event-verify", "runs"]).await.unwrap();
}

/// The URL of a private cluster that runs.
fn database(folder: &Path) -> String {
    Cluster::running(folder).unwrap().expect("the private Postgres runs").url("lifeboat")
}

/// Beside the server's own programs, as their versions must fit.
fn tool(name: &str) -> Command {
    Command::new(pg_cluster::Binaries::find().unwrap().postgres.with_file_name(name))
}

fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn server_folder(stack: &Stack, name: &str) -> PathBuf {
    let folders = std::fs::read_dir(stack.state.path("host/servers")).unwrap().flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| std::fs::read_to_string(path.join("desc")).is_ok_and(|desc| desc.contains(name));
    folders.into_iter().find(named).unwrap_or_else(|| panic!("{name} is on no folder of the host"))
}

async fn becomes(stack: &Stack, name: &str, wanted: impl Fn(&Server) -> bool) {
    until(LIMIT, name, async || {
        let server = stack.client.get::<api::server::Servers>(name).await?;
        Ok(wanted(&server).then_some(()))
    })
    .await
    .unwrap();
}
