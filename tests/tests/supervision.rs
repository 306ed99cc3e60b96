//! `lifeboat up` keeps its parts alive, whichever dies, and another `up` or `down` clears up after a supervisor that was killed.

use std::time::Duration;

use api::ListQuery;
use api::host::{Hosts, Reachability};
use e2e::{Stack, until};
use lifeboat::board::SUPERVISOR;
use lifeboat::process::Process;
use lifeboat::rc::Rc;
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn whichever_part_dies_comes_back_where_it_was() {
    let stack = Stack::up().await.unwrap();
    let url = Rc::read(&stack.state).unwrap().auth_url;
    host_is_online(&stack).await;
    for part in ["region", "baremetal-agent", "host", "postgres"] {
        stack.kill(part).await.unwrap();
        host_is_online(&stack).await;
        let status = stack.lifeboat("status").unwrap();
        assert!(status.status.success(), "{part}: {}", String::from_utf8_lossy(&status.stdout));
    }
    assert_eq!(Rc::read(&stack.state).unwrap().auth_url, url);

    // The supervisor itself: what it leaves is no longer kept alive, and the next one starts from it.
    let before = process(&stack, "region");
    process(&stack, SUPERVISOR).signal(Signal::KILL);
    assert!(process(&stack, SUPERVISOR).gone_within(LIMIT).await);
    assert_eq!(stack.lifeboat("status").unwrap().status.code(), Some(3));
    stack.up_again().unwrap();
    assert!(!before.is_alive() && process(&stack, "region").is_alive());
    assert_eq!(Rc::read(&stack.state).unwrap().auth_url, url, "the address that others know");
    host_is_online(&stack).await;

    // It runs already: nothing happens.
    let region = process(&stack, "region");
    stack.up_again().unwrap();
    assert_eq!(process(&stack, "region"), region);

    let parts = ["region", "baremetal-agent", "host", "postgres", SUPERVISOR].map(|part| process(&stack, part));
    assert!(stack.lifeboat("down").unwrap().status.success());
    assert!(parts.iter().all(|part| !part.is_alive()), "{parts:?}");
    assert_eq!(stack.lifeboat("status").unwrap().status.code(), Some(3));
    assert!(stack.lifeboat("down").unwrap().status.success(), "once more does no harm");
}

fn process(stack: &Stack, part: &str) -> Process {
    stack.part(part).unwrap().process.unwrap_or_else(|| panic!("{part} does not run"))
}

/// Region answers, and has heard its host since.
async fn host_is_online(stack: &Stack) {
    let asked = std::time::SystemTime::now();
    let heard = async || {
        let Ok(hosts) = stack.client.list::<Hosts>(&ListQuery::default()).await else { return Ok(None) };
        let online = |host: &api::host::Host| {
            host.host_status == Reachability::Online && std::time::SystemTime::from(host.last_heartbeat) > asked
        };
        Ok(hosts.data.iter().any(online).then_some(()))
    };
    until(LIMIT, "a heartbeat of the host", heard).await.unwrap();
}
