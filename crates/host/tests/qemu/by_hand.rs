//! Guests that somebody starts without region: by the script beside the desc, by the agent's program while the agent is away.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use proto::host::v1 as pb;
use types::desc::DiskDriver;
use types::id::SessionId;
use types::operation::{Outcome, StopHow};

use crate::agent::{Agent, create, operate, stop, tiny};

async fn run(command: &mut tokio::process::Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_started_by_hand_is_the_agents_to_stop() {
    let mut agent = Agent::start(&[]).await;
    let desc = tiny(DiskDriver::Virtio);
    let guest = desc.id;
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let folder = agent.guest_folder(guest);
    let script = folder.join("startvm");
    assert_eq!(script.metadata().unwrap().permissions().mode() & 0o777, 0o700);

    // The script, while the agent looks on.
    let (started, said) = run(&mut tokio::process::Command::new(&script)).await;
    assert!(started, "{said}");
    let pid = agent.pid(guest).expect("it runs");
    agent.runs_apart(guest);
    agent.until_state("the guest found", guest, |state| state.power == "running").await;
    agent
        .region
        .until("region hears of it", |heard| {
            let mut guests = heard.beats.iter().flat_map(|beat| &beat.guests);
            guests.any(|it| it.guest_id == guest.to_string() && it.power == "running")
        })
        .await;
    let (again, said) = run(&mut tokio::process::Command::new(&script)).await;
    assert!(!again && said.contains(&format!("runs already, as process {pid}")), "{said}");
    let stopped = operate!(agent, agent.header(guest), stop_guest, stop(1, true));
    assert_eq!(stopped_how(&stopped), StopHow::Quit);

    // The program, while the agent is away.
    agent.kill().await;
    let by_program = || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_host"));
        command.arg("start-from-desc").arg(&folder).arg("--config").arg(agent.folder.path().join("host.yaml"));
        command
    };
    let (started, said) = run(&mut by_program()).await;
    assert!(started && said.contains(&agent.pid(guest).unwrap().to_string()), "{said}");
    let (again, said) = run(&mut by_program()).await;
    assert!(!again && said.contains("runs already"), "{said}");
    agent.run().await;
    agent.until_state("the guest found", guest, |state| state.power == "running").await;
    let stopped = operate!(agent, agent.header(guest), stop_guest, stop(1, true));
    assert_eq!(stopped_how(&stopped), StopHow::Quit);

    // The program also says whether this machine will do, beside the agent.
    let check = run(tokio::process::Command::new(env!("CARGO_BIN_EXE_host"))
        .args(["check", "--config"])
        .arg(agent.folder.path().join("host.yaml")))
    .await;
    assert!(!check.0 && check.1.contains("BROKEN trust"), "this host trusts nobody: {}", check.1);
    for part in ["qemu", "user", "workspace", "sockets", "scope", "region"] {
        assert!(check.1.lines().any(|line| line.starts_with(&format!("ok     {part}"))), "{part}: {}", check.1);
    }

    // In rescue, neither starts anything.
    let session = SessionId::generate();
    let file = Some(pb::BootFile { sha256: "a".repeat(64), size: 1 });
    let write = pb::WriteRescueDescRequest {
        session_id: session.to_string(),
        image: Some(pb::RescueImage { kernel: file.clone(), initramfs: file, ..Default::default() }),
        disk_mode: "rw".into(),
        ..Default::default()
    };
    operate!(agent, agent.header(guest), write_rescue_desc, write);
    let by_program = run(tokio::process::Command::new(env!("CARGO_BIN_EXE_host"))
        .args(["start-from-desc", folder.to_str().unwrap(), "--config"])
        .arg(agent.folder.path().join("host.yaml")))
    .await;
    for (started, said) in [run(&mut tokio::process::Command::new(&script)).await, by_program] {
        assert!(!started && said.contains(&session.to_string()), "{said}");
    }
    assert_eq!(agent.pid(guest), None);
}

fn stopped_how(outcome: &Outcome) -> StopHow {
    match outcome {
        Outcome::Stopped { how, .. } => *how,
        other => panic!("{other:?}"),
    }
}
