//! An ordinary guest: made, run, left alone by a dead agent, found again, stopped in every way, removed.

use std::path::Path;
use std::process::Stdio;

use proto::host::v1 as pb;
use tonic::Code;
use types::desc::DiskDriver;
use types::operation::{FailureCode, Outcome, StopHow};

use crate::agent::{Agent, Console, create, heard, operate, stop, tiny, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_outlives_its_agent_and_stops_as_gently_as_it_lets_us() {
    let mut agent = Agent::start(&[]).await;
    agent.region.until("registration", |heard| heard.registered.len() == 1).await;
    let desc = tiny(DiskDriver::Virtio);
    let guest = desc.id;

    // Nothing there yet; bad input changes nothing.
    let unknown = agent.client().get_guest(pb::GetGuestRequest { guest_id: guest.to_string() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let mut bad = create(&types::desc::Desc { vcpu: 0, ..desc.clone() });
    bad.operation = Some(agent.header(guest).into());
    assert_eq!(agent.client().create_guest(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let mut escape = desc.clone();
    escape.disks[0].image = Some("../../../../etc/passwd".into());
    let outcome = operate!(agent, agent.header(guest), create_guest, create(&escape));
    let Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.code, FailureCode::Disk);
    assert!(!agent.guest_folder(guest).exists());

    // Made, twice with one result; described otherwise, refused.
    let Outcome::Created { desc_sha256 } = operate!(agent, agent.header(guest), create_guest, create(&desc)) else {
        panic!()
    };
    let again = operate!(agent, agent.header(guest), create_guest, create(&desc));
    assert_eq!(again, Outcome::Created { desc_sha256: desc_sha256.clone() });
    let other = types::desc::Desc { memory_mib: 512, ..desc.clone() };
    let outcome = operate!(agent, agent.header(guest), create_guest, create(&other));
    assert!(matches!(outcome, Outcome::Failed { failure } if failure.code == FailureCode::WrongState));
    let stored =
        agent.client().get_desc(pb::GetDescRequest { guest_id: guest.to_string() }).await.unwrap().into_inner();
    assert_eq!(stored.sha256, desc_sha256);
    assert_eq!(serde_json::from_str::<types::desc::Desc>(&stored.desc_json).unwrap(), desc);

    // Started; region hears of it at once, though the interval is ten minutes.
    let start = agent.header(guest);
    assert_eq!(operate!(agent, start, start_guest, pb::StartGuestRequest { operation: None }), Outcome::Started);
    agent
        .region
        .until("a heartbeat with the new power", |heard| {
            heard
                .beats
                .iter()
                .any(|beat| beat.guests.iter().any(|it| it.guest_id == guest.to_string() && it.power == "running"))
        })
        .await;
    agent.region.until("the report", |it| it.reports.iter().any(|it| it.operation_id == start.id.to_string())).await;
    let report =
        agent.region.heard.lock().unwrap().reports.iter().find(|it| it.operation_id == start.id.to_string()).cloned();
    assert_eq!(heard(&report.unwrap()), Outcome::Started);
    let pid = agent.pid(guest).expect("it runs");
    until("the guest's login", || agent.serial(guest).contains("tiny login:").then_some(())).await;

    // A second agent on the same workspace would be a second QEMU on the same disk.
    let ready = agent.folder.path().join("second.json");
    let second = agent.command(&ready).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().await.unwrap();
    assert!(!second.status.success() && String::from_utf8_lossy(&second.stderr).contains("another host agent"));

    // kill -9: the guest runs on, and is found again.
    agent.kill().await;
    assert_eq!(agent.pid(guest), Some(pid));
    agent.run().await;
    agent.until_state("the guest found again", guest, |state| state.power == "running").await;
    assert_eq!(agent.pid(guest), Some(pid));
    let disk = agent.guest_folder(guest).join("disks").join(format!("{}.qcow2", desc.disks[0].id));
    assert!(host::lease::file(&disk).exists(), "it is ours while it runs");
    let repeat = operate!(agent, start, start_guest, pb::StartGuestRequest { operation: None });
    assert_eq!(repeat, Outcome::Started, "answered from the ledger");
    let started = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    assert_eq!((started, agent.pid(guest)), (Outcome::Started, Some(pid)), "a guest that runs has started");
    let mut late = pb::StopGuestRequest { force: true, ..Default::default() };
    late.operation = Some(types::operation::OperationHeader { sequence: 1, ..agent.header(guest) }.into());
    assert_eq!(agent.client().stop_guest(late).await.unwrap_err().code(), Code::FailedPrecondition);

    // The console: what was shown, and what is typed comes back.
    let mut console = Console::open(&agent, guest).await;
    for (wanted, type_in) in [("tiny login:", "anybody\r"), ("Password:", "nothing\r"), ("incorrect", "")] {
        console.shows(wanted).await;
        console.types(type_in).await;
    }

    // ACPI is obeyed; repeated, it is off already.
    let outcome = operate!(agent, agent.header(guest), stop_guest, stop(120, false));
    assert!(matches!(outcome, Outcome::Stopped { how: StopHow::Acpi, .. }), "{outcome:?}");
    assert_eq!(agent.pid(guest), None);
    let outcome = operate!(agent, agent.header(guest), stop_guest, stop(60, false));
    assert!(matches!(outcome, Outcome::Stopped { how: StopHow::AlreadyOff, .. }), "{outcome:?}");

    // Before the guest listens, the button is pressed for nothing: quit. The host's report waits for region.
    agent.region.heard.lock().unwrap().away = true;
    operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    let forced = agent.header(guest);
    let outcome = operate!(agent, forced, stop_guest, stop(1, false));
    assert!(matches!(outcome, Outcome::Stopped { how: StopHow::Quit, .. }), "{outcome:?}");
    // What was tried and how long it took can be asked, and what the console showed.
    let asked =
        agent.client().get_guest(pb::GetGuestRequest { guest_id: guest.to_string() }).await.unwrap().into_inner();
    let steps: Vec<_> =
        asked.last_stop.unwrap().steps.into_iter().map(|step| (step.how, step.seconds >= 1.0)).collect();
    assert_eq!(steps[0], ("acpi".to_owned(), true));
    assert_eq!((&*steps[1].0, steps.len(), asked.pid), ("quit", 2, 0));
    assert!(asked.started_unix_ms > 0);
    let log = pb::GetSerialLogRequest { guest_id: guest.to_string(), max_bytes: 0 };
    let log = agent.client().get_serial_log(log).await.unwrap().into_inner();
    let (before, _latest) = log.data.split_at(log.boot_offset as usize);
    assert!(String::from_utf8_lossy(before).contains("tiny login:"));
    let screen = agent.client().screendump(pb::ScreendumpRequest { guest_id: guest.to_string() }).await;
    assert_eq!(screen.unwrap_err().code(), Code::FailedPrecondition);
    let status = agent.terminate().await;
    assert!(status.success(), "{status}");
    agent.region.heard.lock().unwrap().away = false;
    agent.run().await;
    agent
        .region
        .until("the report of before", |it| it.reports.iter().any(|it| it.operation_id == forced.id.to_string()))
        .await;

    // A QEMU that vanishes under us is off, and says so by itself.
    operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    let pid = rustix::process::Pid::from_raw(agent.pid(guest).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    agent.until_state("a killed QEMU", guest, |state| state.power == "shutoff").await;

    // Its disk is in use elsewhere: preflight says so.
    let holder = hold(&disk, &agent.folder.path().join("nbd")).await;
    let file = Some(pb::BootFile { sha256: "a".repeat(64), size: 1 });
    let image = pb::RescueImage { name: "small".into(), kernel: file.clone(), initramfs: file, ..Default::default() };
    let preflight = || pb::PreflightRescueRequest {
        operation: None,
        image: Some(image.clone()),
        disk_mode: "rw".into(),
        qemu_version: String::new(),
        network: String::new(),
    };
    let outcome = operate!(agent, agent.header(guest), preflight_rescue, preflight());
    let Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
    assert!(failure.code == FailureCode::Disk && failure.message.contains("another process"), "{failure:?}");
    let outcome = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    let Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.code, FailureCode::Disk, "{failure:?}");
    drop(holder);

    // Another host has it, on a folder that both share: who that is, and what to do, is said; nothing is touched.
    let lease = host::lease::file(&disk);
    assert!(!lease.exists(), "nothing of ours runs");
    let elsewhere =
        host::lease::Holder { host: "h2".into(), machine: "m".into(), boot: "b".into(), workspace: "/w2".into() };
    host::lease::take(&disk, &elsewhere, guest).unwrap();
    let content = std::fs::read(&lease).unwrap();
    for outcome in [
        operate!(agent, agent.header(guest), preflight_rescue, preflight()),
        operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None }),
        operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None }),
    ] {
        let Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
        let said = ["host 'h2'", "stop the guest there", "remove"].iter().all(|word| failure.message.contains(word));
        assert!(failure.code == FailureCode::Disk && said, "{failure:?}");
    }
    assert_eq!(std::fs::read(&lease).unwrap(), content);
    std::fs::remove_file(&lease).unwrap();

    // Tools can ask what there is, and whether it is well.
    assert_eq!(
        agent.services().await,
        ["grpc.health.v1.Health", "host.v1.HostService", "region.v1.AgentUpcallService", "region.v1.HostUpcallService"]
    );
    assert_eq!(
        agent.health("host.v1.HostService").await,
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );

    // Gone, twice; an operation of before can't bring it back.
    operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    for _ in 0..2 {
        assert_eq!(
            operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None }),
            Outcome::Deleted
        );
    }
    assert!(!agent.guest_folder(guest).exists());
    assert_eq!(agent.pid(guest), None);
    let denied = agent.client_as(&agent.own_tls()).get_host(pb::GetHostRequest {}).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied, "only region may ask");
    let unknown = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    assert!(matches!(unknown, Outcome::Failed { failure } if failure.code == FailureCode::UnknownGuest));
}

/// Another process that has the disk open for writing, as a QEMU of somebody else would; ended when dropped.
async fn hold(disk: &Path, socket: &Path) -> tokio::process::Child {
    let mut command = tokio::process::Command::new("qemu-nbd");
    command.args(["-f", "qcow2", "--persistent", "-k"]).arg(socket).arg(disk).kill_on_drop(true);
    let child = command.spawn().expect("qemu-nbd comes with qemu-utils");
    until("qemu-nbd", || socket.exists().then_some(())).await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_machine_restarted_guests_are_off_and_wait_for_region() {
    let mut agent = Agent::start(&[]).await;
    let mut desc = tiny(DiskDriver::Virtio);
    // This guest does not hear the power button, and has QEMU's guest agent.
    desc.disks[1].serial = "deaf".into();
    desc.guest_agent = true;
    let guest = desc.id;
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let start = || pb::StartGuestRequest { operation: None };
    assert_eq!(operate!(agent, agent.header(guest), start_guest, start()), Outcome::Started);

    // All processes are gone at once, and so are sockets; files on disk stay, with the pid file of another life.
    let pid = agent.pid(guest).expect("it runs");
    agent.kill().await;
    let qemu = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(qemu, rustix::process::Signal::KILL).unwrap();
    until("QEMU is gone", || agent.pid(guest).is_none().then_some(())).await;
    std::fs::remove_dir_all(agent.folder.path().join("r")).unwrap();
    assert!(agent.guest_folder(guest).join("qemu.pid").exists());
    let beats = agent.region.heard.lock().unwrap().beats.len();

    agent.run().await;
    // The first that region hears is that the guest is off.
    agent.region.until("a heartbeat of the new agent", |heard| heard.beats.len() > beats).await;
    let first = agent.region.heard.lock().unwrap().beats[beats].clone();
    let told: Vec<_> = first.guests.iter().map(|it| (it.guest_id.clone(), it.power.clone())).collect();
    assert_eq!(told, [(guest.to_string(), "shutoff".to_owned())]);
    // Nor did anything start by itself.
    assert_eq!(agent.pid(guest), None);
    assert_eq!(agent.state(guest).await.power, "shutoff");
    assert_eq!(operate!(agent, agent.header(guest), start_guest, start()), Outcome::Started, "region's word");
    assert!(agent.pid(guest).is_some());

    // The button first, then the agent in the guest; each with its time.
    let logins = || agent.serial(guest).matches("tiny login:").count();
    until("the guest's login", || (logins() > 0).then_some(())).await;
    let stopped = operate!(agent, agent.header(guest), stop_guest, stop(40, false));
    let Outcome::Stopped { how: StopHow::GuestAgent, seconds, steps } = stopped else { panic!("{stopped:?}") };
    let [button, asked] = &*steps else { panic!("{steps:?}") };
    assert_eq!((button.how, asked.how), (StopHow::Acpi, StopHow::GuestAgent));
    assert!((20.0..30.0).contains(&button.seconds) && asked.seconds <= 25.0, "{steps:?}");
    assert!(seconds >= button.seconds + asked.seconds);
    let asked =
        agent.client().get_guest(pb::GetGuestRequest { guest_id: guest.to_string() }).await.unwrap().into_inner();
    let record: Vec<_> = asked.last_stop.unwrap().steps.into_iter().map(|step| step.how).collect();
    assert_eq!(record, ["acpi", "guest_agent"]);
    assert_eq!((agent.pid(guest), asked.pid), (None, 0));
}
