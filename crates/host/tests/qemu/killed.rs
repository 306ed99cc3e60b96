//! One guest, one rescue, and an agent that is killed in the middle of every one of its requests: the guest's QEMU never notices, and each
//! operation ends once.

use proto::host::v1 as pb;
use types::desc::DiskDriver;
use types::id::GuestId;
use types::operation::{OperationHeader, Outcome, StopHow};

use crate::agent::{Agent, create, heard, operate, stop, tiny, until};
use crate::files::Files;
use crate::rescue::{Session, started_boot};

/// Sends the request, kills the agent once `$in_the_middle` holds, starts it, and sends the same request until it has ended.
macro_rules! killed_during {
    ($agent:expr, $header:expr, $method:ident, $request:expr, $in_the_middle:expr) => {{
        let (mut client, mut request) = ($agent.client(), $request);
        request.operation = Some($header.clone().into());
        // Its answer is lost, or never given.
        let asking = tokio::spawn(async move { client.$method(request).await.map(drop) });
        until(concat!(stringify!($method), " is under way"), || ($in_the_middle)(&$agent).then_some(())).await;
        $agent.kill().await;
        let _ = asking.await;
        $agent.run().await;
        operate!($agent, $header, $method, $request)
    }};
}

/// Whether the agent has taken the operation up, in any of its lives.
fn began(agent: &Agent, header: &OperationHeader) -> bool {
    lines(agent, "operation begins", header) > 0
}

fn lines(agent: &Agent, what: &str, header: &OperationHeader) -> usize {
    let id = header.id.to_string();
    agent.log().lines().filter(|line| line.contains(what) && line.contains(&id)).count()
}

/// QEMUs of the guest that were started since the test began.
fn starts(agent: &Agent, guest: GuestId) -> usize {
    agent.log().lines().filter(|line| line.contains("QEMU runs") && line.contains(&guest.to_string())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_at_every_stage_rescues_all_the_same() {
    let files = Files::serve().await;
    let mut agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    // Nobody hears an outcome until the end, so that every life of the agent has to keep those of the earlier ones.
    agent.region.heard.lock().unwrap().away = true;
    let desc = tiny(DiskDriver::Virtio);
    let (guest, session) = (desc.id, Session::new(&files, "rw"));
    let mut done = Vec::new();
    let Outcome::Created { desc_sha256 } = operate!(agent, agent.header(guest), create_guest, create(&desc)) else {
        panic!()
    };

    let header = agent.header(guest);
    let runs = |agent: &Agent| agent.pid(guest).is_some();
    let start = || pb::StartGuestRequest { operation: None };
    let outcome = killed_during!(agent, header, start_guest, start(), runs);
    assert_eq!(outcome, Outcome::Started);
    done.push((header, outcome));
    until("the guest's login", || agent.serial(guest).contains("tiny login:").then_some(())).await;
    let pid = agent.pid(guest);

    // Half of the initramfs is there when the agent dies.
    files.gate.send_replace(false);
    let initramfs = files.image.initramfs.as_ref().unwrap();
    let digest = &initramfs.sha256;
    let part = agent.folder.path().join("w/store/sha256").join(&digest[..2]).join(format!("{digest}.part"));
    let half_there = || part.metadata().is_ok_and(|part| part.len() >= initramfs.size / 2);
    let header = agent.header(guest);
    let mut request = session.prepare();
    request.operation = Some(header.clone().into());
    agent.client().prepare_rescue(request).await.unwrap();
    until("half of the initramfs", || half_there().then_some(())).await;
    agent.kill().await;
    files.gate.send_replace(true);
    agent.run().await;
    let outcome = operate!(agent, header, prepare_rescue, session.prepare());
    assert!(matches!(&outcome, Outcome::Prepared { bytes_downloaded, .. } if *bytes_downloaded > 0), "{outcome:?}");
    done.push((header, outcome));
    assert_eq!(agent.pid(guest), pid, "the guest runs on");

    // From here on each is killed as soon as it is under way; what it had done by then is chance, and must not matter.
    let header = agent.header(guest);
    let outcome = killed_during!(agent, header, stop_guest, stop(120, false), |agent: &Agent| began(agent, &header));
    let gently = matches!(outcome, Outcome::Stopped { how: StopHow::Acpi | StopHow::AlreadyOff, .. });
    assert!(gently, "the power button was pressed, before or after: {outcome:?}");
    assert_eq!(agent.pid(guest), None);
    done.push((header, outcome));

    for _ in 0..2 {
        let header = agent.header(guest);
        let outcome = killed_during!(agent, header, write_rescue_desc, session.write_desc(), |agent: &Agent| began(
            agent, &header
        ));
        assert_eq!(outcome, Outcome::DescWritten { source_sha256: desc_sha256.clone() });
        done.push((header, outcome));
    }

    let header = agent.header(guest);
    let outcome = killed_during!(agent, header, start_rescue, session.start(), runs);
    assert_eq!(started_boot(&outcome), 1);
    done.push((header, outcome));
    let pid = agent.pid(guest);

    let header = agent.header(guest);
    let outcome = killed_during!(agent, header, await_ready, session.ready(240), |agent: &Agent| began(agent, &header));
    assert!(matches!(&outcome, Outcome::Ready { ready, .. } if ready.boot == 1), "{outcome:?}");
    assert_eq!(agent.pid(guest), pid, "one boot of the rescue system for all of it");
    done.push((header, outcome));

    // A request that region sent before the way back began, and that arrives after it.
    let delayed = agent.header(guest);
    // Out, without a stop of its own: the way back ends the rescue system.
    for _ in 0..2 {
        let header = agent.header(guest);
        let outcome =
            killed_during!(agent, header, restore_desc, session.restore(), |agent: &Agent| began(agent, &header));
        assert_eq!(outcome, Outcome::Restored { desc_sha256: desc_sha256.clone(), uefi_vars: None });
        assert_eq!(agent.pid(guest), None);
        done.push((header, outcome));
    }
    let mut late = session.start();
    late.operation = Some(delayed.clone().into());
    let refused = agent.client().start_rescue(late).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
    assert!(agent.pid(guest).is_none() && !began(&agent, &delayed), "nothing of it was done");
    let logins = agent.serial(guest).matches("tiny login:").count();
    let header = agent.header(guest);
    let outcome = killed_during!(agent, header, start_guest, start(), runs);
    assert_eq!(outcome, Outcome::Started);
    done.push((header, outcome));
    until("the guest's login", || (agent.serial(guest).matches("tiny login:").count() > logins).then_some(())).await;
    assert!(!agent.arguments(guest).contains("yn_rescue_mode"));
    assert!(starts(&agent, guest) <= 3, "a QEMU was started twice\n{}", agent.log());

    // Each ended once, is reported once, and is answered as it ended for as long as somebody asks.
    agent.region.heard.lock().unwrap().away = false;
    agent
        .region
        .until("region hears of all", |region| {
            done.iter().all(|(header, _)| region.reports.iter().any(|it| it.operation_id == header.id.to_string()))
        })
        .await;
    for (header, outcome) in &done {
        // Killed before its end was on disk, it is carried out to its end again.
        assert!((1..=2).contains(&lines(&agent, "operation ended", header)), "{outcome:?}");
        let reports = agent.region.heard.lock().unwrap().reports.clone();
        let told: Vec<_> = reports.iter().filter(|it| it.operation_id == header.id.to_string()).map(heard).collect();
        assert_eq!(told, std::slice::from_ref(outcome));
    }
    let (first, outcome) = &done[0];
    let ended = lines(&agent, "operation ended", first);
    let mut late = start();
    late.operation = Some(first.clone().into());
    let answer = agent.client().start_guest(late).await.unwrap().into_inner();
    assert_eq!(crate::agent::outcome(answer).as_ref(), Some(outcome), "a repeat is answered, not carried out");
    assert_eq!(lines(&agent, "operation ended", first), ended);
}
