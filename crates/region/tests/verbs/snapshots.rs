use api::ListQuery;
use api::server::{AttachDisk, Start, Stop};
use api::snapshot::{CreateSnapshot, RevertSnapshot, Snapshots};
use host_sim::Verb;
use testing::Stack;
use types::GuestStatus;
use types::status::SnapshotStatus;

use crate::{done, fails, refused, run};

fn create(name: &str) -> CreateSnapshot {
    CreateSnapshot { name: name.into(), description: String::new() }
}
fn revert(ident: &str) -> RevertSnapshot {
    RevertSnapshot { snapshot_id: ident.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_back_to_a_snapshot() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    done(&stack, "web1", &create("before")).await;
    let shown = stack.client.get::<Snapshots>("before").await.unwrap();
    assert_eq!((shown.status, shown.running, shown.disks.len()), (SnapshotStatus::Ready, true, 1));
    assert_eq!(stack.host.guest(guest).unwrap().snapshots.len(), 1);
    assert_eq!(refused(&stack, "web1", &create("before")).await.0, 409);
    assert_eq!(refused(&stack, "web1", &create("a b")).await.0, 400);

    let (code, details) = refused(&stack, "web1", &revert("before")).await;
    assert!(code == 409 && details.contains("ready"), "only while it is off: {details}");
    done(&stack, "web1", &Stop::default()).await;
    done(&stack, "web1", &revert(&shown.id.to_string())).await;
    assert_eq!(stack.show("web1").await.status, GuestStatus::Ready);
    assert_eq!(refused(&stack, "web1", &revert("nosuch")).await.0, 404);

    done(&stack, "web1", &AttachDisk { size: Some(10), ..AttachDisk::default() }).await;
    let (code, details) = refused(&stack, "web1", &revert("before")).await;
    assert!(code == 409 && details.contains("detach"), "{details}");

    let query = ListQuery { search: Some("bef".into()), ..Default::default() };
    assert_eq!(stack.client.list::<Snapshots>(&query).await.unwrap().total, 1);
    let deleted = stack.client.delete::<Snapshots>("before").await.unwrap();
    stack.ended(deleted.task.unwrap().id).await;
    assert!(stack.client.get::<Snapshots>("before").await.is_err_and(|e| e.is_not_found()));
    assert!(stack.host.guest(guest).unwrap().snapshots.is_empty());
    done(&stack, "web1", &Start {}).await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_failed_says_so_and_can_be_deleted() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    fails(&stack, guest, &[Verb::CreateSnapshot]);
    run(&stack, "web1", &create("s1")).await;
    let shown = stack.client.get::<Snapshots>("s1").await.unwrap();
    assert_eq!(shown.status, SnapshotStatus::CreateFailed);
    assert!(shown.status_reason.is_some_and(|why| why.contains("as the test wants")));
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running, "the server is as it was");

    fails(&stack, guest, &[Verb::DeleteSnapshot]);
    let deleted = stack.client.delete::<Snapshots>("s1").await.unwrap();
    stack.ended(deleted.task.unwrap().id).await;
    assert_eq!(stack.client.get::<Snapshots>("s1").await.unwrap().status, SnapshotStatus::DeleteFailed);
    let deleted = stack.client.delete::<Snapshots>("s1").await.unwrap();
    stack.ended(deleted.task.unwrap().id).await;
    assert!(stack.client.get::<Snapshots>("s1").await.is_err());
    stack.finish().await;
}
