use api::ListQuery;
use api::disk::{Disk, Disks};
use api::server::{AttachDisk, DetachDisk, ResizeDisk, ServerDisk, Servers, Stop};
use host_sim::Verb;
use testing::Stack;
use types::GuestStatus;
use types::desc::DiskDriver;
use types::status::DiskStatus;

use crate::{done, fails, refused, run};

async fn disk(stack: &Stack, ident: &str) -> Disk {
    stack.client.get::<Disks>(ident).await.expect("the disk is there")
}

async fn second(stack: &Stack, name: &str) -> ServerDisk {
    done(stack, name, &AttachDisk { size: Some(50), ..AttachDisk::default() }).await;
    stack.show(name).await.disks.into_iter().find(|d| d.index == 1).expect("a second disk")
}

fn detach(ident: impl ToString) -> DetachDisk {
    DetachDisk { disk_id: ident.to_string() }
}
fn attach(ident: impl ToString) -> AttachDisk {
    AttachDisk { disk_id: Some(ident.to_string()), ..AttachDisk::default() }
}

/// Its client has no verb for it: `DELETE /disks/{id}`.
async fn delete(stack: &Stack, ident: &str) -> Result<api::task::Task, client::Error> {
    let deleted = stack.client.delete::<Disks>(ident).await?;
    Ok(stack.ended(deleted.task.expect("a task").id).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_goes_from_one_server_to_another_and_is_deleted() {
    let stack = Stack::start().await;
    let one = stack.server("web1", true).await.id;
    let two = stack.server("web2", false).await.id;
    let data = second(&stack, "web1").await;
    assert_eq!(stack.host.guest(one).unwrap().desc.disks.len(), 2);
    let shown = disk(&stack, &data.serial).await;
    assert_eq!((shown.status, shown.server.as_deref(), shown.index), (DiskStatus::InUse, Some("web1"), Some(1)));

    done(&stack, "web1", &detach(&data.serial)).await;
    let shown = disk(&stack, &data.id.to_string()).await;
    assert_eq!((shown.status, shown.server, shown.server_id, shown.index), (DiskStatus::Ready, None, None, None));
    let list =
        stack.client.list::<Disks>(&ListQuery { status: vec!["ready".into()], ..Default::default() }).await.unwrap();
    assert_eq!(list.data.iter().map(|d| d.id).collect::<Vec<_>>(), [data.id], "it stays visible");
    assert_eq!(stack.show("web1").await.disks.len(), 1);

    done(&stack, "web2", &attach(data.id)).await;
    assert_eq!(disk(&stack, &data.serial).await.server.as_deref(), Some("web2"));
    assert_eq!(stack.host.guest(two).unwrap().desc.disks[1].id, data.id);
    let (code, details) = refused(&stack, "web1", &attach(data.id)).await;
    assert!(code == 409 && details.contains("web2"), "{details}");

    match delete(&stack, &data.serial).await {
        Err(client::Error::Api(body)) => assert!(body.status == 409 && body.details.contains("detach"), "{body:?}"),
        other => panic!("a disk of a server was deleted: {other:?}"),
    }
    done(&stack, "web2", &detach(data.id)).await;
    let task = delete(&stack, &data.serial).await.unwrap();
    assert_eq!(task.task_name, "DiskDeleteTask");
    assert!(stack.client.get::<Disks>(&data.serial).await.is_err_and(|e| e.is_not_found()));
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_disk_outlives_its_server() {
    let stack = Stack::start().await;
    stack.server("web1", false).await;
    let data = second(&stack, "web1").await;
    done(&stack, "web1", &detach(data.id)).await;
    let deleted = stack.client.delete::<Servers>("web1").await.unwrap();
    stack.ended(deleted.task.unwrap().id).await;
    assert_eq!(disk(&stack, &data.serial).await.status, DiskStatus::Ready);
    let guest = stack.server("web2", false).await.id;
    done(&stack, "web2", &attach(&data.serial)).await;
    done(&stack, "web2", &detach(&data.serial)).await;
    // What its host can't delete stays, and can be tried again.
    stack.host.rule(Some(Verb::DeleteDisk), None, Some(1), crate::broken());
    delete(&stack, &data.serial).await.unwrap();
    assert_eq!(disk(&stack, &data.serial).await.status, DiskStatus::DeleteFailed);
    delete(&stack, &data.serial).await.unwrap();
    assert!(stack.client.get::<Disks>(&data.serial).await.is_err());
    assert_eq!(stack.host.guest(guest).unwrap().desc.disks.len(), 1);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_done_while_it_runs_is_refused_and_said() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    let ide = AttachDisk { size: Some(10), driver: Some(DiskDriver::Ide), ..AttachDisk::default() };
    let (code, details) = refused(&stack, "web1", &ide).await;
    assert!(code == 409 && details.contains("off"), "{details}");
    let (code, _) = refused(&stack, "web1", &detach(&server.disks[0].serial)).await;
    assert_eq!(code, 409, "it runs from its first disk");
    for (action, code) in [
        (AttachDisk::default(), 400),
        (attach("nosuch"), 404),
        (AttachDisk { size: Some(1), ..attach("nosuch") }, 400),
        (AttachDisk { image: Some("../x".into()), ..AttachDisk::default() }, 400),
    ] {
        assert_eq!(refused(&stack, "web1", &action).await.0, code, "{action:?}");
    }
    let (code, details) = refused(&stack, "web1", &detach("nosuch")).await;
    assert!(code == 404 && details.contains(&server.disks[0].serial), "{details}");
    done(&stack, "web1", &Stop::default()).await;
    done(&stack, "web1", &ide).await;
    assert_eq!(stack.show("web1").await.disks.len(), 2);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_grows_and_never_shrinks() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    let resize = |size| ResizeDisk { disk_id: server.disks[0].serial.clone(), size };
    done(&stack, "web1", &resize(200)).await;
    let now = stack.show("web1").await;
    assert_eq!((now.status, now.disks[0].size), (GuestStatus::Running, 200));
    assert_eq!(stack.host.guest(server.id).unwrap().desc.disks[0].size_mib, 200);
    let (code, details) = refused(&stack, "web1", &resize(100)).await;
    assert!(code == 400 && details.contains("never becomes smaller"), "{details}");
    assert_eq!(refused(&stack, "web1", &resize(0)).await.0, 400);
    stack.finish().await;
}

/// A disk that could not be attached is free again, and the server is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_could_not_be_attached_is_free_again() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let data = second(&stack, "web1").await;
    done(&stack, "web1", &detach(data.id)).await;
    fails(&stack, guest, &[Verb::ChangeGuest]);
    run(&stack, "web1", &attach(data.id)).await;
    let server = stack.show("web1").await;
    assert_eq!((server.status, server.disks.len()), (GuestStatus::Running, 1));
    assert!(server.status_reason.is_some_and(|why| why.contains("as the test wants")));
    assert_eq!(disk(&stack, &data.serial).await.status, DiskStatus::Ready);
    done(&stack, "web1", &attach(data.id)).await;
    assert_eq!(stack.show("web1").await.status_reason, None);
    stack.finish().await;
}
