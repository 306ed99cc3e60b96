//! A server is diagnosed and repaired from inside its rescue system, beside its disks, and boots again once that is committed. Real QEMU.

use api::rescue::Examined;
use e2e::Stack;
use e2e::guest::Guest;
use lifeboat::demo::fault::Fault;
use types::diagnosis::FixState;
use types::rescue::hex;
use types::{GuestStatus, SessionState};

/// As long as a boot of the rescue system may take on a busy machine.
const TASK: &str = "400";

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_server_from_booting_is_found_and_mended_and_only_a_commit_is_final() {
    let stack = Stack::up().await.unwrap();
    let mut web = Guest::boot(&stack, "web1").await.unwrap();
    let climc = async |args: &[&str]| stack.climc(&[args, &["--wait", "--timeout", TASK]].concat()).await.unwrap();
    let examined = async || -> Examined {
        serde_json::from_str(&stack.climc(&["server-rescue-findings", "web1", "-o", "json"]).await.unwrap()).unwrap()
    };
    climc(&["server-stop", "web1", "--force"]).await;
    web.break_disk(Fault::Fstab.word()).await.unwrap();
    let disk = web.view().await.unwrap().disks[0].id;
    let disk = lifeboat::stack::disk_file(&stack.state, web.id, disk).unwrap();
    let digest = || {
        use sha2::Digest;
        hex(&sha2::Sha256::digest(std::fs::read(&disk).unwrap()))
    };
    let broken = digest();

    climc(&["server-start-rescue", "web1", "--disk-mode", "overlay"]).await;
    climc(&["server-rescue-diagnose", "web1"]).await;
    let diagnosis = examined().await.diagnosis.expect("a diagnosis");
    let finding =
        diagnosis.findings.iter().find(|finding| finding.code.starts_with("fstab_")).expect("the bad line is found");
    let finding_code = finding.code.clone();
    let fix = finding.fixes.iter().find(|fix| fix.safe).expect("a fix that is safe").code.clone();
    assert!(!diagnosis.skipped.iter().any(|it| it.code == "last_boot"), "the host told what the server printed last");

    climc(&["server-rescue-repair", "web1", "--fix", &fix, "--dry-run"]).await;
    climc(&["server-rescue-repair", "web1", "--fix", &fix]).await;
    let repairs = examined().await.repairs;
    assert_eq!(repairs.iter().map(|it| it.report.fixes[0].state).collect::<Vec<_>>(), [FixState::Done, FixState::Done]);
    assert_eq!(repairs[0].report.changes, repairs[1].report.changes, "the dry run has told what would be changed");
    climc(&["server-rescue-diagnose", "web1"]).await;
    let left = examined().await.diagnosis.expect("a diagnosis").findings;
    assert!(left.iter().all(|finding| finding.code != diagnosis.findings[0].code), "{left:?}");
    assert_eq!(digest(), broken, "the server's own disk is as it was");

    climc(&["server-stop-rescue", "web1", "--overlay", "commit"]).await;
    assert_ne!(digest(), broken);
    web.screen.turn_page();
    climc(&["server-start", "web1"]).await;
    web.boots().await.unwrap();

    // The same with one command, from the emergency mode that it hangs in: repaired, tried, committed.
    climc(&["server-stop", "web1"]).await;
    web.break_disk(Fault::Fstab.word()).await.unwrap();
    climc(&["server-rescue-repair", "web1", "--auto"]).await;
    let trial = examined().await.trials.pop().expect("it was tried").report;
    assert_eq!(trial.sign.as_deref(), Some("tiny login:"), "{trial:?}");
    assert_eq!(web.view().await.unwrap().status, GuestStatus::Ready, "off, as it was before");

    // What is safe does not help here: that is thrown away, and the server is in rescue with what it printed.
    web.break_disk(Fault::Fstab.word()).await.unwrap();
    web.break_disk("initramfs").await.unwrap();
    let broken = digest();
    let error =
        stack.climc(&["server-rescue-repair", "web1", "--auto", "--wait", "--timeout", TASK]).await.unwrap_err();
    let told = examined().await;
    let trial = told.trials.last().expect("it was tried").report.clone();
    assert!(trial.cause.unwrap().contains("Kernel panic"), "{error:#}");
    assert!(trial.console.iter().any(|line| line.contains("Kernel panic")));
    assert!(told.repairs.iter().any(|it| it.report.fixes[0].state == FixState::Done));
    let session = web.session().await.unwrap();
    assert_eq!((session.state, session.is_ready, session.boot), (SessionState::Active, true, 2));
    assert_eq!(digest(), broken, "the server's own disk is as it was");
    // The rescue system that is there now sees it as it is, without what did not help.
    climc(&["server-rescue-diagnose", "web1"]).await;
    let found: Vec<_> = examined().await.diagnosis.unwrap().findings.into_iter().map(|it| it.code).collect();
    assert!(found.contains(&finding_code) && found.contains(&"initramfs_truncated".to_owned()), "{found:?}");
    climc(&["server-stop-rescue", "web1", "--overlay", "discard"]).await;
    assert_eq!(digest(), broken);
}
