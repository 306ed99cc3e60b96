//! Stories through all processes, with real QEMU: a server breaks, is rescued by its owner, and comes back as it was.

use std::time::Duration;

use anyhow::Context;
use api::ErrorClass;
use api::server::{Start, StartRescue, Stop};
use client::Error;
use e2e::guest::{BOOT, Guest, wait_task};
use e2e::{Stack, until};
use lifeboat::demo::fault::Fault;
use lifeboat::demo::story::root_of;
use lifeboat::ssh::Key;
use types::operation::StopHow;
use types::status::SessionState;
use types::{DiskMode, GuestStatus, PowerState};

/// Init is gone. The rescue is proven, survives `kill -9` of the host agent, lets its owner in by ssh under the host key that it published,
/// and gives back a server that boots from the same description.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_init_is_rescued_while_its_host_agent_dies() {
    let stack = Stack::up().await.unwrap();
    let mut web = Guest::boot(&stack, "web1").await.unwrap();
    let desc = web.desc_sha256().unwrap();

    stop(&stack, &web).await;
    web.break_disk(Fault::Init.word()).await.unwrap();
    web.screen.turn_page();
    let started = stack.client.perform("web1", &Start {}).await.unwrap();
    wait_task(&stack, started.task.unwrap().id).await.unwrap();
    web.screen.until(Fault::Init.signs(), BOOT).await.unwrap();

    // Its owner.
    let key = Key::generate(&stack.state.path("keys")).await.unwrap();
    stack
        .climc(&["server-start-rescue", "web1", "--ssh-key", &key.public().unwrap(), "--reason", "no init", "--wait"])
        .await
        .unwrap();
    let server = web.view().await.unwrap();
    assert_eq!((server.status, server.power_state), (GuestStatus::Rescue, PowerState::Running));
    let session = web.session().await.unwrap();
    let proof = session.ready.clone().expect("a session that is active has been proven");
    assert_eq!((session.state, session.is_ready, session.boot), (SessionState::Active, true, 1));
    assert_eq!((proof.session, proof.boot), (session.id, 1));
    assert_eq!(session.reason.as_deref(), Some("no init"));
    assert_eq!(session.disk_mode, DiskMode::Rw);
    assert_eq!(session.disks.len(), server.disks.len(), "the rescue system sees the server's disks");
    assert_eq!(session.disks[0].serial, server.disks[0].serial);

    // Other verbs are refused by name, and change nothing.
    for refused in [
        stack.client.perform("web1", &StartRescue::default()).await.err(),
        stack.client.perform("web1", &Start {}).await.err(),
    ] {
        let Some(Error::Api(error)) = refused else { panic!("{refused:?}") };
        assert_eq!(error.status, ErrorClass::InvalidStatus.status(), "{error:?}");
        assert!(error.details.contains("stop-rescue"), "the ways out are named: {}", error.details);
    }

    // The agent dies; the rescue system does not notice, and the agent that follows knows it.
    let machines = stack.machines();
    assert_eq!(machines.len(), 1);
    stack.kill("host").await.unwrap();
    assert!(session.ssh_host_key.is_some(), "no ssh host key was published");
    let repair = Fault::Init.repair(&root_of(&session.disks).unwrap());
    let identity = key.private().display().to_string();
    let ssh = ["server-ssh-rescue", "web1", "--", "-i", &identity, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"];
    // The new agent has to hear the proof itself before it says that the rescue system is ready; until then nobody is let in.
    let repair = [&ssh[..], &[&repair]].concat();
    let repaired = async || Ok(stack.climc(&repair).await.ok());
    until(Duration::from_secs(60), "the new agent to hear the proof, and the repair", repaired).await.unwrap();
    assert_eq!(stack.machines(), machines, "the same QEMU process runs");
    let same = async || {
        let server = web.view().await?;
        Ok((server.status == GuestStatus::Rescue && server.power_state == PowerState::Running).then_some(()))
    };
    until(Duration::from_secs(60), "the rescue to be as it was", same).await.unwrap();

    web.screen.turn_page();
    stack.climc(&["server-stop-rescue", "web1", "--wait"]).await.unwrap();
    web.boots().await.unwrap();
    let server = web.view().await.unwrap();
    assert_eq!((server.status, server.power_state), (GuestStatus::Running, PowerState::Running));
    assert_eq!(web.desc_sha256().unwrap(), desc, "the description of before");
    let closed = stack.client.get::<api::rescue::RescueSessions>(&session.id.to_string()).await.unwrap();
    assert_eq!((closed.state, closed.prior_status), (SessionState::Closed, GuestStatus::Running));
    assert!(closed.ended_at.is_some());
    nothing_is_at_work(&stack).await;
}

/// A bad line in fstab, repaired over the serial console with the password that was generated. The server was off before the rescue, and
/// so it is afterwards, until its owner starts it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_off_is_rescued_over_its_console_and_stays_off() {
    let stack = Stack::up().await.unwrap();
    let mut web = Guest::boot(&stack, "web2").await.unwrap();
    let desc = web.desc_sha256().unwrap();
    stop(&stack, &web).await;
    web.break_disk(Fault::Fstab.word()).await.unwrap();

    web.screen.turn_page();
    let wanted = StartRescue { password: Some("generate".parse().unwrap()), ..StartRescue::default() };
    let accepted = stack.client.perform("web2", &wanted).await.unwrap();
    let password = accepted.extra.rescue_session.and_then(|s| s.password).expect("the password is in the first answer");
    wait_task(&stack, accepted.task.unwrap().id).await.unwrap();
    let session = web.session().await.unwrap();
    assert!(session.is_ready && session.prior_status == GuestStatus::Ready);
    let not_stopped = session.stop_how.is_none_or(|how| how == StopHow::AlreadyOff);
    assert!(not_stopped, "nothing had to be stopped: {:?}", session.stop_how);

    let limit = Duration::from_secs(120);
    web.screen.until(&["login:"], limit).await.unwrap();
    web.screen.type_line("root");
    web.screen.until(&["assword:"], limit).await.unwrap();
    web.screen.type_line("not the password");
    web.screen.until(&["ncorrect"], limit).await.unwrap();
    web.screen.until(&["login:"], limit).await.unwrap();
    web.screen.type_line("root");
    web.screen.until(&["assword:"], limit).await.unwrap();
    listens(&stack).await;
    web.screen.type_line(password.expose());
    web.screen.until(&["# "], limit).await.unwrap();
    let repair = Fault::Fstab.repair(&root_of(&session.disks).unwrap());
    web.screen.type_line(&format!("{repair} && echo mended $((40 + 2))"));
    web.screen.until(&["mended 42"], limit).await.unwrap();

    stack.climc(&["server-stop-rescue", "web2", "--wait"]).await.unwrap();
    let server = web.view().await.unwrap();
    assert_eq!((server.status, server.power_state), (GuestStatus::Ready, PowerState::Shutoff));
    assert!(stack.machines().is_empty(), "nothing runs");
    assert_eq!(web.desc_sha256().unwrap(), desc);
    no_secret_is_left(&stack, password.expose());

    web.screen.turn_page();
    stack.climc(&["server-start", "web2", "--wait"]).await.unwrap();
    web.boots().await.unwrap();
    nothing_is_at_work(&stack).await;
}

/// Until the one machine has nothing to do: BusyBox prints its prompt before it turns the echo off, and nobody else types as fast as a test.
async fn listens(stack: &Stack) {
    let machine = stack.machines().pop().expect("a machine runs");
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", machine.pid)).context("it runs")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        anyhow::Ok((fields[11].to_owned(), fields[12].to_owned()))
    };
    let before = std::sync::Mutex::new(None);
    until(Duration::from_secs(60), "a machine that waits", async || {
        let now = used()?;
        Ok((before.lock().expect("nobody panics with it").replace(now.clone()) == Some(now)).then_some(()))
    })
    .await
    .unwrap();
}

async fn stop(stack: &Stack, guest: &Guest<'_>) {
    let stop = Stop { is_force: false, timeout_secs: Some(60) };
    let accepted = stack.client.perform(&guest.name, &stop).await.unwrap();
    wait_task(stack, accepted.task.unwrap().id).await.unwrap();
    assert_eq!(guest.view().await.unwrap().status, GuestStatus::Ready);
}

async fn nothing_is_at_work(stack: &Stack) {
    let query = api::ListQuery { is_complete: Some(false), ..api::ListQuery::default() };
    let alive = stack.client.list::<api::task::Tasks>(&query).await.unwrap().data;
    assert!(alive.is_empty(), "{alive:?}");
}

/// In no log, and in no file of the host.
fn no_secret_is_left(stack: &Stack, secret: &str) {
    let mut folders = vec![stack.state.path("log"), stack.state.path("host")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string()).unwrap().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && !path.to_string_lossy().ends_with("qcow2") {
                let content = std::fs::read(&path).unwrap();
                let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "the password is in {}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 3, "there was something to look into");
}
