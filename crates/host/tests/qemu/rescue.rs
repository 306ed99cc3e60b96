//! A whole rescue with the real image: in, while the agent dies twice; a reboot and a power-off inside; out, as before.

use std::os::unix::fs::PermissionsExt;

use proto::host::v1 as pb;
use types::desc::{
    Desc, DetectZeroes, DiskAio, DiskCache, DiskDriver, DiskIo, Machine, PassthroughDesc, UsbDesc, UsbKind,
};
use types::id::{GuestId, SessionId};
use types::operation::{FailureCode, OperationHeader, Outcome, StopHow};
use types::rescue::BootSecrets;
use types::secret::Secret;
use types::verb::{CredentialsReplaced, NoticeShown, Verb};

use crate::agent::{Agent, Console, create, operate, outcome, stop, tiny, until};
use crate::files::Files;

const PASSWORD: &str = "correct horse";
/// What crypt(3) makes of it with SHA-512.
const PASSWORD_HASH: &str =
    "$6$lifeboatsmoke$oueXWoTRMaORoA7.3eXqeIZJMcTJ6MbqznaO0kZOcV8wz8nxdM2d8C7vkWoTJQTU9tGe7RNcTP8Pr2tj5O9021";

/// A public key of RFC 8032's first test vector.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

/// A USB device that is not plugged in, and a device to pass through that the host does not have.
const ABSENT: &str = "dead:beef";
const NO_DEVICE: &str = "ffff:ff:1f.7";

/// The requests of one session.
pub struct Session {
    pub id: SessionId,
    pub image: pb::RescueImage,
    pub disk_mode: &'static str,
    /// Empty: full.
    pub network: &'static str,
    pub endpoints: Vec<String>,
}

impl Session {
    pub fn new(files: &Files, disk_mode: &'static str) -> Self {
        Self {
            id: SessionId::generate(),
            image: files.image.clone(),
            disk_mode,
            network: "",
            endpoints: vec![files.endpoint.clone()],
        }
    }
    pub fn preflight(&self) -> pb::PreflightRescueRequest {
        let (image, disk_mode) = (Some(self.image.clone()), self.disk_mode.to_owned());
        let (qemu_version, network) = (String::new(), self.network.to_owned());
        pb::PreflightRescueRequest { operation: None, image, disk_mode, qemu_version, network }
    }
    pub fn prepare(&self) -> pb::PrepareRescueRequest {
        pb::PrepareRescueRequest { operation: None, image: Some(self.image.clone()), endpoints: self.endpoints.clone() }
    }
    pub fn write_desc(&self) -> pb::WriteRescueDescRequest {
        let (image, disk_mode) = (Some(self.image.clone()), self.disk_mode.to_owned());
        let (session_id, qemu_version) = (self.id.to_string(), String::new());
        let network = self.network.to_owned();
        pb::WriteRescueDescRequest { operation: None, session_id, image, disk_mode, qemu_version, network }
    }
    pub fn start(&self) -> pb::StartRescueRequest {
        let password_hash = PASSWORD_HASH.to_owned();
        pb::StartRescueRequest {
            operation: None,
            session_id: self.id.to_string(),
            ssh_keys: vec![],
            password_hash,
            fresh_overlays: false,
        }
    }
    pub fn ready(&self, timeout_s: u32) -> pb::AwaitReadyRequest {
        pb::AwaitReadyRequest { operation: None, session_id: self.id.to_string(), timeout_s }
    }
    pub fn restore(&self) -> pb::RestoreDescRequest {
        pb::RestoreDescRequest { operation: None, session_id: self.id.to_string(), overlay: String::new() }
    }
}

/// What the rescue system answers.
async fn asked<T: serde::de::DeserializeOwned>(agent: &Agent, guest: GuestId, session: &Session, verb: Verb) -> T {
    let verb_json = serde_json::to_string(&verb).unwrap();
    let (session_id, timeout_s) = (session.id.to_string(), 60);
    let request = pb::RunInRescueRequest { operation: None, session_id, verb_json, timeout_s };
    let ran = operate!(agent, agent.header(guest), run_in_rescue, request);
    let Outcome::RescueRan { answer } = ran else { panic!("{ran:?}") };
    serde_json::from_str(&answer).unwrap()
}

fn secrets(agent: &Agent, guest: GuestId) -> Option<BootSecrets> {
    let path = agent.guest_folder(guest).join("rescue/secrets.json");
    assert!(
        !path.exists() || path.metadata().unwrap().permissions().mode().trailing_zeros() >= 7,
        "others can read it"
    );
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_rescued_and_comes_back_as_it_was() {
    let files = Files::serve().await;
    let mut agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    let mut desc = tiny(DiskDriver::Virtio);
    let usb = |index, kind, host: Option<&str>| UsbDesc { index, kind, host: host.map(str::to_owned) };
    desc.usb = vec![
        usb(0, UsbKind::Tablet, None),
        usb(1, UsbKind::Host, Some(ABSENT)),
        usb(2, UsbKind::Host, Some("250.250")),
    ];
    desc.guest_agent = true;
    desc.disks[1].io = DiskIo {
        cache: DiskCache::None,
        aio: DiskAio::Native,
        detect_zeroes: DetectZeroes::Unmap,
        ..DiskIo::default()
    };
    let (guest, session) = (desc.id, Session::new(&files, "rw"));
    let Outcome::Created { desc_sha256 } = operate!(agent, agent.header(guest), create_guest, create(&desc)) else {
        panic!()
    };

    // Everything that can be done before the guest is touched.
    operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    until("the guest's login", || agent.serial(guest).contains("tiny login:").then_some(())).await;
    let pid = agent.pid(guest);
    agent.runs_apart(guest);
    let preflighted = operate!(agent, agent.header(guest), preflight_rescue, session.preflight());
    assert!(
        matches!(&preflighted, Outcome::Preflighted { accelerator, notices, .. } if accelerator == "tcg" && notices[0].contains(ABSENT)),
        "{preflighted:?}"
    );
    let bytes = files.image.kernel.as_ref().unwrap().size + files.image.initramfs.as_ref().unwrap().size;
    let prepared = operate!(agent, agent.header(guest), prepare_rescue, session.prepare());
    assert_eq!(prepared, Outcome::Prepared { bytes_downloaded: bytes, from: Some(files.endpoint.clone()) });
    let prepared = operate!(agent, agent.header(guest), prepare_rescue, session.prepare());
    assert_eq!(prepared, Outcome::Prepared { bytes_downloaded: 0, from: None });
    for denied in [
        operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc()),
        operate!(agent, agent.header(guest), start_rescue, session.start()),
        operate!(agent, agent.header(guest), await_ready, session.ready(1)),
    ] {
        assert!(
            matches!(&denied, Outcome::Failed { failure } if failure.code == FailureCode::WrongState),
            "{denied:?}"
        );
    }
    let restored = operate!(agent, agent.header(guest), restore_desc, session.restore());
    assert_eq!(
        restored,
        Outcome::Restored { desc_sha256: desc_sha256.clone(), uefi_vars: None },
        "right also when nothing was begun"
    );
    assert_eq!(agent.pid(guest), pid, "and it left the guest alone");

    // In.
    let stopped = operate!(agent, agent.header(guest), stop_guest, stop(120, false));
    assert!(matches!(stopped, Outcome::Stopped { how: StopHow::Acpi, .. }), "{stopped:?}");
    for _ in 0..2 {
        let written = operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
        assert_eq!(written, Outcome::DescWritten { source_sha256: desc_sha256.clone() });
    }
    let start = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    assert!(
        matches!(&start, Outcome::Failed { failure } if failure.message.contains(&session.id.to_string())),
        "{start:?}"
    );
    let begin = agent.header(guest);
    let started = operate!(agent, begin, start_rescue, session.start());
    assert_eq!(started_boot(&started), 1);
    let pid = agent.pid(guest);
    agent.runs_apart(guest);
    let boot_1 = secrets(&agent, guest).unwrap();
    let arguments = agent.arguments(guest);
    let host_key = boot_1.host_key.clone().expect("the session has a host key");
    let told = Outcome::RescueStarted { boot: 1, ssh_host_key: host_key.line() };
    assert_eq!(started, told, "region knows it before anybody can connect");
    for secret in [boot_1.key.expose(), &boot_1.nonce, "$6$", host_key.seed.expose()] {
        assert!(!arguments.contains(secret) && !agent.log().contains(secret), "a secret is out");
    }
    assert!(arguments.contains(&format!("yn_rescue_mode=true lifeboat.session={}", session.id)));

    // The agent dies while it waits for the proof, and the rescue system gets ready meanwhile; the same request goes on.
    let wait = agent.header(guest);
    let at_once = send_await(&agent, &wait, &session).await;
    assert!(matches!(at_once, None | Some(Outcome::Ready { .. })), "{at_once:?}");
    agent.kill().await;
    until("the rescue system's console", || {
        assert_eq!(agent.pid(guest), pid, "QEMU outlives the agent");
        agent.serial(guest).contains("rescue login:").then_some(())
    })
    .await;
    agent.run().await;
    assert_eq!(operate!(agent, begin, start_rescue, session.start()), told);
    let ready = operate!(agent, wait, await_ready, session.ready(120));
    let Outcome::Ready { ready, seconds, notices } = ready else { panic!("{ready:?}") };
    assert!(matches!(&*notices, [one, _] if one.contains(ABSENT)), "what is not there is told: {notices:?}");
    assert_eq!(agent.pid(guest), pid, "one boot for all of it");
    assert!(seconds > 0.5 && ready.boot == 1 && ready.nonce == boot_1.nonce && ready.session == session.id);
    let mut seen: Vec<_> = ready.disks.iter().map(|disk| (disk.serial.as_str(), disk.read_only)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("data-1", false), ("root-1", false)]);
    assert_eq!(ready.ssh_host_key, host_key.line(), "the session's key, as the host made it");
    let mut names: Vec<_> = ready.disks.iter().map(|disk| (disk.normal_name.as_str(), disk.by_id.as_str())).collect();
    names.sort_unstable();
    assert_eq!(names, [("vda", "virtio-root-1"), ("vdb", "virtio-data-1")]);
    let part = &ready.disks.iter().find(|disk| disk.name == "vda").unwrap().parts[0];
    let shown = (part.normal_name.as_str(), part.by_id.as_str(), part.mounted.as_str());
    assert_eq!(shown, ("vda1", "virtio-root-1-part1", "/"), "as the guest's own fstab has it");
    let state = agent.state(guest).await;
    assert!(state.rescue_ready && state.rescue_boot == 1 && state.rescue_session == session.id.to_string());

    // The agent dies again; who is ready stays ready, without being asked.
    agent.kill().await;
    agent.run().await;
    agent.until_state("the proof renewed", guest, |state| state.rescue_ready).await;

    // What its people are told shows on the console, also to one who has not logged in.
    let from = agent.serial(guest).len();
    let text = "this session ends in 10 minutes";
    let shown: NoticeShown = asked(&agent, guest, &session, Verb::Notice { text: text.into() }).await;
    assert!(shown.terminals.iter().any(|terminal| terminal == "ttyS0"), "{shown:?}");
    until("the notice", || agent.serial(guest)[from..].contains(&format!("*** {text}")).then_some(())).await;

    // Who may get in is changed: nobody, and then one with a key or the password, which is what opens it below.
    for (password_hash, keys) in [(None, vec![]), (Some(Secret::new(PASSWORD_HASH)), vec![KEY.to_owned()])] {
        let wanted = (keys.len(), password_hash.is_some());
        let verb = Verb::Credentials { ssh_keys: keys, password_hash };
        let replaced: CredentialsReplaced = asked(&agent, guest, &session, verb).await;
        assert_eq!((replaced.keys, replaced.password), wanted);
    }

    // A reboot inside: another boot, with another nonce, proven again.
    let mut console = log_in(&agent, guest, 0).await;
    console.types("mount /dev/vda1 /mnt && touch /mnt/data/repaired && umount /mnt && echo repa''ired\r").await;
    console.shows("repaired").await;
    console.types("reboot\r").await;
    agent.until_state("the second boot", guest, |state| state.rescue_boot == 2 && state.rescue_ready).await;
    let boot_2 = secrets(&agent, guest).unwrap();
    assert!(boot_2.nonce != boot_1.nonce && boot_2.key == boot_1.key && boot_2.boot == 2);
    assert_eq!(boot_2.host_key, boot_1.host_key, "who has looked at its fingerprint is not warned");
    assert_ne!(agent.pid(guest), pid);
    agent
        .region
        .until("region hears that it was not ready for a while", |heard| {
            let boots = heard.beats.iter().flat_map(|beat| &beat.guests).filter(|it| it.guest_id == guest.to_string());
            boots.clone().any(|it| it.rescue_boot == 2 && !it.rescue_ready)
                && boots.clone().any(|it| it.rescue_boot == 2 && it.rescue_ready)
        })
        .await;

    // A gentle stop goes through the agent inside; off, the session stays.
    let stopped = operate!(agent, agent.header(guest), stop_guest, stop(120, false));
    assert!(matches!(stopped, Outcome::Stopped { how: StopHow::Agent, .. }), "{stopped:?}");
    let state = agent.state(guest).await;
    assert!(state.power == "shutoff" && !state.rescue_ready && state.rescue_session == session.id.to_string());
    let from = agent.serial(guest).len();
    assert_eq!(started_boot(&operate!(agent, agent.header(guest), start_rescue, session.start())), 3);
    let ready = operate!(agent, agent.header(guest), await_ready, session.ready(120));
    let same = |ready: &types::rescue::ReadyReport| ready.boot == 3 && ready.ssh_host_key == host_key.line();
    assert!(matches!(&ready, Outcome::Ready { ready, .. } if same(ready)), "{ready:?}");
    let console = log_in(&agent, guest, from).await;
    console.types("poweroff\r").await;
    agent.until_state("its own power-off", guest, |state| state.power == "shutoff").await;
    assert_eq!(agent.state(guest).await.rescue_session, session.id.to_string());

    // Out: the desc is what it was, the secrets are gone, the guest boots from its own disk.
    for _ in 0..2 {
        let restored = operate!(agent, agent.header(guest), restore_desc, session.restore());
        assert_eq!(restored, Outcome::Restored { desc_sha256: desc_sha256.clone(), uefi_vars: None });
    }
    assert!(secrets(&agent, guest).is_none() && !agent.guest_folder(guest).join("rescue").exists());
    let before = agent.serial(guest).matches("tiny login:").count();
    operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    until("the guest's login", || (agent.serial(guest).matches("tiny login:").count() > before).then_some(())).await;
    assert!(!agent.arguments(guest).contains("yn_rescue_mode"));
    assert_eq!(
        operate!(agent, agent.header(guest), delete_guest, pb::DeleteGuestRequest { operation: None }),
        Outcome::Deleted
    );
}

/// The number of the boot that began.
pub fn started_boot(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::RescueStarted { boot, ssh_host_key: Some(_) } => *boot,
        other => panic!("no rescue system was started: {other:?}"),
    }
}

/// Sends the request once.
async fn send_await(agent: &Agent, header: &OperationHeader, session: &Session) -> Option<Outcome> {
    let mut request = session.ready(120);
    request.operation = Some(header.clone().into());
    outcome(agent.client().await_ready(request).await.unwrap().into_inner())
}

/// Logs in at the console of the boot that begins at `from` in the log. What is typed before the prompt is there is lost.
pub async fn log_in(agent: &Agent, guest: GuestId, from: usize) -> Console {
    until("the rescue system's prompt", || agent.serial(guest).get(from..)?.contains("rescue login:").then_some(()))
        .await;
    let mut console = Console::open(agent, guest).await;
    console.skip_replay().await;
    console.types("\r").await;
    console.shows("rescue login:").await;
    console.types("root\r").await;
    console.shows("Password:").await;
    console.types(&format!("{PASSWORD}\r")).await;
    console.shows("# ").await;
    console
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_means_that_the_image_does_not_change() {
    let files = Files::serve().await;
    let agent = Agent::start(std::slice::from_ref(&files.public_key)).await;
    let mut desc = tiny(DiskDriver::Virtio);
    // An IDE disk can't be read-only: it gets an overlay, which is thrown away.
    desc.machine = Machine::Pc;
    desc.disks[1].driver = DiskDriver::Ide;
    desc.passthrough = vec![PassthroughDesc { index: 1, host: NO_DEVICE.into() }];
    let (guest, session) = (desc.id, Session::new(&files, "ro"));
    operate!(agent, agent.header(guest), create_guest, create(&desc));
    let digests = |desc: &Desc| {
        let path = |id| agent.guest_folder(guest).join("disks").join(format!("{id}.qcow2"));
        desc.disks.iter().map(|disk| artifact::Digest::of(&std::fs::read(path(disk.id)).unwrap())).collect::<Vec<_>>()
    };
    let before = digests(&desc);
    // Without a device of the host, the guest itself does not start; a rescue goes on, and says so.
    let start = operate!(agent, agent.header(guest), start_guest, pb::StartGuestRequest { operation: None });
    assert!(
        matches!(&start, Outcome::Failed { failure } if failure.code == FailureCode::Resource && failure.message.contains(NO_DEVICE)),
        "{start:?}"
    );
    let asked =
        agent.client().get_guest(pb::GetGuestRequest { guest_id: guest.to_string() }).await.unwrap().into_inner();
    assert!(asked.notice.contains(NO_DEVICE), "{}", asked.notice);
    operate!(agent, agent.header(guest), prepare_rescue, session.prepare());
    operate!(agent, agent.header(guest), write_rescue_desc, session.write_desc());
    operate!(agent, agent.header(guest), start_rescue, session.start());
    let ready = operate!(agent, agent.header(guest), await_ready, session.ready(120));
    let Outcome::Ready { ready, notices, .. } = ready else { panic!("{ready:?}") };
    assert!(notices[0].contains(NO_DEVICE) && notices[0].contains("goes without"), "{notices:?}");
    let mut seen: Vec<_> = ready.disks.iter().map(|disk| (disk.serial.as_str(), disk.read_only)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("data-1", true), ("root-1", true)]);
    let mut console = log_in(&agent, guest, 0).await;
    console.types("dd if=/dev/zero of=/dev/vda bs=512 count=1 2>/dev/null || echo can''not\r").await;
    console.shows("cannot").await;
    // What QEMU has to let it write, the rescue system itself keeps from being written; and if it were, it is thrown away.
    console.types("dd if=/dev/urandom of=/dev/sda bs=512 count=8 2>/dev/null || echo nei''ther\r").await;
    console.shows("neither").await;
    console.types("blockdev --setrw /dev/sda; dd if=/dev/urandom of=/dev/sda bs=512 count=8 2>/dev/null && sync && echo writ''ten\r").await;
    console.shows("written").await;
    // The reset button: another boot of the rescue system, which proves itself anew.
    let reset = operate!(agent, agent.header(guest), reset_guest, pb::ResetGuestRequest { operation: None });
    assert_eq!(reset, Outcome::ResetDone);
    let ready = operate!(agent, agent.header(guest), await_ready, session.ready(120));
    assert!(matches!(&ready, Outcome::Ready { ready, .. } if ready.boot == 2), "{ready:?}");
    // Ended without being stopped first, as a way back that is in a hurry does.
    assert!(matches!(operate!(agent, agent.header(guest), restore_desc, session.restore()), Outcome::Restored { .. }));
    assert_eq!(agent.pid(guest), None);
    assert_eq!(digests(&desc), before);
}
