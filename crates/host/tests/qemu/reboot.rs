//! The machine starts anew: every QEMU is gone, and so is what was in `/run`. The agent tells region first, and starts nothing by itself
//! unless it was told to.

use host::config::Config;
use host::guest::interrupted::Autostart;
use proto::host::v1 as pb;
use types::desc::DiskDriver;
use types::id::GuestId;
use types::operation::Outcome;

use crate::agent::{Agent, create, operate, tiny};
use crate::files::Files;
use crate::rescue::{Session, started_boot};

/// The machine goes down at once, and comes up as `boot`; the agent with it.
async fn reboot(agent: &mut Agent, guests: &[GuestId], boot: &str) {
    agent.kill().await;
    for guest in guests {
        if let Some(pid) = agent.pid(*guest).and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }
    crate::agent::until("the guests are gone", || guests.iter().all(|guest| agent.pid(*guest).is_none()).then_some(()))
        .await;
    std::fs::remove_dir_all(agent.folder.path().join("r")).unwrap();
    std::fs::write(agent.folder.path().join("boot"), boot).unwrap();
    agent.run().await;
}

/// Whether the latest heartbeat says so of the guest.
async fn hears(agent: &Agent, what: &str, guest: GuestId, wanted: impl Fn(&pb::GuestState) -> bool) {
    let is_it = |state: &&pb::GuestState| state.guest_id == guest.to_string();
    let said = |beat: &proto::region::v1::HeartbeatRequest| beat.guests.iter().find(is_it).is_some_and(&wanted);
    agent.region.until(what, |heard| heard.beats.last().is_some_and(said)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_of_the_machine_region_is_told_first_and_what_ran_comes_back() {
    let files = Files::serve().await;
    let mut agent = Agent::start_with(std::slice::from_ref(&files.public_key), |config: &mut Config, folder| {
        config.boot_id_file = folder.join("boot");
        std::fs::write(&config.boot_id_file, "boot-1\n").unwrap();
    })
    .await;
    let (own, rescued, off) = (tiny(DiskDriver::Virtio), tiny(DiskDriver::Virtio), tiny(DiskDriver::Virtio));
    let session = Session::new(&files, "rw");
    for desc in [&own, &rescued, &off] {
        operate!(agent, agent.header(desc.id), create_guest, create(desc));
    }
    let (own, rescued, off) = (own.id, rescued.id, off.id);
    operate!(agent, agent.header(own), start_guest, pb::StartGuestRequest { operation: None });
    operate!(agent, agent.header(off), start_guest, pb::StartGuestRequest { operation: None });
    operate!(agent, agent.header(off), stop_guest, crate::agent::stop(0, true));
    operate!(agent, agent.header(rescued), prepare_rescue, session.prepare());
    operate!(agent, agent.header(rescued), write_rescue_desc, session.write_desc());
    operate!(agent, agent.header(rescued), start_rescue, session.start());
    let Outcome::Ready { ready: first, .. } = operate!(agent, agent.header(rescued), await_ready, session.ready(240))
    else {
        panic!("the rescue system is not ready")
    };

    reboot(&mut agent, &[own, rescued, off], "boot-2").await;
    agent
        .region
        .until("region hears of the reboot", |heard| {
            let latest = heard.registered.last().unwrap();
            let boot = latest.host.as_ref().map(|host| host.boot_id.as_str());
            (latest.previous_boot_id.as_str(), boot) == ("boot-1", Some("boot-2"))
        })
        .await;
    for _ in 0..2 {
        for guest in [own, rescued] {
            hears(&agent, "it ran, and is off", guest, |it| it.interrupted && it.power == "shutoff").await;
        }
        hears(&agent, "it was off", off, |it| !it.interrupted && it.power == "shutoff").await;
        assert!([own, rescued, off].iter().all(|guest| agent.pid(*guest).is_none()), "something was started");
        // It waits over restarts of the agent, which are no reboots.
        agent.kill().await;
        agent.region.heard.lock().unwrap().beats.clear();
        agent.run().await;
    }
    agent.region.until("it registers", |heard| heard.registered.len() >= 4).await;
    assert_eq!(agent.region.heard.lock().unwrap().registered.last().unwrap().previous_boot_id, "boot-2");

    // Region's word is an ordinary operation.
    let started = operate!(agent, agent.header(own), start_guest, pb::StartGuestRequest { operation: None });
    assert_eq!(started, Outcome::Started);
    let started = operate!(agent, agent.header(rescued), start_rescue, session.start());
    assert_eq!(started_boot(&started), 2);
    let Outcome::Ready { ready, .. } = operate!(agent, agent.header(rescued), await_ready, session.ready(240)) else {
        panic!("the rescue system is not ready again")
    };
    assert!(
        ready.boot == 2 && ready.session == first.session && ready.nonce != first.nonce,
        "the proof is a fresh one"
    );
    for guest in [own, rescued] {
        hears(&agent, "it runs", guest, |it| !it.interrupted && it.power == "running").await;
    }

    // Once more: one is not to be started again, and of the other nobody says anything, until this host may decide.
    agent.region.heard.lock().unwrap().stay_off.push(own.to_string());
    reboot(&mut agent, &[own, rescued], "boot-3").await;
    hears(&agent, "it stays off", own, |it| !it.interrupted && it.power == "shutoff").await;
    hears(&agent, "it waits", rescued, |it| it.interrupted && it.power == "shutoff").await;
    agent.kill().await;
    agent.configure(|config| config.autostart = Autostart::Always);
    agent.run().await;
    let state = agent.until_state("ready by itself", rescued, |state| state.rescue_ready).await;
    assert!(
        state.rescue_boot == 3 && state.rescue_session == session.id.to_string() && !state.interrupted,
        "{state:?}"
    );
    assert!(agent.pid(own).is_none() && agent.pid(off).is_none());
    assert!(matches!(
        operate!(agent, agent.header(rescued), restore_desc, session.restore()),
        Outcome::Restored { .. }
    ));
}
