//! Guests. Read in this order:
//!
//! * [`manager`]: id to handle; nothing else.
//! * [`actor`]: one loop owns one guest, and runs one operation at a time; a later operation takes the place of an earlier one.
//! * [`running`]: its QEMU, as the owner holds it.
//! * [`state`]: what a request means in a guest's situation: act, nothing to do, refused. Pure.
//! * [`plan`]: what lies between two descs. Pure.
//! * [`desc`], [`paths`]: the guest's files; [`access`]: which of them QEMU gets to.
//! * [`create`], [`start`], [`by_hand`], [`stop`], [`power`], [`change`], [`disks`], [`host_devices`], [`leases`], [`snapshot`], [`preflight`], [`prepare`], [`rescue`], [`overlay`], [`uefi_vars`], [`ready`], [`verb`], [`confirm`]: one ability each; every one may be
//!   repeated at any point.
//! * [`interrupted`]: guests that ran when the machine went down.
//! * [`recover`]: the copy of the desc, for when it is torn. [`link`]: what the rescue system says, and whether its proof holds. [`boot_files`]: which of the store are in use. [`console`], [`serial`]: the serial console.

pub mod access;
pub mod actor;
pub mod boot_files;
pub mod by_hand;
pub mod change;
pub mod confirm;
pub mod console;
pub mod create;
pub mod desc;
pub mod disks;
pub mod host_devices;
pub mod interrupted;
pub mod leases;
pub mod link;
pub mod manager;
pub mod overlay;
pub mod paths;
pub mod plan;
pub mod power;
pub mod preflight;
pub mod prepare;
pub mod ready;
pub mod recover;
pub mod rescue;
pub mod running;
pub mod serial;
pub mod snapshot;
mod span;
pub mod start;
pub mod state;
pub mod stop;
pub mod uefi_vars;
pub mod verb;

use artifact::Wanted;
use types::desc::{Desc, RescueSection};
use types::id::{DiskId, SessionId, SnapshotId};
use types::operation::{Failure, FailureCode};
use types::secret::Secret;
use types::status::{DiskMode, OverlayEnd, RescueNetwork};

/// A request, read.
#[derive(Debug, Clone)]
pub enum Work {
    Create(Box<Desc>),
    Start,
    Stop { timeout_s: u32, force: bool },
    Delete,
    Preflight { image: Box<Wanted>, disk_mode: DiskMode, qemu_version: Option<String>, network: RescueNetwork },
    Prepare { image: Box<Wanted>, endpoints: Vec<String> },
    WriteDesc(Box<RescueSection>),
    StartRescue { session: SessionId, ssh_keys: Vec<String>, password_hash: Option<Secret>, fresh: bool },
    AwaitReady { session: SessionId, timeout_s: u32 },
    RunInRescue(Box<verb::Asked>),
    ConfirmBoot { session: SessionId, timeout_s: u32 },
    Restore { session: SessionId, overlay: OverlayEnd },
    Reset,
    Suspend,
    Resume,
    Change(Box<Desc>),
    ResizeDisk { disk: DiskId, size_mib: u64 },
    DeleteDisk(DiskId),
    CreateSnapshot(SnapshotId),
    RevertSnapshot(SnapshotId),
    DeleteSnapshot(SnapshotId),
}

impl Work {
    /// Whether the guest may be started otherwise after it than before.
    #[must_use]
    pub const fn changes_desc(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Start | Self::WriteDesc(_) | Self::Restore { .. } | Self::Change(_))
    }

    /// Whether it may write to the guest's disks, or remove them.
    #[must_use]
    pub const fn uses_disks(&self) -> bool {
        match self {
            Self::Start
            | Self::Delete
            | Self::StartRescue { .. }
            | Self::ConfirmBoot { .. }
            | Self::Change(_)
            | Self::ResizeDisk { .. }
            | Self::CreateSnapshot(_)
            | Self::RevertSnapshot(_)
            | Self::DeleteSnapshot(_) => true,
            // Of these, a merge of overlays alone does, and takes them.
            Self::Restore { .. }
            | Self::Create(_)
            | Self::Stop { .. }
            | Self::Preflight { .. }
            | Self::Prepare { .. }
            | Self::WriteDesc(_)
            | Self::AwaitReady { .. }
            | Self::RunInRescue(_)
            | Self::Reset
            | Self::Suspend
            | Self::Resume
            | Self::DeleteDisk(_) => false,
        }
    }

    /// For logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Delete => "delete",
            Self::Preflight { .. } => "preflight_rescue",
            Self::Prepare { .. } => "prepare_rescue",
            Self::WriteDesc(_) => "write_rescue_desc",
            Self::StartRescue { .. } => "start_rescue",
            Self::AwaitReady { .. } => "await_ready",
            Self::RunInRescue(_) => "run_in_rescue",
            Self::ConfirmBoot { .. } => "confirm_boot",
            Self::Restore { .. } => "restore_desc",
            Self::Reset => "reset",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Change(_) => "change",
            Self::ResizeDisk { .. } => "resize_disk",
            Self::DeleteDisk(_) => "delete_disk",
            Self::CreateSnapshot(_) => "create_snapshot",
            Self::RevertSnapshot(_) => "revert_snapshot",
            Self::DeleteSnapshot(_) => "delete_snapshot",
        }
    }
}

/// A failure without evidence.
pub(crate) fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into(), evidence: Vec::new() }
}

/// A failure of this host's own files.
pub(crate) fn broken(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Failure {
    move |error| {
        let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        let code = if full { FailureCode::Resource } else { FailureCode::Internal };
        failure(code, format!("{what}: {error}"))
    }
}
