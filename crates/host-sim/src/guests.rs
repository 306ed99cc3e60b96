//! What each operation does to guests in memory. No input or output, no time.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};
use types::desc::{BootFile, Desc, RescueSection};
use types::id::{DiskId, GuestId, SessionId, SnapshotId};
use types::operation::{Failure, FailureCode, GuestReport, Outcome, StopHow, StopStep};
use types::rescue::{HostKeySecret, ReadyReport, SeenDisk, hex, ssh_fingerprint};
use types::secret::Secret;
use types::status::{DiskMode, OverlayEnd, PowerState, RescueNetwork};
use types::verb::Verb;

use crate::patient;

/// One guest as the simulated host has it.
#[derive(Debug, Clone)]
pub struct SimGuest {
    pub desc: Desc,
    /// The descs of before, by session, as they were saved.
    pub sources: HashMap<SessionId, Desc>,
    pub power: PowerState,
    /// Of the rescue system; 0 before its first boot in a session.
    pub boot: u32,
    pub ready: bool,
    /// Does not answer the power button.
    pub deaf: bool,
    /// The rescue system that was started for this session.
    pub runs: Option<SessionId>,
    /// Snapshots, each with the disks that are in it.
    pub snapshots: HashMap<SnapshotId, BTreeSet<DiskId>>,
    /// How often the machine was reset since it was made.
    pub resets: u32,
    /// It ran when the host went down, and nobody has decided yet what becomes of it.
    pub interrupted: bool,
    /// What was wrong with its own system has been repaired.
    pub mended: bool,
    /// The same of its disks, beside which a rescue may write.
    mended_beneath: bool,
    /// The fix that would mend it is not marked safe.
    pub unsafe_fix: bool,
    /// What was shown on the rescue system's consoles.
    pub notices: Vec<String>,
}

impl SimGuest {
    #[must_use]
    pub fn new(desc: Desc) -> Self {
        Self {
            desc,
            sources: HashMap::new(),
            power: PowerState::Shutoff,
            boot: 0,
            ready: false,
            deaf: false,
            runs: None,
            snapshots: HashMap::new(),
            resets: 0,
            interrupted: false,
            mended: false,
            mended_beneath: false,
            unsafe_fix: false,
            notices: Vec::new(),
        }
    }

    #[must_use]
    pub fn report(&self) -> GuestReport {
        let session = self.desc.rescue.as_ref().map(|rescue| rescue.session);
        GuestReport {
            guest: self.desc.id,
            power: self.power,
            rescue_session: session,
            rescue_boot: self.boot,
            rescue_ready: self.ready,
            interrupted: self.interrupted,
        }
    }

    fn off(&mut self) {
        self.power = PowerState::Shutoff;
        self.ready = false;
        self.runs = None;
    }
}

/// A request, read.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Create(Box<Desc>),
    Start,
    Stop {
        force: bool,
    },
    Delete,
    /// The version of QEMU that is wanted.
    Preflight {
        qemu: Option<String>,
        network: Option<RescueNetwork>,
    },
    Prepare {
        files: Vec<BootFile>,
        endpoints: Vec<String>,
    },
    WriteDesc(Box<RescueSection>),
    StartRescue {
        session: SessionId,
        /// What was written in the session is set aside.
        fresh: bool,
    },
    AwaitReady {
        session: SessionId,
    },
    RunInRescue {
        session: SessionId,
        verb: Verb,
    },
    ConfirmBoot {
        session: SessionId,
    },
    Restore {
        session: SessionId,
        overlay: OverlayEnd,
    },
    Reset,
    Suspend,
    Resume,
    Change(Box<Desc>),
    ResizeDisk {
        disk: DiskId,
        size_mib: u64,
    },
    DeleteDisk(DiskId),
    CreateSnapshot(SnapshotId),
    RevertSnapshot(SnapshotId),
    DeleteSnapshot(SnapshotId),
}

/// All guests of one host, and its store of boot files.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    pub guests: HashMap<GuestId, SimGuest>,
    /// Digests.
    pub store: HashSet<String>,
    /// Images of disks that no guest has.
    pub detached: HashSet<DiskId>,
}

/// The digest of a desc as this host would write it.
#[must_use]
pub fn digest(desc: &Desc) -> String {
    hex(&Sha256::digest(serde_json::to_vec_pretty(desc).expect("a desc is plain data")))
}

pub(crate) fn failed<T>(code: FailureCode, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { code, message: message.into(), evidence: Vec::new() })
}

impl Guests {
    /// Carries it out; right when repeated.
    pub fn apply(&mut self, id: GuestId, work: &Work, qemu: &[String], accelerator: &str) -> Outcome {
        if let (Work::Start | Work::StartRescue { .. } | Work::Restore { .. }, Some(guest)) =
            (work, self.guests.get_mut(&id))
        {
            guest.interrupted = false;
        }
        let done = match work {
            Work::Create(desc) => self.create(id, desc),
            Work::Delete => {
                self.guests.remove(&id);
                Ok(Outcome::Deleted)
            }
            Work::Prepare { files, endpoints } => self.prepare(files, endpoints),
            Work::Preflight { qemu: wanted, network } => {
                self.guest(id).and_then(|guest| match (&guest.desc.rescue, wanted) {
                    // As the real one: first the session that the guest is still in.
                    (Some(section), _) => {
                        failed(FailureCode::WrongState, format!("the guest is in rescue session {}", section.session))
                    }
                    (None, Some(wanted)) if !qemu.contains(wanted) => {
                        let message = format!("there is no QEMU {wanted} on this host: it has {}", qemu.join(", "));
                        failed(FailureCode::Qemu, message)
                    }
                    (None, _) => Ok(Outcome::Preflighted {
                        qemu_version: wanted.clone().or_else(|| qemu.first().cloned()).unwrap_or_default(),
                        accelerator: accelerator.to_owned(),
                        notices: Vec::new(),
                        network: *network,
                    }),
                })
            }
            Work::Start => self.guest(id).and_then(start),
            Work::Stop { force } => self.guest(id).map(|guest| stop(guest, *force)),
            Work::WriteDesc(section) => self.guest(id).and_then(|guest| write_desc(guest, section)),
            Work::StartRescue { session, fresh } => self.guest(id).and_then(|guest| {
                if *fresh {
                    guest.mended = guest.mended_beneath;
                }
                start_rescue(guest, *session)
            }),
            Work::AwaitReady { session } => self.guest(id).and_then(|guest| await_ready(guest, *session)),
            Work::RunInRescue { session, verb } => {
                self.guest(id).and_then(|guest| in_session(guest, *session).and_then(|()| patient::run(guest, verb)))
            }
            Work::ConfirmBoot { session } => self.guest(id).and_then(|guest| confirm_boot(guest, *session)),
            Work::Restore { session, overlay } => self.guest(id).map(|guest| {
                let beside = guest.desc.rescue.as_ref().is_some_and(|it| it.disk_mode == DiskMode::Overlay);
                if beside && *overlay == OverlayEnd::Discard {
                    guest.mended = guest.mended_beneath;
                }
                restore(guest, *session)
            }),
            Work::Reset => self.guest(id).and_then(reset),
            Work::Suspend => {
                self.guest(id).and_then(|guest| pause(guest, PowerState::Paused)).map(|()| Outcome::Suspended)
            }
            Work::Resume => {
                self.guest(id).and_then(|guest| pause(guest, PowerState::Running)).map(|()| Outcome::Resumed)
            }
            Work::Change(desc) => self.change(id, desc),
            Work::ResizeDisk { disk, size_mib } => self.resize_disk(id, *disk, *size_mib),
            Work::DeleteDisk(disk) => self.delete_disk(*disk),
            Work::CreateSnapshot(snapshot) => self.create_snapshot(id, *snapshot),
            Work::RevertSnapshot(snapshot) => self.revert_snapshot(id, *snapshot),
            Work::DeleteSnapshot(snapshot) => self.delete_snapshot(id, *snapshot),
        };
        done.unwrap_or_else(|failure| Outcome::Failed { failure })
    }

    pub(crate) fn guest(&mut self, id: GuestId) -> Result<&mut SimGuest, Failure> {
        match self.guests.get_mut(&id) {
            Some(guest) => Ok(guest),
            None => failed(FailureCode::UnknownGuest, format!("there is no guest {id} on this host")),
        }
    }

    fn create(&mut self, id: GuestId, desc: &Desc) -> Result<Outcome, Failure> {
        let guest = self.guests.entry(id).or_insert_with(|| SimGuest::new(desc.clone()));
        if guest.desc != *desc {
            return failed(FailureCode::WrongState, format!("guest {id} exists already and is described otherwise"));
        }
        Ok(Outcome::Created { desc_sha256: digest(desc) })
    }

    fn prepare(&mut self, files: &[BootFile], endpoints: &[String]) -> Result<Outcome, Failure> {
        let missing: Vec<_> = files.iter().filter(|file| !self.store.contains(&file.sha256)).collect();
        let bytes_downloaded = missing.iter().map(|file| file.size).sum();
        let from = if missing.is_empty() { None } else { endpoints.first().cloned() };
        if !missing.is_empty() && from.is_none() {
            return failed(FailureCode::Download, "there is no agent to download from");
        }
        self.store.extend(files.iter().map(|file| file.sha256.clone()));
        Ok(Outcome::Prepared { bytes_downloaded, from })
    }
}

fn start(guest: &mut SimGuest) -> Result<Outcome, Failure> {
    if guest.desc.rescue.is_some() {
        return failed(FailureCode::WrongState, "the guest is in rescue mode: end it first");
    }
    guest.power = PowerState::Running;
    Ok(Outcome::Started)
}

fn stop(guest: &mut SimGuest, force: bool) -> Outcome {
    let how = if guest.power == PowerState::Shutoff {
        StopHow::AlreadyOff
    } else if force || guest.deaf {
        StopHow::Quit
    } else if guest.ready {
        StopHow::Agent
    } else {
        StopHow::Acpi
    };
    guest.off();
    Outcome::Stopped { how, seconds: 0.0, steps: vec![StopStep { how, seconds: 0.0 }] }
}

fn reset(guest: &mut SimGuest) -> Result<Outcome, Failure> {
    is_on(guest)?;
    guest.resets += 1;
    if guest.runs.is_some() {
        // As with a reboot inside the rescue system: another boot, which has to prove itself.
        guest.boot += 1;
        guest.ready = false;
        guest.power = PowerState::Running;
    }
    Ok(Outcome::ResetDone)
}

fn pause(guest: &mut SimGuest, power: PowerState) -> Result<(), Failure> {
    is_on(guest)?;
    guest.power = power;
    Ok(())
}

fn is_on(guest: &SimGuest) -> Result<(), Failure> {
    match guest.power {
        PowerState::Running | PowerState::Paused => Ok(()),
        PowerState::Shutoff | PowerState::Unknown => {
            failed(FailureCode::WrongState, "the guest is off: start it first")
        }
    }
}

fn write_desc(guest: &mut SimGuest, section: &RescueSection) -> Result<Outcome, Failure> {
    if let Some(rescue) = &guest.desc.rescue
        && rescue.session != section.session
    {
        return failed(FailureCode::WrongState, format!("the guest is in rescue session {}", rescue.session));
    }
    if guest.power != PowerState::Shutoff && guest.desc.rescue.is_none() {
        return failed(FailureCode::WrongState, "the guest is on: stop it first");
    }
    if guest.desc.rescue.is_none() {
        guest.mended_beneath = guest.mended;
    }
    let current = guest.desc.clone();
    let source = guest.sources.entry(section.session).or_insert(current);
    let source_sha256 = digest(source);
    guest.desc = Desc { rescue: Some(section.clone()), ..source.clone() };
    Ok(Outcome::DescWritten { source_sha256 })
}

fn in_session(guest: &SimGuest, session: SessionId) -> Result<(), Failure> {
    match &guest.desc.rescue {
        Some(rescue) if rescue.session == session => Ok(()),
        Some(rescue) => {
            failed(FailureCode::WrongState, format!("the guest is in another rescue session, {}", rescue.session))
        }
        None => failed(FailureCode::WrongState, "the guest's desc has no rescue section"),
    }
}

fn start_rescue(guest: &mut SimGuest, session: SessionId) -> Result<Outcome, Failure> {
    in_session(guest, session)?;
    if guest.power != PowerState::Shutoff && guest.runs != Some(session) {
        return failed(FailureCode::WrongState, "the guest runs from its own disks: stop it first");
    }
    if guest.power == PowerState::Shutoff {
        guest.boot += 1;
        guest.ready = false;
        guest.power = PowerState::Running;
        guest.runs = Some(session);
    }
    Ok(Outcome::RescueStarted { boot: guest.boot, ssh_host_key: Some(host_key(session)) })
}

/// One for each session, over all of its boots.
fn host_key(session: SessionId) -> String {
    let public = hex(session.uuid().as_bytes()).repeat(2);
    HostKeySecret { seed: Secret::default(), public }.line().expect("32 bytes are a key")
}

/// Its own system comes up if what was wrong has been repaired.
fn confirm_boot(guest: &mut SimGuest, session: SessionId) -> Result<Outcome, Failure> {
    in_session(guest, session)?;
    if guest.runs.is_some() {
        return failed(FailureCode::WrongState, "the rescue system is running: stop it first");
    }
    if guest.desc.rescue.as_ref().is_none_or(|it| it.disk_mode != DiskMode::Overlay) {
        return failed(FailureCode::WrongState, "the session's disk mode is not overlay");
    }
    guest.power = PowerState::Running;
    let console = vec!["You are in emergency mode".to_owned()];
    if !guest.mended {
        let message = "the server's own system gave up after 1 s: You are in emergency mode".into();
        return Err(Failure { code: FailureCode::Boot, message, evidence: console });
    }
    Ok(Outcome::Confirmed { sign: "sim login:".into(), seconds: 1.0, console: vec!["sim login:".into()] })
}

fn await_ready(guest: &mut SimGuest, session: SessionId) -> Result<Outcome, Failure> {
    in_session(guest, session)?;
    if guest.power != PowerState::Running || guest.runs != Some(session) {
        return failed(FailureCode::Qemu, "QEMU is gone");
    }
    guest.ready = true;
    let read_only = guest.desc.rescue.as_ref().is_some_and(|rescue| rescue.disk_mode == DiskMode::Ro);
    let names = guest.desc.kernel_names();
    let disks = guest.desc.disks.iter().enumerate().map(|(at, disk)| SeenDisk {
        name: format!("vd{}", char::from(b'a' + u8::try_from(at % 26).unwrap_or(0))),
        size: disk.size_mib << 20,
        serial: disk.serial.clone(),
        read_only,
        normal_name: names.get(&disk.serial).cloned().unwrap_or_default(),
        ..SeenDisk::default()
    });
    let ready = Box::new(ReadyReport {
        session,
        nonce: "00".repeat(16),
        boot: guest.boot,
        kernel: "6.1.0-simulated".into(),
        image: guest.desc.rescue.as_ref().map(|rescue| rescue.image.clone()).unwrap_or_default(),
        disks: disks.collect(),
        addresses: vec!["eth0 10.0.2.15/24".into()],
        ssh_fingerprint: ssh_fingerprint(&host_key(session)),
        ssh_host_key: Some(host_key(session)),
    });
    Ok(Outcome::Ready { ready, seconds: 0.0, notices: Vec::new() })
}

fn restore(guest: &mut SimGuest, session: SessionId) -> Outcome {
    if guest.desc.rescue.as_ref().is_some_and(|rescue| rescue.session == session) {
        guest.off();
        if let Some(source) = guest.sources.remove(&session) {
            guest.desc = source;
        }
        guest.boot = 0;
    }
    Outcome::Restored { desc_sha256: digest(&guest.desc), uefi_vars: None }
}
