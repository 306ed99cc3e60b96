//! What all guests of this host share.

use std::path::PathBuf;
use std::sync::Arc;

use artifact::Images;
use ledger::Ledger;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::lease::Holder;
use crate::network::Network;
use crate::qemu::Binaries;
use crate::qemu::cmdline::Accelerator;
use crate::qemu::scope::Scope;
use crate::qemu::user::User;
use crate::storage::Storage;

/// Cheap handles only; made once, at the start.
pub struct Env {
    pub config: Config,
    pub qemu: Binaries,
    pub accelerator: Accelerator,
    /// Who QEMU runs as; None: as the agent.
    /// Where a QEMU that has started is moved to.
    pub scope: Scope,
    pub qemu_user: Option<User>,
    pub storage: Storage,
    pub network: Network,
    pub images: Images,
    pub ledger: Ledger,
    /// Who has the disks that are in use here.
    pub holder: Holder,
    /// Rescue images that may be fetched at the same time.
    pub downloads: Arc<Semaphore>,
    /// Counts what region should hear of: a guest's power, an operation's end.
    pub news: watch::Sender<u64>,
    /// Whether region has been told how the guests are, since the agent's start.
    pub heard: watch::Sender<bool>,
    /// The kernel's id of this start of the machine; empty: not known.
    pub machine_boot: String,
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("host", &self.config.name).finish_non_exhaustive()
    }
}

impl Env {
    pub fn tell(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// UEFI code and the store of variables a guest begins with, if both are installed.
    #[must_use]
    pub fn uefi(&self) -> Option<(PathBuf, PathBuf)> {
        let uefi = &self.config.uefi;
        (uefi.code.is_file() && uefi.vars.is_file()).then(|| (uefi.code.clone(), uefi.vars.clone()))
    }
}
