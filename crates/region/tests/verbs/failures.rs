//! A host that fails, and then does not say how the server is: each `_failed` status, reached and left for real.

use api::server::{
    AttachDisk, ChangeConfig, DetachDisk, ResizeDisk, Resume, Servers, StartRescue, Stop, Suspend, SyncStatus,
};
use api::snapshot::{CreateSnapshot, RevertSnapshot};
use host_sim::Verb;
use testing::Stack;
use types::{GuestId, GuestStatus};

use crate::{done, fails, run};

/// The ways out that a status has, besides asking the host again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Out {
    Sync,
    Delete,
    Suspend,
    Resume,
    Stop,
}

/// Brings a new server to a `_failed` status: the request fails, and so does the question how it is now.
async fn bring(stack: &Stack, name: &str, status: GuestStatus) -> GuestId {
    use GuestStatus::{
        AttachDiskFailed, ChangeConfigFailed, DetachDiskFailed, DiskResetFailed, DiskResizeFailed, ResumeFailed,
        SnapshotFailed, SuspendFailed,
    };
    let on = !matches!(status, ChangeConfigFailed | DiskResetFailed);
    let server = stack.server(name, on).await;
    let guest = server.id;
    let silent = |verb| fails(stack, guest, &[verb, Verb::RestoreDesc]);
    match status {
        SuspendFailed => {
            silent(Verb::SuspendGuest);
            run(stack, name, &Suspend {}).await;
        }
        ResumeFailed => {
            done(stack, name, &Suspend {}).await;
            silent(Verb::ResumeGuest);
            run(stack, name, &Resume {}).await;
        }
        ChangeConfigFailed => {
            silent(Verb::ChangeGuest);
            run(stack, name, &ChangeConfig { vcpu_count: Some(2), ..ChangeConfig::default() }).await;
        }
        AttachDiskFailed => {
            silent(Verb::ChangeGuest);
            run(stack, name, &AttachDisk { size: Some(10), ..AttachDisk::default() }).await;
        }
        DetachDiskFailed => {
            done(stack, name, &AttachDisk { size: Some(10), ..AttachDisk::default() }).await;
            let disk_id = stack.show(name).await.disks[1].serial.clone();
            silent(Verb::ChangeGuest);
            run(stack, name, &DetachDisk { disk_id }).await;
        }
        DiskResizeFailed => {
            silent(Verb::ResizeDisk);
            run(stack, name, &ResizeDisk { disk_id: server.disks[0].serial.clone(), size: 500 }).await;
        }
        SnapshotFailed => {
            silent(Verb::CreateSnapshot);
            run(stack, name, &CreateSnapshot { name: "s".into(), ..CreateSnapshot::default() }).await;
        }
        DiskResetFailed => {
            done(stack, name, &CreateSnapshot { name: "s".into(), ..CreateSnapshot::default() }).await;
            silent(Verb::RevertSnapshot);
            run(stack, name, &RevertSnapshot { snapshot_id: "s".into() }).await;
        }
        other => panic!("{other} is another test's"),
    }
    let now = stack.show(name).await;
    assert_eq!(now.status, status);
    let why = now.status_reason.expect("a reason");
    assert!(why.contains("as the test wants") && why.contains("does not say"), "{why}");
    guest
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_status_is_left_by_each_of_its_ways_out() {
    use GuestStatus::{Ready, ResumeFailed, SuspendFailed};
    let stack = Stack::start().await;
    let paused = [Out::Sync, Out::Resume, Out::Stop];
    let mut table =
        vec![(SuspendFailed, vec![Out::Sync, Out::Suspend, Out::Resume, Out::Stop]), (ResumeFailed, paused.to_vec())];
    table.extend(GuestStatus::CHANGE_FAILED.iter().map(|status| (*status, vec![Out::Sync, Out::Delete])));
    let verbs = region::http::router::verbs();
    for (status, outs) in table {
        // Whatever the verb table allows there has a line here.
        let mut allowed: Vec<&str> = verbs
            .iter()
            .filter(|row| row.resource == "server" && row.from.contains(&status))
            .map(|row| row.verb)
            .collect();
        let mut tried: Vec<&str> = outs
            .iter()
            .map(|out| match out {
                Out::Sync => "syncstatus",
                Out::Delete => "delete",
                Out::Suspend => "suspend",
                Out::Resume => "resume",
                Out::Stop => "stop",
            })
            .collect();
        allowed.sort_unstable();
        tried.sort_unstable();
        assert_eq!(allowed, tried, "{status}");
        for (n, out) in outs.into_iter().enumerate() {
            let name = format!("{}-{n}", status.as_str().replace('_', "-"));
            let guest = bring(&stack, &name, status).await;
            let on = stack.host.guest(guest).unwrap().power;
            match out {
                Out::Sync => {
                    done(&stack, &name, &SyncStatus {}).await;
                    let server = stack.show(&name).await;
                    assert_eq!(Some(server.status), region::guest::look::resting(on), "{status}");
                    assert_eq!(server.status_reason, None);
                }
                Out::Suspend => drop(done(&stack, &name, &Suspend {}).await),
                Out::Resume => drop(done(&stack, &name, &Resume {}).await),
                Out::Stop => drop(done(&stack, &name, &Stop { is_force: true, timeout_secs: None }).await),
                Out::Delete => {
                    let deleted = stack.client.delete::<Servers>(&name).await.unwrap();
                    stack.ended(deleted.task.unwrap().id).await;
                    assert!(stack.host.guest(guest).is_none());
                    continue;
                }
            }
            assert!(GuestStatus::FOLLOWS_POWER.contains(&stack.show(&name).await.status), "{status} by {out:?}");
            // Its memory is wanted by the next.
            if stack.show(&name).await.status != Ready {
                done(&stack, &name, &Stop { is_force: true, timeout_secs: None }).await;
            }
            let deleted = stack.client.delete::<Servers>(&name).await.unwrap();
            stack.ended(deleted.task.unwrap().id).await;
        }
    }
    stack.finish().await;
}

/// A disk that was promised to a server whose host does not say stays promised until the host is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_promised_disk_waits_for_the_hosts_word() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    stack.server("web2", true).await;
    done(&stack, "web1", &AttachDisk { size: Some(10), ..AttachDisk::default() }).await;
    let disk = stack.show("web1").await.disks[1].clone();
    done(&stack, "web1", &DetachDisk { disk_id: disk.serial.clone() }).await;
    fails(&stack, guest, &[Verb::ChangeGuest, Verb::RestoreDesc]);
    let attach = AttachDisk { disk_id: Some(disk.serial.clone()), ..AttachDisk::default() };
    run(&stack, "web1", &attach).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::AttachDiskFailed);
    let (code, details) = crate::refused(&stack, "web2", &attach).await;
    assert!(code == 409 && details.contains("attaching"), "{details}");
    done(&stack, "web1", &SyncStatus {}).await;
    done(&stack, "web2", &attach).await;
    stack.finish().await;
}

/// A rescue system that runs where region knows of none has ways out too.
#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_that_nobody_knows_of_is_put_right() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    done(&stack, "web1", &StartRescue::default()).await;
    let mut conn = stack.connection().await;
    db::guest::set_status(&mut conn, guest, GuestStatus::Running, None).await.unwrap();
    done(&stack, "web1", &SyncStatus {}).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::StopRescueFailed);
    done(&stack, "web1", &api::server::StopRescue::default()).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    assert!(stack.host.guest(guest).unwrap().desc.rescue.is_none());
    stack.finish().await;
}
