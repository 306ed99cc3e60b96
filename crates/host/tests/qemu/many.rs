//! Eight guests at once: started side by side, found again by another agent while they boot, asked for several things at the same time,
//! stopped side by side. One guest does one thing at a time, whatever the others do.

use std::collections::HashMap;
use std::sync::Arc;

use proto::host::v1 as pb;
use types::desc::DiskDriver;
use types::id::GuestId;
use types::operation::{OperationHeader, Outcome, StopHow};

use crate::agent::{Agent, create, operate, stop, tiny, until};

const GUESTS: usize = 8;

/// Runs one thing for each guest, all at the same time.
async fn side_by_side<T, F>(agent: &Arc<Agent>, guests: &[GuestId], what: impl Fn(Arc<Agent>, GuestId) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = guests.iter().map(|guest| tokio::spawn(what(Arc::clone(agent), *guest))).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_guests_run_side_by_side_and_each_does_one_thing_at_a_time() {
    let agent = Arc::new(Agent::start(&[]).await);
    let descs: HashMap<_, _> = (0..GUESTS)
        .map(|_| {
            let mut desc = tiny(DiskDriver::Virtio);
            desc.memory_mib = 128;
            desc.disks.truncate(1);
            (desc.id, desc)
        })
        .collect();
    let guests: Vec<_> = descs.keys().copied().collect();
    let descs = Arc::new(descs);
    let started = side_by_side(&agent, &guests, |agent, guest| {
        let descs = Arc::clone(&descs);
        async move {
            operate!(agent, agent.header(guest), create_guest, create(&descs[&guest]));
            operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None })
        }
    })
    .await;
    assert_eq!(started, vec![Outcome::Started; GUESTS]);
    let pids = |agent: &Agent| guests.iter().map(|guest| agent.pid(*guest).expect("it runs")).collect::<Vec<_>>();
    let before = pids(&agent);

    // The agent dies while all of them boot, and the next one takes charge of each.
    let mut agent = Arc::into_inner(agent).expect("nobody else has it");
    agent.kill().await;
    agent.run().await;
    for guest in &guests {
        agent.until_state("the guest found", *guest, |state| state.power == "running").await;
    }
    assert_eq!(pids(&agent), before);
    let agent = Arc::new(agent);

    // Three requests for each guest at the same moment, and one that has the last word.
    let paused = side_by_side(&agent, &guests, |agent, guest| async move {
        let suspend = |header: OperationHeader| {
            let (mut client, operation) = (agent.client(), Some(header.into()));
            async move { client.suspend_guest(pb::SuspendGuestRequest { operation }).await.map(drop) }
        };
        let resume = |header: OperationHeader| {
            let (mut client, operation) = (agent.client(), Some(header.into()));
            async move { client.resume_guest(pb::ResumeGuestRequest { operation }).await.map(drop) }
        };
        let headers = [agent.header(guest), agent.header(guest), agent.header(guest)];
        let [first, second, third] = headers;
        // Whichever comes to the host late is refused: the last one decides.
        let _ = tokio::join!(suspend(first), resume(second), suspend(third));
        let last = agent.header(guest);
        let resumed = operate!(agent, last, resume_guest, pb::ResumeGuestRequest { operation: None });
        (resumed, agent.state(guest).await.power)
    })
    .await;
    assert_eq!(paused, vec![(Outcome::Resumed, "running".to_owned()); GUESTS]);

    for guest in &guests {
        until("the guest's login", || agent.serial(*guest).contains("tiny login:").then_some(())).await;
    }
    let stopped = side_by_side(&agent, &guests, |agent, guest| async move {
        operate!(agent, agent.header(guest), stop_guest, stop(120, false))
    })
    .await;
    let obeyed = |outcome: &Outcome| matches!(outcome, Outcome::Stopped { how: StopHow::Acpi, .. });
    assert!(stopped.iter().all(obeyed), "{stopped:?}");
    assert!(guests.iter().all(|guest| agent.pid(*guest).is_none()));
    one_at_a_time(&agent.log(), &guests);
}

/// As the agents' log has it: each guest's operations begin and end in turn. The one that was killed left nothing begun.
fn one_at_a_time(log: &str, guests: &[GuestId]) {
    for guest in guests {
        let lines = log.lines().filter(|line| line.contains(&format!("server_id={guest}")));
        let mut open: Option<&str> = None;
        let mut seen = 0;
        for line in lines {
            let (_, said) = line.split_once(" operation=").unwrap_or_default();
            let id = said.find(|c: char| c != '-' && !c.is_ascii_hexdigit()).map_or(said, |end| &said[..end]);
            let Some(operation) = Some(id).filter(|id| !id.is_empty()) else { continue };
            if line.contains("operation begins") {
                assert_eq!(open.replace(operation), None, "two at once: {line}");
                seen += 1;
            } else if line.contains("operation ended") || line.contains("operation failed") {
                assert_eq!(open.take(), Some(operation), "{line}");
            }
        }
        assert!(open.is_none() && seen >= 5, "{seen} operations of {guest}");
    }
}
