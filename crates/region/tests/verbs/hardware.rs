use api::server::{AttachNetwork, ChangeConfig, DetachNetwork, EjectIso, InsertIso, Start, Stop};
use testing::Stack;
use types::GuestStatus;

use crate::{done, refused};

#[tokio::test(flavor = "multi_thread")]
async fn processors_and_memory_change_while_it_is_off() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    let more = ChangeConfig { vcpu_count: Some(4), vmem_size: Some(1024), ..ChangeConfig::default() };
    let (code, details) = refused(&stack, "web1", &more).await;
    assert!(code == 409 && details.contains("off") && details.contains("stop"), "{details}");
    done(&stack, "web1", &Stop::default()).await;
    let task = done(&stack, "web1", &more).await;
    assert_eq!(task.task_name, "ServerChangeTask");
    let server = stack.show("web1").await;
    assert_eq!((server.status, server.vcpu_count, server.vmem_size), (GuestStatus::Ready, 4, 1024));
    let desc = stack.host.guest(guest).unwrap().desc;
    assert_eq!((desc.vcpu, desc.memory_mib), (4, 1024), "its host has it so");

    let same = stack.client.perform("web1", &more).await.unwrap();
    assert!(same.task.is_none(), "nothing was left to do");
    let too_much = ChangeConfig { vmem_size: Some(4 * 1024 * 1024), ..ChangeConfig::default() };
    assert_eq!(refused(&stack, "web1", &too_much).await.0, 507);
    let unknown = ChangeConfig { qemu_version: Some("1.0".into()), ..ChangeConfig::default() };
    let (code, details) = refused(&stack, "web1", &unknown).await;
    assert!(code == 400 && details.contains("it has"), "{details}");
    assert_eq!(refused(&stack, "web1", &ChangeConfig::default()).await.0, 400);

    // The screen comes with the next start; that is said.
    done(&stack, "web1", &Start {}).await;
    done(&stack, "web1", &ChangeConfig { vnc: Some(true), ..ChangeConfig::default() }).await;
    let server = stack.show("web1").await;
    assert!(server.vnc && server.status == GuestStatus::Running);
    let query = api::ListQuery { obj_id: Some("web1".into()), ..Default::default() };
    let events = stack.client.list::<api::event::Events>(&query).await.unwrap().data;
    assert!(events.iter().any(|e| e.action == "change_config" && e.notes.contains("vnc")), "{events:?}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_cards_come_and_go_and_the_others_stay() {
    let stack = Stack::start().await;
    let guest = stack.server("web1", true).await.id;
    for mac in ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"] {
        done(&stack, "web1", &AttachNetwork { mac: Some(mac.into()), ..AttachNetwork::default() }).await;
    }
    done(&stack, "web1", &DetachNetwork { index: Some(2), mac: None }).await;
    let nics = async || -> Vec<(u32, String)> {
        stack.show("web1").await.nics.into_iter().map(|n| (n.index, n.mac)).collect()
    };
    assert_eq!(nics().await, [(1, "52:54:00:00:00:01".into()), (3, "52:54:00:00:00:03".into())]);
    done(&stack, "web1", &AttachNetwork { mac: Some("52:54:00:00:00:0A".into()), ..AttachNetwork::default() }).await;
    assert_eq!(nics().await[1], (2, "52:54:00:00:00:0a".into()), "the lowest place that is free while it runs");
    assert_eq!(stack.host.guest(guest).unwrap().desc.nics.len(), 3);

    let twice = AttachNetwork { mac: Some("52:54:00:00:00:01".into()), ..AttachNetwork::default() };
    assert_eq!(refused(&stack, "web1", &twice).await.0, 409);
    let (code, details) = refused(&stack, "web1", &DetachNetwork { index: Some(7), mac: None }).await;
    assert!(code == 404 && details.contains("52:54:00:00:00:03"), "{details}");
    assert_eq!(refused(&stack, "web1", &DetachNetwork::default()).await.0, 400);
    done(&stack, "web1", &DetachNetwork { index: None, mac: Some("52:54:00:00:00:0A".into()) }).await;
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_change_at_any_time_but_drives_only_while_it_is_off() {
    let stack = Stack::start().await;
    stack.server("web1", true).await;
    let iso = |name: &str| InsertIso { iso: name.into(), cdrom: 0 };
    let (code, details) = refused(&stack, "web1", &iso("a.iso")).await;
    assert!(code == 409 && details.contains("a drive is added"), "{details}");
    done(&stack, "web1", &Stop::default()).await;
    done(&stack, "web1", &iso("a.iso")).await;
    done(&stack, "web1", &Start {}).await;
    done(&stack, "web1", &iso("b.iso")).await;
    assert_eq!(stack.show("web1").await.cdroms[0].iso.as_deref(), Some("b.iso"));
    done(&stack, "web1", &EjectIso { cdrom: 0 }).await;
    let server = stack.show("web1").await;
    assert_eq!((server.status, server.cdroms.len(), &server.cdroms[0].iso), (GuestStatus::Running, 1, &None));
    assert!(stack.client.perform("web1", &EjectIso { cdrom: 0 }).await.unwrap().task.is_none(), "it is empty already");
    assert_eq!(refused(&stack, "web1", &EjectIso { cdrom: 1 }).await.0, 404);
    assert_eq!(refused(&stack, "web1", &iso("../x")).await.0, 400);
    stack.finish().await;
}
