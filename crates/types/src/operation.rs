//! What region asks of a host, and how it ended. Hosts keep outcomes on disk (crate `ledger`) and answer a repeated
//! request with the recorded one; region stores the outcome beside the task that waits for it.

use serde::{Deserialize, Serialize};

use crate::id::{GuestId, OperationId, TaskId};
use crate::rescue::ReadyReport;
use crate::status::{PowerState, RescueNetwork};
use crate::words;

/// Heads every request that changes something on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationHeader {
    pub id: OperationId,
    pub guest: GuestId,
    /// Rises with every operation on one guest. A host refuses one that is lower than the highest it has seen, so that
    /// a late request can never act after the way back has begun.
    pub sequence: u64,
    pub task: TaskId,
    /// The request of the user that began it all, for logs.
    pub request_id: String,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Disks and desc exist.
    Created {
        desc_sha256: String,
    },
    /// QEMU runs the guest from its own disks.
    Started,
    Stopped {
        how: StopHow,
        seconds: f64,
        /// What was tried, in order, each with the time that it took; the last one stopped it. Empty: it was off.
        #[serde(default)]
        steps: Vec<StopStep>,
    },
    Deleted,
    /// Everything a rescue needs is there; nothing was touched.
    Preflighted {
        qemu_version: String,
        accelerator: String,
        /// What the rescue goes without, in words: devices of the host that are not there.
        #[serde(default)]
        notices: Vec<String>,
        /// What the rescue system will be able to reach; absent from an older host, which knows `full` alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<RescueNetwork>,
    },
    /// Kernel and initramfs are in the host's store, verified.
    Prepared {
        bytes_downloaded: u64,
        from: Option<String>,
    },
    /// The desc has its rescue section; the digest is of the desc of before.
    DescWritten {
        source_sha256: String,
    },
    /// QEMU runs the rescue system. It has proven nothing yet.
    RescueStarted {
        boot: u32,
        /// The public half of the session's SSH host key, in `known_hosts` form without the host; absent from an older host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ssh_host_key: Option<String>,
    },
    /// The rescue system has proven that it is up.
    Ready {
        ready: Box<ReadyReport>,
        seconds: f64,
        /// What the rescue system runs without, in words, as the host sees it.
        #[serde(default)]
        notices: Vec<String>,
    },
    /// The desc of before is back; the digest is of what is on disk now.
    Restored {
        desc_sha256: String,
        /// Of a guest with UEFI whose session came as far as its desc.
        #[serde(default)]
        uefi_vars: Option<UefiVars>,
    },
    /// The machine has been reset.
    ResetDone,
    /// Its processors stand still.
    Suspended,
    /// Its processors go on.
    Resumed,
    /// The desc on disk is the one that was sent.
    Changed {
        desc_sha256: String,
        /// Fields that a running guest gets with its next start.
        live_pending: Vec<String>,
    },
    Resized {
        desc_sha256: String,
        size_mib: u64,
    },
    DiskDeleted,
    /// A snapshot was made, reverted to, or deleted.
    SnapshotDone,
    /// A rescue system did what it was asked; its answer is JSON of the kind that the verb tells ([`crate::verb::Verb`]).
    RescueRan {
        answer: String,
    },
    /// The guest's own system came up on what its rescue session wrote.
    Confirmed {
        /// What it was known by.
        sign: String,
        /// Since its boot began.
        seconds: f64,
        /// What it printed last, at most 40 lines.
        #[serde(default)]
        console: Vec<String>,
    },
    Failed {
        failure: Failure,
    },
}

/// SHA-256 (64 hex digits) of a guest's firmware variables, when its rescue desc was written and when the desc of before was back.
/// The host puts them back where they differ, so that they are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UefiVars {
    pub before: String,
    pub after: String,
}

/// Why an operation failed, in words for the machine's owner, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub code: FailureCode,
    pub message: String,
    /// The last lines of the serial console, or the command and what it printed. At most 40 lines.
    #[serde(default)]
    pub evidence: Vec<String>,
}

words! {
    pub enum FailureCode as "failure code" {
        /// No such guest on this host.
        UnknownGuest = "unknown_guest",
        /// The request does not fit what the guest is doing.
        WrongState = "wrong_state",
        /// It can be done only while the guest is off: stop it first.
        MustStop = "must_stop",
        /// A boot file could not be had from any agent.
        Download = "download",
        /// A boot file, manifest or signature is not what it should be.
        Verification = "verification",
        /// A disk is missing, in use elsewhere or not readable.
        Disk = "disk",
        /// Not enough space or memory on the host.
        Resource = "resource",
        /// QEMU did not start, or went away.
        Qemu = "qemu",
        /// The rescue system's kernel or init gave up.
        Panic = "panic",
        /// The rescue system did not prove itself in time.
        NotReady = "not_ready",
        /// The proof was made with another key, for another boot, or with fewer disks.
        BadProof = "bad_proof",
        /// The guest did not stop.
        Stop = "stop",
        /// The rescue system could not do what it was asked, or its answer can't be used.
        Verb = "verb",
        /// The guest's own system gave up, or did not come to its login prompt in time.
        Boot = "boot",
        Internal = "internal",
    }
}

words! {
    /// How a guest came to a stop, gentlest first.
    pub enum StopHow as "way of stopping" {
        /// It was off already.
        AlreadyOff = "already_off",
        /// The rescue agent synced, unmounted and powered off.
        Agent = "agent",
        /// ACPI power button, obeyed.
        Acpi = "acpi",
        /// QEMU's guest agent, asked because the power button was ignored.
        GuestAgent = "guest_agent",
        /// QMP `quit`: the guest's memory is lost.
        Quit = "quit",
        /// SIGKILL.
        Kill = "kill",
    }
}

/// One attempt to stop a guest, and the seconds it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StopStep {
    pub how: StopHow,
    pub seconds: f64,
}

/// What a host knows of one guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestReport {
    pub guest: GuestId,
    pub power: PowerState,
    /// The session whose rescue system the desc boots, if any.
    pub rescue_session: Option<crate::id::SessionId>,
    /// Rises with every boot of the rescue system within a session; `ready` counts for one boot only.
    pub rescue_boot: u32,
    pub rescue_ready: bool,
    /// It ran when its machine went down, and waits for region's word since the machine is up again.
    #[serde(default)]
    pub interrupted: bool,
}
