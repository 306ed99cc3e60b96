//! Starting QEMU: for the guest's own disks, and, with more files, for a rescue system.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use types::desc::{Desc, Firmware};
use types::id::SessionId;
use types::operation::{Failure, FailureCode, Outcome};
use types::status::DiskMode;

use super::actor::{Cx, Guest};
use super::state::Runs;
use super::{broken, failure, serial};
use crate::qemu::cmdline::{DiskFile, Launch, RescueFiles, arguments, needs_overlay};
use crate::qemu::user::User;
use crate::qemu::{Qemu, process};
use crate::system;

/// QEMU returns when it has opened its files and sockets.
const START_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What this boot is; written before QEMU is started, so that it is known after a crash of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    pub began: DateTime<Utc>,
    /// Where it begins in the serial log.
    pub serial_from: u64,
    pub rescue: Option<RescueBoot>,
    /// The start of the machine that it belongs to; empty: not known.
    #[serde(default)]
    pub machine: String,
    /// Whether it has come to an end that is not the machine's.
    #[serde(default)]
    pub ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueBoot {
    pub session: SessionId,
    pub boot: u32,
}

impl Boot {
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Of a QEMU that runs and whose file is lost.
    #[must_use]
    pub fn unknown(session: Option<SessionId>, machine: String) -> Self {
        let rescue = session.map(|session| RescueBoot { session, boot: 0 });
        Self { began: Utc::now(), serial_from: 0, rescue, machine, ended: false }
    }
}

/// The version of QEMU that is asked for the rescue system; the server's own system runs on its own, also while it is tried in rescue.
fn rescue_qemu(desc: &Desc, rescue: bool) -> Option<&str> {
    desc.rescue.as_ref().filter(|_| rescue)?.qemu_version.as_deref()
}

impl Guest {
    /// Runs the guest from its own disks.
    pub(super) async fn start(&mut self, cx: &Cx) -> Result<Outcome, Failure> {
        let Some(stored) = self.stored.clone() else {
            return Err(failure(FailureCode::UnknownGuest, "there is no such guest on this host"));
        };
        cx.progress.say("starting QEMU");
        self.finish_revert(cx).await?;
        self.boot(&stored.desc, None).await?;
        Ok(Outcome::Started)
    }

    /// Starts QEMU and waits until it answers. Nothing must run.
    pub(super) async fn boot(&mut self, desc: &Desc, rescue: Option<(RescueFiles, RescueBoot)>) -> Result<(), Failure> {
        self.clear_end();
        if self.running.is_some() || self.adopt()? {
            // Started by an agent that was killed meanwhile.
            if rescue.is_none() && self.runs() == Runs::Own {
                return Ok(());
            }
            return Err(failure(FailureCode::WrongState, "a QEMU of this guest runs already"));
        }
        let reserved = self.env.config.limits.reserved_memory_mib;
        let (needs, has) = (u64::from(desc.memory_mib) + reserved, system::memory_available_mib());
        if has < needs {
            let message = format!("the guest and the host's reserve need {needs} MiB of memory, {has} are available");
            return Err(failure(FailureCode::Resource, message));
        }
        self.no_half_merge()?;
        self.take_disks()?;
        self.last_end = None;
        let boot = Boot {
            began: Utc::now(),
            serial_from: serial::length(&self.paths.serial_log()),
            rescue: rescue.as_ref().map(|(_, boot)| *boot),
            machine: self.env.machine_boot.clone(),
            ended: false,
        };
        let program = self.qemu(desc, rescue_qemu(desc, rescue.is_some()))?.program.clone();
        let launch = self.launch(desc, rescue.map(|(files, _)| files)).await?;
        boot.write(&self.paths)?;
        self.paths.make_runtime().map_err(broken("the folder of sockets"))?;

        self.let_qemu_in(&launch)?;

        self.env.network.allowed(desc)?;
        let nics = if desc.is_cut_off() { &[][..] } else { &desc.nics };
        self.qemu_taps(nics)?;
        nics.iter().try_for_each(|nic| self.env.network.up(self.id, nic))?;
        let inherited = if desc.is_cut_off() { Vec::new() } else { self.env.network.macvtaps(desc)? };
        inherited.iter().try_for_each(|(_, device)| self.give_qemu(device))?;
        self.hand_over(desc, &launch.absent)?;
        let user = self.env.qemu_user.as_ref();
        if let Err(failure) = run(&program, &arguments(desc, &launch), &inherited, user).await {
            // It may have come up and then failed to say so.
            if !self.adopt()? {
                self.clear_end();
            }
            return Err(failure);
        }
        let process = process::find(self.id, &self.paths.pid_file()).map_err(broken("/proc"))?;
        let Some(process) = process else {
            let evidence = serial::evidence(&self.paths.serial_log(), boot.serial_from);
            self.clear_end();
            return Err(Failure { evidence, ..failure(FailureCode::Qemu, "QEMU ended as soon as it had started") });
        };
        self.move_out(process.pid).await;
        tracing::info!(guest = %self.id, pid = process.pid, rescue = ?boot.rescue, "QEMU runs");
        metrics::counter!("host_qemu_starts_total").increment(1);
        self.take_charge(process, boot);
        self.publish();
        let answers = match &self.running {
            Some(running) => running.machine.answers_within(ANSWER_LIMIT).await,
            None => false,
        };
        // A guest that ran only for a moment has been started all the same; what follows will see that it is off.
        if !answers && self.runs() != Runs::Nothing {
            self.end_now().await?;
            return Err(failure(
                FailureCode::Qemu,
                format!("QEMU did not answer on its socket within {ANSWER_LIMIT:?}"),
            ));
        }
        Ok(())
    }

    /// Moves it out of the agent's cgroup. A guest that runs and can't be moved is better than none.
    async fn move_out(&self, pid: i32) {
        let (scope, guest) = (self.env.scope.clone(), self.id);
        let moved = tokio::task::spawn_blocking(move || scope.admit(guest, pid)).await;
        match moved.map_err(std::io::Error::other).flatten() {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(guest = %self.id, pid, scope = self.env.scope.as_str(), %error, "QEMU can't be moved: it ends with the agent's unit or container");
            }
        }
    }

    /// Of a QEMU that was found running: an agent that was killed may have started it a moment ago.
    pub(super) async fn has_come_up(&mut self) -> Result<(), Failure> {
        if let Some(running) = &self.running {
            running.machine.answers_within(ANSWER_LIMIT).await;
        }
        if self.runs() == Runs::Nothing {
            return Err(failure(FailureCode::Qemu, "QEMU ended as soon as it had started"));
        }
        Ok(())
    }

    /// The program to run the guest with. `wanted` goes over the guest's own choice.
    ///
    /// # Errors
    /// It is not here, or lacks something.
    pub(super) fn qemu(&self, desc: &Desc, wanted: Option<&str>) -> Result<&Qemu, Failure> {
        let picked = self.env.qemu.pick(wanted.or(desc.qemu_version.as_deref()));
        let qemu = picked.map_err(|error| failure(FailureCode::Qemu, error.to_string()))?;
        qemu.lacks(desc).map_or(Ok(qemu), |lack| Err(failure(FailureCode::Qemu, lack)))
    }

    /// The files of this boot, made where they are missing.
    pub(super) async fn launch(&self, desc: &Desc, rescue: Option<RescueFiles>) -> Result<Launch, Failure> {
        let wanted = rescue_qemu(desc, rescue.is_some());
        let read_only = desc.rescue.as_ref().is_some_and(|section| section.disk_mode == DiskMode::Ro);
        let mut disks = Vec::new();
        for disk in &desc.disks {
            let path = self.paths.disk(disk);
            if !path.is_file() {
                let message = format!("disk {} is missing: {}", disk.index, path.display());
                return Err(failure(FailureCode::Disk, message));
            }
            let mut overlay = self.overlay(desc, disk).await?;
            if read_only && needs_overlay(disk.driver) {
                let over = self.paths.overlay(disk.id);
                self.env.storage.overlay(&path, disk.format, &over).await?;
                overlay = Some(over);
            }
            disks.push(DiskFile { path, overlay });
        }
        let isos =
            desc.cdroms.iter().map(|drive| drive.iso.as_deref().map(|name| self.env.storage.image(name)).transpose());
        Ok(Launch {
            isos: isos.collect::<Result<_, _>>()?,
            absent: self.absent(desc)?,
            accelerator: self.env.accelerator,
            sandbox: self.qemu(desc, wanted)?.sandbox,
            pid_file: self.paths.pid_file(),
            serial_log: self.paths.serial_log(),
            sockets: self.paths.sockets(),
            uefi: self.uefi(desc)?,
            disks,
            rescue,
        })
    }

    /// The firmware of this boot. A rescue system gets a copy of the variables, which is thrown away with its session.
    fn uefi(&self, desc: &Desc) -> Result<Option<(std::path::PathBuf, std::path::PathBuf)>, Failure> {
        if desc.firmware == Firmware::Bios {
            return Ok(None);
        }
        let Some((code, template)) = self.env.uefi() else {
            let message = "the guest wants UEFI, but its firmware is not installed here: install ovmf, or set [uefi]";
            return Err(failure(FailureCode::Resource, message));
        };
        let own = self.paths.uefi_vars();
        copy_once(&template, &own)?;
        if desc.rescue.is_none() {
            return Ok(Some((code, own)));
        }
        let scratch = self.paths.rescue_uefi_vars();
        copy_once(&own, &scratch)?;
        Ok(Some((code, scratch)))
    }
}

pub(super) fn copy_once(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.is_file() {
        return Ok(());
    }
    let content = std::fs::read(from).map_err(broken(from.display()))?;
    service::files::write_atomic(to, &content, 0o600).map_err(broken(to.display()))
}

/// Runs QEMU until it has become a daemon. Never abandoned half-way: a QEMU that comes up later would surprise us.
/// `inherited`: devices that it finds open under these numbers; a shell opens them, as only a process of one thread can do it safely.
/// `user`: who it is, from the first of its instructions.
async fn run(
    program: &Path,
    arguments: &[String],
    inherited: &[(u32, PathBuf)],
    user: Option<&User>,
) -> Result<(), Failure> {
    let mut command = Command::new(program);
    if !inherited.is_empty() {
        let opens = inherited.iter().map(|(number, path)| format!("exec {number}<>{}; ", path.display()));
        command = Command::new("bash");
        command.args(["-c", &format!("{}exec \"$0\" \"$@\"", opens.collect::<String>())]).arg(program);
    }
    command.args(arguments).stdin(Stdio::null()).current_dir("/");
    if let Some(user) = user {
        // The standard library also takes all other groups away.
        command.uid(user.uid).gid(user.gid);
    }
    // What is typed at the agent's terminal is not for its guests.
    command.process_group(0).kill_on_drop(true);
    let output = match tokio::time::timeout(START_LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            return Err(failure(FailureCode::Qemu, format!("{} can't be run: {error}", program.display())));
        }
        Err(_) => return Err(failure(FailureCode::Qemu, format!("QEMU did not start within {START_LIMIT:?}"))),
    };
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    let evidence: Vec<_> = printed.lines().take(serial::EVIDENCE_LINES).map(str::to_owned).collect();
    let said = evidence
        .last()
        .map(|line| line.rsplit_once("qemu-system-").map_or(&**line, |(_, rest)| rest))
        .unwrap_or("it printed nothing");
    if printed.contains("Failed to get") && printed.contains("lock") {
        return Err(Failure {
            evidence,
            ..failure(FailureCode::Disk, "a disk of the guest is in use by another process")
        });
    }
    let message = format!("QEMU did not start ({}): {said}", output.status);
    Err(Failure { evidence, ..failure(FailureCode::Qemu, message) })
}
