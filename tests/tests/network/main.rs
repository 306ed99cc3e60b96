//! Region and a host with a network between them that is cut in the middle of a rescue, and mended.
//!
//! The test starts itself once more in a network namespace of its own, where region is; the host agent is in another one, and a pair of
//! virtual interfaces joins them ([`site`]). All programs are the real ones but for QEMU, which is simulated: what is of interest here
//! is who knows what, and when.

mod site;

use std::process::Command;
use std::time::{Duration, SystemTime};

use api::ListQuery;
use api::host::{Host, Hosts, Reachability};
use api::rescue::RescueSessions;
use api::server::{DiskCreate, Server, ServerCreate, Servers, StartRescue, StopRescue};
use api::task::{Task, TaskState, Tasks};
use e2e::until;
use pg_cluster::TestServer;
use rustix::process::Signal;
use site::{Cut, Site};
use types::operation::StopHow;
use types::{GuestStatus, PowerState, SessionState, TaskId};

const INSIDE: &str = "LIFEBOAT_TEST_IN_NAMESPACE";
const LIMIT: Duration = Duration::from_secs(60);
/// From the moment a network is mended until everything is as it should be: the longest pause of a host between two attempts, and some.
const RECOVERY: Duration = Duration::from_secs(20);
const NAME: &str = "web1";

#[test]
fn a_rescue_goes_on_where_it_was_when_the_network_to_the_host_is_mended() {
    if let Ok(database) = std::env::var(INSIDE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(story(&database));
    }
    for program in ["unshare", "nsenter", "nft", "ip"] {
        let found = Command::new(program).arg("-V").output();
        assert!(found.is_ok(), "{program} is wanted for this test: make deps");
    }
    let mut unshare = vec!["unshare", "--net"];
    if !rustix::process::geteuid().is_root() {
        unshare.extend(["--user", "--map-root-user"]);
        let allowed = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output().unwrap();
        if !allowed.status.success() {
            eprintln!("SKIPPED: a user may not make network namespaces here: run this test as root");
            return;
        }
    }
    // Reached by a unix socket, from any namespace.
    let database = TestServer::shared().database(None).unwrap();
    let output = Command::new(unshare[0])
        .args(&unshare[1..])
        .args(["sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_rescue_goes_on_where_it_was_when_the_network_to_the_host_is_mended", "--nocapture"])
        .env(INSIDE, database.url())
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "within its own network namespace:\n{said}");
    println!("{said}");
}

async fn story(database: &str) {
    let site = Site::start(database).await.unwrap();
    let disk = DiskCreate { size: 16, ..DiskCreate::default() };
    let wanted = ServerCreate { vmem_size: 256, auto_start: true, ..ServerCreate::new(NAME, vec![disk]) };
    let created = site.client.create::<Servers>(&wanted).await.unwrap();
    succeeds(&site, created.task.unwrap().id).await;

    for cut in [Cut::Down, Cut::Silent] {
        rescued_while(&site, cut).await;
        let accepted = site.client.perform(NAME, &StopRescue::default()).await.unwrap();
        succeeds(&site, accepted.task.unwrap().id).await;
        let server = server(&site).await;
        assert_eq!((server.status, server.power_state), (GuestStatus::Running, PowerState::Running), "{cut:?}");
    }

    // What the host did, in order: each operation began once, and ended.
    let rescue = ["preflight_rescue", "prepare_rescue", "stop", "write_rescue_desc", "start_rescue", "await_ready"];
    let back = ["stop", "restore_desc", "start"];
    let expected: Vec<_> =
        ["create", "start"].into_iter().chain([rescue.as_slice(), &back].concat().repeat(2)).collect();
    let begun = site.said("operation begins");
    assert_eq!(begun.iter().map(|line| line["work"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    let mut ended = site.said("operation ended");
    let by_operation = |line: &serde_json::Value| line["operation"].as_str().unwrap().to_owned();
    ended.sort_by_key(by_operation);
    ended.dedup_by_key(|line| by_operation(line));
    assert_eq!(ended.len(), expected.len(), "every operation is one of its own, and has ended");
    assert_eq!(site.said("QEMU runs").len(), 5, "once as itself, then twice in rescue and back");
    let alive = ListQuery { is_complete: Some(false), ..ListQuery::default() };
    assert!(site.client.list::<Tasks>(&alive).await.unwrap().data.is_empty(), "no task is left alive");
}

/// A rescue during which the network is cut: after the host was asked to stop the server, and before that is done.
async fn rescued_while(site: &Site, cut: Cut) {
    let stops = || site.said("operation ended").iter().filter(|line| line["work"] == "stop").count();
    let before = stops();
    let [machine] = site.machines()[..] else { panic!("one QEMU runs: {:?}", site.machines()) };
    // It hears the power button only when it goes on.
    machine.signal(Signal::STOP);
    let accepted = site.client.perform(NAME, &StartRescue::default()).await.unwrap();
    let id = accepted.task.unwrap().id;
    let stopping = |task: &Task| task.stage == "stop_server" && task.state == TaskState::Waiting;
    until(LIMIT, "the host to be asked to stop the server", async || Ok(stopping(&task(site, id).await).then_some(())))
        .await
        .unwrap();

    site.cut(cut).unwrap();
    machine.signal(Signal::CONT);
    until(LIMIT, "the server to stop", async || Ok((stops() == before + 1).then_some(()))).await.unwrap();
    assert!(!machine.is_alive());
    let silent = async || {
        let (host, server) = (host(site).await, server(site).await);
        Ok((host.host_status == Reachability::Offline && server.power_state == PowerState::Unknown).then_some(server))
    };
    let shown = until(LIMIT, "region to miss the host", silent).await.unwrap();
    assert_eq!(shown.status, GuestStatus::StartRescue, "the lifecycle is region's own");
    if cut == Cut::Silent {
        let given_up = async || Ok(site.connections()?.is_empty().then_some(()));
        until(LIMIT, "region to give up dead connections", given_up).await.unwrap();
        let failed = async || Ok(task(site, id).await.last_error);
        let error = until(LIMIT, "region to ask again, in vain", failed).await.unwrap();
        assert!(error.contains("host1"), "{error}");
        let noticed = async || Ok((!site.said_like("region did not answer").is_empty()).then_some(()));
        until(LIMIT, "the host to say that region does not answer", noticed).await.unwrap();
    }
    let stands = task(site, id).await;
    let asks_again = stands.stage == "stop_server" && !stands.is_complete && !stands.way_back;
    assert!(asks_again, "the outcome can't have come, and is waited for: {stands:?}");

    let (mended, began) = (SystemTime::now(), std::time::Instant::now());
    site.mend(cut).unwrap();
    let back = async || {
        let (host, server) = (host(site).await, server(site).await);
        let heard = host.host_status == Reachability::Online && SystemTime::from(host.last_heartbeat) > mended;
        Ok((heard && server.status == GuestStatus::Rescue && server.power_state == PowerState::Running)
            .then_some(server))
    };
    let server = until(RECOVERY, "the host to be back and the rescue to be proven", back).await.unwrap();
    println!("{cut:?}: in rescue {:.1?} after the network was mended", began.elapsed());
    succeeds(site, id).await;
    let session = server.rescue_session_id.expect("a session").to_string();
    let session = site.client.get::<RescueSessions>(&session).await.unwrap();
    assert_eq!((session.state, session.is_ready, session.boot), (SessionState::Active, true, 1));
    assert_eq!(session.stop_how, Some(StopHow::Acpi), "what the host could not say at the time");
}

async fn succeeds(site: &Site, id: TaskId) {
    let ended = async || Ok(Some(task(site, id).await).filter(|task| task.is_complete));
    let task = until(LIMIT, "a task to end", ended).await.unwrap();
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}");
}

async fn task(site: &Site, id: TaskId) -> Task {
    site.client.get::<Tasks>(&id.to_string()).await.unwrap()
}

async fn server(site: &Site) -> Server {
    site.client.get::<Servers>(NAME).await.unwrap()
}

async fn host(site: &Site) -> Host {
    let mut hosts = site.client.list::<Hosts>(&ListQuery::default()).await.unwrap().data;
    assert_eq!(hosts.len(), 1);
    hosts.remove(0)
}
