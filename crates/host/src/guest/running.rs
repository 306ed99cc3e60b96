//! A guest's QEMU, as its owner holds it: taken charge of when it was started or found, taken off the books when it has ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use types::operation::{Failure, GuestReport};
use types::rescue::BootSecrets;
use types::status::PowerState;

use super::actor::{Guest, View};
use super::link::{Expected, Hooks, Link, MISSED, Places};
use super::start::Boot;
use super::state::Runs;
use crate::env::Env;
use crate::qemu::machine::{Life, Machine};
use crate::qemu::process::{self, Process};

/// A QEMU and what belongs to it.
#[derive(Debug)]
pub struct Running {
    pub machine: Machine,
    pub boot: Boot,
    /// Of a rescue system.
    pub link: Option<Link>,
    _console: DropGuard,
}

impl Guest {
    /// Takes charge of the guest's QEMU if one runs that is not known yet. True: one was found.
    ///
    /// # Errors
    /// The list of processes can't be read.
    pub fn adopt(&mut self) -> Result<bool, Failure> {
        if self.running.is_some() {
            return Ok(false);
        }
        let found = process::find(self.id, &self.paths.pid_file()).map_err(super::broken("/proc"))?;
        let Some(process) = found else { return Ok(false) };
        let session = process.session();
        let boot = Boot::read(&self.paths.boot()).filter(|boot| boot.rescue.map(|it| it.session) == session);
        let mut boot = boot.unwrap_or_else(|| Boot::unknown(session, self.env.machine_boot.clone()));
        self.boot_goes_on(&mut boot);
        tracing::info!(guest = %self.id, pid = process.pid, session = ?session, "a running QEMU was taken charge of");
        // The agent that started it may have been killed before it had moved it.
        let (scope, guest, pid) = (self.env.scope.clone(), self.id, process.pid);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = scope.admit(guest, pid) {
                tracing::debug!(%guest, pid, %error, "QEMU is not moved; it may have been before");
            }
        });
        self.take_charge(process, boot);
        Ok(true)
    }

    /// From now on this process is the guest.
    pub(super) fn take_charge(&mut self, process: Process, boot: Boot) {
        let (view, env) = (Arc::clone(&self.view), Arc::clone(&self.env));
        let machine = Machine::watch(process, &self.paths.sockets().agent, move |life: &Life| {
            tell(&view, &env, |report| {
                report.power = life.power();
                report.rescue_ready &= life.power() != PowerState::Shutoff;
            });
        });
        let link = boot.rescue.and_then(|_| self.open_link(&boot));
        let console = self.console.attach(&self.paths.sockets().serial);
        self.running = Some(Running { machine, boot, link, _console: console });
        self.renew_leases();
    }

    fn open_link(&self, boot: &Boot) -> Option<Link> {
        let wanted = boot.rescue?;
        let secrets = self.secrets().filter(|it| it.session == wanted.session && it.boot == wanted.boot);
        let Some(secrets) = secrets else {
            tracing::error!(guest = %self.id, "the secrets of the running rescue system are lost; it can't prove itself");
            return None;
        };
        let disks = self.stored.iter().flat_map(|stored| &stored.desc.disks).map(|disk| disk.serial.clone());
        let expected = Expected { secrets, disks: disks.collect::<BTreeSet<_>>() };
        let places = Places {
            socket: self.paths.sockets().rescue,
            serial_log: self.paths.serial_log(),
            serial_from: boot.serial_from,
        };
        let (guest, power, silent) = (self.id, Arc::clone(&self.view), Arc::clone(&self.view));
        let (view, env) = (Arc::clone(&self.view), Arc::clone(&self.env));
        let hooks = Hooks {
            ready: Box::new(move || {
                tell(&view, &env, |report| report.rescue_ready = report.power != PowerState::Shutoff);
            }),
            runs: Box::new(move || power.borrow().report.power == PowerState::Running),
            silent: Box::new(move |since| {
                silent.send_modify(|view| view.silent_since = since);
                match since {
                    Some(_) => tracing::warn!(
                        %guest,
                        missed = MISSED,
                        "the rescue system's heartbeats do not come; it may hang: look at its console, or reset the server"
                    ),
                    None => tracing::info!(%guest, "the rescue system is heard again"),
                }
            }),
        };
        Some(Link::open(expected, places, hooks))
    }

    /// The secrets of the latest boot of the rescue system.
    #[must_use]
    pub fn secrets(&self) -> Option<BootSecrets> {
        serde_json::from_slice(&std::fs::read(self.paths.secrets()).ok()?).ok()
    }

    /// Takes a QEMU that has ended off the books: what it leaves behind means nothing any more. Where another one of the guest runs, it is
    /// taken charge of instead: what was watched was the one that had started it.
    pub fn clear_end(&mut self) {
        if self.runs() != Runs::Nothing {
            return;
        }
        self.running = None;
        match self.adopt() {
            Ok(false) => {}
            Ok(true) => return self.publish(),
            // Better left-overs than a guest without its sockets.
            Err(failure) => {
                tracing::warn!(guest = %self.id, error = %failure, "processes can't be looked through");
                return self.publish();
            }
        }
        self.env.scope.forget(self.id);
        for nic in self.stored.iter().flat_map(|stored| &stored.desc.nics) {
            self.env.network.down(self.id, nic);
        }
        // What the boot was stays known until the next: somebody may yet ask why it ended.
        let pid_file = self.paths.pid_file();
        if let Err(error) = super::paths::gone(std::fs::remove_file(&pid_file)) {
            tracing::warn!(path = %pid_file.display(), %error, "a left-over can't be removed");
        }
        if let Err(error) = self.paths.remove_runtime() {
            tracing::warn!(guest = %self.id, %error, "left-over sockets can't be removed");
        }
        self.publish();
    }
}

/// A change of the view from outside the loop.
fn tell(view: &watch::Sender<View>, env: &Env, change: impl FnOnce(&mut GuestReport)) {
    let changed = view.send_if_modified(|view| {
        let before = view.report.clone();
        change(&mut view.report);
        before != view.report
    });
    if changed {
        env.tell();
    }
}
