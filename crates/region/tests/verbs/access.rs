//! What start-rescue asks of network and image, through REST, and how a server that nothing fits is refused.

use api::rescue::RescueSessions;
use api::server::{NetCreate, ServerCreate, Servers, StartRescue, StopRescue};
use api::task::TaskState;
use host_sim::Verb;
use testing::Stack;
use types::status::RescueNetwork;
use types::{GuestStatus, SessionState};

use crate::{done, refused};

fn cut_off() -> StartRescue {
    StartRescue { network: Some(RescueNetwork::None), ..StartRescue::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_may_go_without_a_network_but_only_where_that_is_kept() {
    let stack = Stack::start().await;
    let server = stack.server("web1", true).await;
    let key = StartRescue { ssh_keys: vec!["ssh-ed25519 AAAA".into()], ..cut_off() };
    let (code, details) = refused(&stack, "web1", &key).await;
    assert!(code == 400 && details.contains("ssh") && details.contains("password"), "{details}");

    done(&stack, "web1", &cut_off()).await;
    let section = stack.host.guest(server.id).unwrap().desc.rescue.expect("it is in rescue");
    assert_eq!(section.network, Some(RescueNetwork::None));
    let session = stack.client.get::<RescueSessions>("web1").await.unwrap();
    assert_eq!(session.network, RescueNetwork::None);
    done(&stack, "web1", &StopRescue::default()).await;

    done(&stack, "web1", &StartRescue::default()).await;
    assert_eq!(stack.host.guest(server.id).unwrap().desc.rescue.unwrap().network, None, "what is usual is not written");
    assert_eq!(stack.client.get::<RescueSessions>("web1").await.unwrap().network, RescueNetwork::Full);
    done(&stack, "web1", &StopRescue::default()).await;

    // A host that does not know of it would hand the network over: it is asked first, and nothing is touched.
    let stops = || stack.host.executions().iter().filter(|it| it.verb == Verb::StopGuest).count();
    let before = stops();
    stack.host.set_protocol(None);
    let accepted = stack.client.perform("web1", &cut_off()).await.unwrap();
    let task = stack.ended(accepted.task.unwrap().id).await;
    assert_eq!(task.state, TaskState::Failed);
    assert!(task.cause.as_deref().is_some_and(|cause| cause.contains("upgrade it")), "{:?}", task.cause);
    assert_eq!(stack.show("web1").await.status, GuestStatus::Running);
    assert_eq!(stops(), before, "the server was left alone");
    assert_eq!(stack.client.get::<RescueSessions>("web1").await.unwrap().state, SessionState::Failed);
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_image_that_drives_the_servers_devices_is_chosen_or_the_lack_is_named() {
    let stack = Stack::start().await;
    let server = async |name: &str, change: &dyn Fn(&mut ServerCreate)| {
        let mut body = Stack::body(name, false);
        body.vmem_size = 512;
        change(&mut body);
        let created = stack.client.create::<Servers>(&body).await.unwrap();
        stack.ended(created.task.unwrap().id).await;
    };
    server("plain", &|_| {}).await;
    server("sata", &|body| body.disks[0].driver = Some("sata".parse().unwrap())).await;
    let e1000 = |body: &mut ServerCreate| {
        body.nets = vec![NetCreate { model: Some("e1000".parse().unwrap()), ..NetCreate::default() }];
    };
    server("e1000", &e1000).await;
    let image = async |name: &str| stack.client.get::<RescueSessions>(name).await.unwrap().image.name;

    // `small` alone.
    for (name, lack) in
        [("sata", "small 1: can't drive sata disks, as disk 0 is one"), ("e1000", "small 1: can't drive e1000 NICs")]
    {
        let (code, details) = refused(&stack, name, &StartRescue::default()).await;
        assert!(code == 400 && details.contains(lack), "{details}");
        assert_eq!(stack.show(name).await.status, GuestStatus::Ready, "nothing was changed");
    }
    done(&stack, "e1000", &cut_off()).await;
    assert_eq!(image("e1000").await, "small", "without a network its NIC needs no driver");
    done(&stack, "e1000", &StopRescue::default()).await;

    stack
        .register_image("agent2", &stack.image.beside("std", 384, &["virtio-blk", "virtio-net", "ahci", "e1000"]))
        .await;
    for (name, chosen) in [("plain", "small"), ("sata", "std"), ("e1000", "std")] {
        done(&stack, name, &StartRescue::default()).await;
        assert_eq!(image(name).await, chosen, "{name}");
        done(&stack, name, &StopRescue::default()).await;
    }
    stack.finish().await;
}
