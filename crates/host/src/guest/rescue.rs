//! Into a rescue session and out of it: the desc, the session's secrets, the boots of the rescue system.

use chrono::Utc;
use types::desc::{Desc, Firmware, RescueSection};
use types::id::SessionId;
use types::operation::{Failure, FailureCode, Outcome};
use types::rescue::{BootSecrets, HostKeySecret, PROTOCOL_VERSION, hex, unhex};
use types::secret::Secret;
use types::status::OverlayEnd;

use super::actor::{Cx, Guest};
use super::desc::{Stored, restore_source, save_source};
use super::link::Proof;
use super::paths::private_folder;
use super::recover;
use super::start::{Boot, RescueBoot};
use super::state::{Described, Runs};
use super::{broken, failure, uefi_vars};
use crate::qemu::cmdline::RescueFiles;

/// Boots of one session within [`BOOTS_WINDOW`] before the rescue system is left off: it reboots for ever.
const BOOTS: u32 = 20;
/// A boot that lasted as long is no part of a loop.
const BOOTS_WINDOW: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// What follows when a QEMU ends that nobody asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterEnd {
    /// The guest is off now.
    Off,
    /// The rescue system rebooted: it boots again, and has to prove itself again.
    Again,
}

/// Decides. `reason` is QEMU's; `proven`: this boot had proven itself; `brief`: it lasted less than a minute.
#[must_use]
pub fn after_end(reason: Option<&str>, boot: Option<RescueBoot>, proven: bool, brief: bool) -> AfterEnd {
    match (reason, boot) {
        // Somebody pressed the reset button.
        (Some("host-qmp-system-reset"), Some(_)) => AfterEnd::Again,
        // A panic resets the machine as well: only a system that was up can have been told to reboot.
        (Some("guest-reset"), Some(boot)) if proven && !(brief && boot.boot >= BOOTS) => AfterEnd::Again,
        _ => AfterEnd::Off,
    }
}

impl Guest {
    /// Saves the desc of before, once, and writes the one with the rescue section.
    pub(super) fn write_rescue_desc(&mut self, section: &RescueSection) -> Result<Outcome, Failure> {
        let Some(current) = &self.stored else {
            return Err(failure(FailureCode::UnknownGuest, "there is no such guest on this host"));
        };
        let source = save_source(&self.paths, section.session, current)?;
        let template = self.env.uefi().map(|(_, vars)| vars).filter(|_| source.desc.firmware == Firmware::Uefi);
        if let Some(template) = template {
            uefi_vars::save(&self.paths, section.session, &template)?;
        }
        let next = Stored::new(Desc { rescue: Some(section.clone()), ..source.desc.clone() });
        recover::keep(&self.paths, &next)?;
        self.stored = Some(next);
        Ok(Outcome::DescWritten { source_sha256: source.sha256() })
    }

    pub(super) async fn start_rescue(
        &mut self,
        session: SessionId,
        ssh_keys: &[String],
        password_hash: Option<&Secret>,
        cx: &Cx,
    ) -> Result<Outcome, Failure> {
        self.finish_revert(cx).await?;
        cx.progress.say("checking the boot files");
        let stored = self.stored.as_ref().map(|stored| &stored.desc);
        let disk_names = stored.map(Desc::kernel_names).unwrap_or_default();
        let network = stored.and_then(|desc| desc.rescue.as_ref()?.network);
        let before = self.secrets().filter(|secrets| secrets.session == session);
        let secrets = BootSecrets {
            version: PROTOCOL_VERSION,
            session,
            // One key for a session. A repeat after a crash goes on with it; the nonce is what tells boots apart.
            key: match &before {
                Some(secrets) => secrets.key.clone(),
                None => Secret::new(random::<32>()?),
            },
            nonce: random::<16>()?,
            // As the key: one for a session, so that nobody who has looked at its fingerprint is warned after a reboot.
            host_key: match before.as_ref().and_then(|secrets| secrets.host_key.clone()) {
                Some(key) => Some(key),
                None => Some(host_key()?),
            },
            network,
            disk_names,
            boot: before.map_or(0, |secrets| secrets.boot) + 1,
            ssh_keys: ssh_keys.to_vec(),
            password_hash: password_hash.cloned(),
        };
        let ssh_host_key = secrets.host_key.as_ref().and_then(HostKeySecret::line);
        let boot = self.boot_rescue(secrets).await?;
        Ok(Outcome::RescueStarted { boot, ssh_host_key })
    }

    /// Boots the rescue system with these secrets; gives the number of the boot.
    async fn boot_rescue(&mut self, secrets: BootSecrets) -> Result<u32, Failure> {
        let section =
            self.stored.as_ref().and_then(|stored| stored.desc.rescue.clone().map(|it| (stored.desc.clone(), it)));
        let Some((desc, section)) = section else {
            return Err(failure(FailureCode::WrongState, "the guest's desc has no rescue section"));
        };
        let images = self.env.images.clone();
        let checked = tokio::task::spawn_blocking(move || images.recheck(&section.kernel, &section.initramfs)).await;
        let (kernel, initramfs) = match checked {
            Ok(checked) => checked.map_err(|error| failure(error.code(), error.to_string()))?,
            Err(error) => return Err(failure(FailureCode::Internal, format!("the check of the boot files: {error}"))),
        };
        private_folder(&self.paths.rescue()).map_err(broken("the session's folder"))?;
        let json = serde_json::to_vec(&secrets).expect("secrets are plain data");
        service::files::write_atomic(&self.paths.secrets(), &json, 0o600).map_err(broken("the session's secrets"))?;
        let boot = RescueBoot { session: secrets.session, boot: secrets.boot };
        let files = RescueFiles { kernel, initramfs, secrets: self.paths.secrets() };
        self.boot(&desc, Some((files, boot))).await?;
        Ok(boot.boot)
    }

    /// Looks at an end that came by itself.
    pub(super) async fn after_end(&mut self) {
        let Some(running) = &self.running else { return };
        let reason = running.machine.ended().await;
        let proven = running.link.as_ref().is_some_and(|link| matches!(link.proof(), Proof::Ready { .. }));
        let Boot { began, rescue, .. } = running.boot;
        let next = after_end(reason.as_deref(), rescue, proven, Utc::now() - began < BOOTS_WINDOW);
        tracing::info!(guest = %self.id, reason = reason.as_deref().unwrap_or("unknown"), next = ?next, "QEMU ended by itself");
        self.clear_end();
        if self.running.is_some() {
            return;
        }
        // A machine that goes down ends what runs on it, and perhaps before the agent: see `interrupted`.
        if reason.as_deref() != Some("host-signal") {
            self.boot_ended();
        }
        self.last_end = reason;
        if next == AfterEnd::Off {
            return;
        }
        let restarted = match self.next_boot() {
            Ok(secrets) => self.boot_rescue(secrets).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = restarted {
            tracing::error!(guest = %self.id, code = %failure.code, error = %failure, "the rescue system can't be booted again; it stays off");
        }
        self.publish();
    }

    /// The session's rescue system once more, as another boot that has to prove itself.
    pub(super) async fn boot_rescue_again(&mut self, cx: &Cx) -> Result<(), Failure> {
        self.finish_revert(cx).await?;
        let secrets = self.next_boot()?;
        self.boot_rescue(secrets).await.map(drop)
    }

    fn next_boot(&self) -> Result<BootSecrets, Failure> {
        match self.secrets() {
            Some(secrets) => Ok(BootSecrets { nonce: random::<16>()?, boot: secrets.boot + 1, ..secrets }),
            None => Err(failure(FailureCode::Internal, "the session's secrets are lost")),
        }
    }

    /// Ends what is left of the session. Where the session never came so far, only its traces are removed.
    pub(super) async fn restore(
        &mut self,
        session: SessionId,
        overlay: OverlayEnd,
        cx: &Cx,
    ) -> Result<Outcome, Failure> {
        // The rescue system, or the guest's own on what the session wrote.
        let of_session = |guest: &Self| match guest.runs() {
            Runs::Nothing => false,
            Runs::Own => guest.described() == Described::Rescue(session),
            Runs::Rescue(_) => true,
        };
        if of_session(self) {
            cx.progress.say("ending the rescue system");
            self.end_now().await?;
        }
        self.clear_end();
        if of_session(self) {
            return Err(failure(FailureCode::Stop, "the rescue system is still running"));
        }
        self.end_overlays(session, overlay, cx).await?;
        let Some(current) = self.stored.take() else {
            return Err(failure(FailureCode::UnknownGuest, "there is no such guest on this host"));
        };
        // Outside the session, the variables are the guest's own, and may have changed since.
        let in_session = current.desc.rescue.as_ref().is_some_and(|section| section.session == session);
        let vars = if in_session { uefi_vars::restore(&self.paths, session) } else { Ok(None) };
        let result = vars.and_then(|vars| Ok((vars, restore_source(&self.paths, session, current.clone())?)));
        let (uefi_vars, restored) = match result {
            Ok(done) => done,
            Err(failure) => {
                self.stored = Some(current);
                return Err(failure);
            }
        };
        let outcome = Outcome::Restored { desc_sha256: restored.sha256(), uefi_vars };
        self.stored = Some(restored);
        uefi_vars::forget(&self.paths, session)?;
        self.paths.remove_rescue().map_err(broken("the session's folder"))?;
        Ok(outcome)
    }
}

/// An SSH host key for a session.
fn host_key() -> Result<HostKeySecret, Failure> {
    let seed = Secret::new(random::<32>()?);
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&unhex(seed.expose()).unwrap_or_default());
    let pair = pair.map_err(|error| failure(FailureCode::Internal, format!("no ssh host key: {error}")))?;
    Ok(HostKeySecret { public: hex(ring::signature::KeyPair::public_key(&pair).as_ref()), seed })
}

/// `N` random bytes as hex.
fn random<const N: usize>() -> Result<String, Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| failure(FailureCode::Internal, format!("no random bytes: {error}")))?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proven_rescue_system_that_rebooted_boots_again() {
        let boot = |boot| Some(RescueBoot { session: SessionId::generate(), boot });
        let reset = Some("guest-reset");
        let table = [
            (reset, boot(1), true, true, AfterEnd::Again),
            (reset, boot(BOOTS), true, false, AfterEnd::Again),
            (reset, boot(BOOTS), true, true, AfterEnd::Off),
            (reset, boot(1), false, true, AfterEnd::Off),
            (Some("guest-shutdown"), boot(1), true, true, AfterEnd::Off),
            (Some("host-qmp-quit"), boot(1), true, true, AfterEnd::Off),
            (None, boot(1), true, true, AfterEnd::Off),
            (reset, None, true, true, AfterEnd::Off),
            (Some("host-qmp-system-reset"), boot(BOOTS), false, true, AfterEnd::Again),
            (Some("host-qmp-system-reset"), None, false, true, AfterEnd::Off),
        ];
        for (reason, boot, proven, brief, expected) in table {
            assert_eq!(after_end(reason, boot, proven, brief), expected, "{reason:?} {boot:?} {proven} {brief}");
        }
    }
}
