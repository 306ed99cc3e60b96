//! NICs on a bridge, and on an interface, of the host. All of it in a network namespace of the test's own: QEMU, `ip`, the bridge.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use proto::host::v1 as pb;
use types::desc::{Desc, DiskDriver, NicBackend, NicDesc, NicModel};
use types::operation::{FailureCode, Outcome};

use crate::agent::{Agent, create, operate, stop, tiny, until};

/// Removed with the test.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let namespace = Self(format!("lifeboat-test-{}", std::process::id()));
        let added = Command::new("ip").args(["netns", "add", &namespace.0]).status().expect("iproute2 is installed");
        assert!(added.success(), "a network namespace takes root");
        // What is sent here is a guest's: the host has no word of its own to say.
        let quiet = "for one in all default; do echo 1 >/proc/sys/net/ipv6/conf/$one/disable_ipv6; done";
        let quiet = Command::new("ip").args(["netns", "exec", &namespace.0, "sh", "-c", quiet]).status().unwrap();
        assert!(quiet.success());
        namespace.ip(&["link", "add", "br-lb", "type", "bridge"]);
        namespace.ip(&["link", "set", "br-lb", "up"]);
        namespace.ip(&["link", "add", "uplink", "type", "veth", "peer", "name", "beyond"]);
        ["uplink", "beyond"].iter().for_each(|name| drop(namespace.ip(&["link", "set", name, "up"])));
        namespace
    }
    fn ip(&self, arguments: &[&str]) -> String {
        let output = Command::new("ip").args(["-n", &self.0]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
    /// The bridge's ports that somebody has open.
    fn ports(&self) -> Vec<String> {
        let links: serde_json::Value =
            serde_json::from_str(&self.ip(&["-j", "link", "show", "master", "br-lb"])).unwrap_or_default();
        let open =
            |it: &&serde_json::Value| it["flags"].as_array().is_some_and(|flags| flags.contains(&"LOWER_UP".into()));
        let ports = links.as_array().into_iter().flatten().filter(open);
        ports.map(|it| it["ifname"].as_str().unwrap().to_owned()).collect()
    }
    /// Frames that somebody sent by an interface.
    fn sent(&self, name: &str) -> u64 {
        let links: serde_json::Value =
            serde_json::from_str(&self.ip(&["-j", "-s", "link", "show", "dev", name])).unwrap();
        links[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
    }
    /// A program that runs another in here.
    fn script(&self, path: &Path, program: &str) {
        std::fs::write(path, format!("#!/bin/sh\nexec ip netns exec {} {program} \"$@\"\n", self.0)).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_a_port_of_a_bridge_while_it_runs() {
    let namespace = Namespace::new();
    let mut agent = Agent::start_with(&[], |config, folder| {
        let (qemu, ip) = (folder.join("qemu"), folder.join("ip"));
        namespace.script(&qemu, "qemu-system-x86_64");
        namespace.script(&ip, "ip");
        config.qemu.binaries = vec![qemu];
        config.network.ip = ip;
        config.network.bridges = vec!["br-lb".into(), "uplink".into()];
        // `ip netns exec` takes root.
        config.qemu.user = "none".into();
    })
    .await;
    let nic = |index: u32, bridge: &str| NicDesc {
        index,
        backend: NicBackend::Tap,
        mac: format!("52:54:00:00:00:0{index}"),
        model: NicModel::Virtio,
        forwards: vec![],
        bridge: Some(bridge.into()),
    };
    let mut desc = tiny(DiskDriver::Virtio);
    let guest = desc.id;
    desc.nics = vec![nic(0, "docker0")];
    let outcome = operate!(agent, agent.header(guest), create_guest, create(&desc));
    let Outcome::Failed { failure } = outcome else { panic!("{outcome:?}") };
    assert!(failure.code == FailureCode::Resource && failure.message.contains("[network] bridges"), "{failure:?}");

    desc.nics = vec![nic(0, "br-lb")];
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let started = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    assert_eq!(started, Outcome::Started);
    let first = host::network::interface(guest, 0);
    assert_eq!(namespace.ports().join(" "), first);

    // One more while it runs; the agent dies, and knows at its next start what to remove.
    let more = Desc { nics: vec![nic(0, "br-lb"), nic(1, "br-lb")], ..desc.clone() };
    let change = pb::ChangeGuestRequest { operation: None, desc_json: serde_json::to_string(&more).unwrap() };
    let changed = operate!(agent, agent.header(guest), change_guest, change);
    assert!(matches!(changed, Outcome::Changed { .. }), "{changed:?}");
    let mut ports = namespace.ports();
    ports.sort();
    let mut both = [first, host::network::interface(guest, 1)];
    both.sort();
    assert_eq!(ports, both);
    agent.kill().await;
    agent.run().await;
    agent.until_state("the guest found", guest, |state| state.power == "running").await;
    operate!(agent, agent.header(guest), stop_guest, stop(1, true));
    until("no port is left", || namespace.ports().is_empty().then_some(())).await;
    assert!(!namespace.ip(&["link"]).contains(": lb"), "and no interface");

    // By hand as well.
    let by_hand = Command::new(agent.guest_folder(guest).join("startvm")).output().unwrap();
    assert!(by_hand.status.success(), "{}", String::from_utf8_lossy(&by_hand.stderr));
    assert_eq!(namespace.ports().len(), 2);
    agent.until_state("the guest found", guest, |state| state.power == "running").await;
    operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None });
    assert!(!namespace.ip(&["link"]).contains(": lb"));

    // On an interface of the host: the guest's own search for an address goes out there.
    let mut desc = tiny(DiskDriver::Virtio);
    let guest = desc.id;
    desc.nics = vec![NicDesc { backend: NicBackend::Macvtap, ..nic(3, "uplink") }];
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let started = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    assert_eq!(started, Outcome::Started, "{}", agent.log());
    let name = host::network::interface(guest, 3);
    assert_eq!(namespace.sent(&name), 0, "it has not booted yet");
    let shown = namespace.ip(&["-d", "link", "show", "dev", &name]);
    assert!(shown.contains("macvtap mode bridge") && shown.contains("52:54:00:00:00:03"), "{shown}");
    until("a frame of the guest's", || (namespace.sent(&name) > 0).then_some(())).await;
    // Another agent finds it, and takes the interface away with the guest.
    agent.kill().await;
    agent.run().await;
    agent.until_state("the guest found", guest, |state| state.power == "running").await;
    operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None });
    assert!(!namespace.ip(&["link"]).contains(": lb"));
}
