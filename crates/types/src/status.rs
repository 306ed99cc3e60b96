//! Two columns, two writers: [`GuestStatus`] is the lifecycle that region owns, [`PowerState`] is what a host observes.

use crate::words;

words! {
    /// The lifecycle of a guest, as in the state diagram of the rescue flow. Only region writes it.
    pub enum GuestStatus as "server status" {
        Creating = "creating",
        CreateFailed = "create_failed",
        /// Exists and is off.
        Ready = "ready",
        Starting = "starting",
        StartFailed = "start_failed",
        Running = "running",
        Stopping = "stopping",
        StopFailed = "stop_failed",
        /// Stops, and starts again.
        Restarting = "restarting",
        Suspending = "suspending",
        /// Its processors stand still; what is in its memory is kept.
        Suspended = "suspend",
        /// Whether it stands still is not known: its host has not said.
        SuspendFailed = "suspend_failed",
        Resuming = "resuming",
        ResumeFailed = "resume_failed",
        /// Processors, memory, networks or media are being changed.
        ChangeConfig = "change_config",
        ChangeConfigFailed = "change_config_failed",
        AttachDisk = "attach_disk",
        AttachDiskFailed = "attach_disk_failed",
        DetachDisk = "detach_disk",
        DetachDiskFailed = "detach_disk_failed",
        DiskResize = "disk_resize",
        DiskResizeFailed = "disk_resize_failed",
        /// A snapshot is being made.
        Snapshot = "snapshot",
        SnapshotDelete = "snapshot_delete",
        SnapshotFailed = "snapshot_failed",
        /// Its disks go back to a snapshot.
        DiskReset = "disk_reset",
        DiskResetFailed = "disk_reset_failed",
        StartRescue = "start_rescue",
        /// The way into rescue failed, and so did the way back.
        StartRescueFailed = "start_rescue_failed",
        /// The rescue system has proven that it is up.
        Rescue = "rescue",
        StopRescue = "stop_rescue",
        StopRescueFailed = "stop_rescue_failed",
        Deleting = "deleting",
        DeleteFailed = "delete_failed",
    }
}

impl GuestStatus {
    /// From these `start-rescue` may begin; from `suspend` only by force.
    pub const MAY_START_RESCUE: &'static [Self] =
        &[Self::Ready, Self::Running, Self::Suspended, Self::StartRescueFailed, Self::StopRescueFailed];
    /// From these `stop-rescue` may begin.
    pub const MAY_STOP_RESCUE: &'static [Self] = &[Self::Rescue, Self::StartRescueFailed, Self::StopRescueFailed];
    /// A power state seen by a host moves the status only between these.
    pub const FOLLOWS_POWER: &'static [Self] = &[Self::Ready, Self::Running, Self::Suspended];
    /// A task is at work; the status ends by itself.
    pub const IN_TRANSITION: &'static [Self] = &[
        Self::Creating,
        Self::Starting,
        Self::Stopping,
        Self::Restarting,
        Self::Suspending,
        Self::Resuming,
        Self::ChangeConfig,
        Self::AttachDisk,
        Self::DetachDisk,
        Self::DiskResize,
        Self::Snapshot,
        Self::SnapshotDelete,
        Self::DiskReset,
        Self::StartRescue,
        Self::StopRescue,
        Self::Deleting,
    ];
    /// How far a change came is not known: the host has not said. `syncstatus` asks it, and leads out.
    pub const CHANGE_FAILED: &'static [Self] = &[
        Self::ChangeConfigFailed,
        Self::AttachDiskFailed,
        Self::DetachDiskFailed,
        Self::DiskResizeFailed,
        Self::SnapshotFailed,
        Self::DiskResetFailed,
    ];
    /// Some rescue state: an ordinary verb must do the right thing or be refused by name.
    pub const OF_RESCUE: &'static [Self] =
        &[Self::StartRescue, Self::StartRescueFailed, Self::Rescue, Self::StopRescue, Self::StopRescueFailed];
}

words! {
    /// What a host observes of a guest's process. Only host reports write it.
    pub enum PowerState as "power state" {
        Running = "running",
        Shutoff = "shutoff",
        Paused = "paused",
        /// The host has not been heard, or does not know the guest.
        Unknown = "unknown",
    }
}

words! {
    /// Where a disk is.
    pub enum DiskStatus as "disk status" {
        /// A server has it.
        InUse = "in_use",
        /// No server has it: it can be attached or deleted.
        Ready = "ready",
        Attaching = "attaching",
        Deleting = "deleting",
        DeleteFailed = "delete_failed",
    }
}

words! {
    /// The life of a snapshot.
    pub enum SnapshotStatus as "snapshot status" {
        Creating = "creating",
        /// Whether it exists is not known; it can be deleted.
        CreateFailed = "create_failed",
        Ready = "ready",
        Deleting = "deleting",
        DeleteFailed = "delete_failed",
    }
}

words! {
    /// How a rescue system gets the guest's disks.
    pub enum DiskMode as "disk mode" {
        /// Written in place.
        Rw = "rw",
        /// The image can't be written, whatever the guest tries.
        Ro = "ro",
        /// What is written goes to files beside the images; at the end it is merged into them, or discarded.
        Overlay = "overlay",
    }
}

words! {
    /// What a rescue system may reach over the guest's NICs.
    pub enum RescueNetwork as "rescue network" {
        /// What the guest itself can reach.
        Full = "full",
        /// Nothing, and nobody reaches it: its NICs are there, with no other end.
        None = "none",
    }
}

words! {
    /// What becomes, at the end of a rescue, of what was written in disk mode `overlay`.
    pub enum OverlayEnd as "overlay decision" {
        /// It is merged into the guest's disks.
        Commit = "commit",
        /// The guest's disks stay as they were.
        Discard = "discard",
    }
}

words! {
    /// How a server can be seen and typed at.
    pub enum ConsoleKind as "console" {
        /// The serial line.
        Console = "console",
        /// Screen, keyboard and mouse.
        Vnc = "vnc",
    }
}

impl ConsoleKind {
    /// The command of the command line that opens it.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Console => "server-console",
            Self::Vnc => "server-vnc",
        }
    }
}

words! {
    /// The life of one rescue session.
    pub enum SessionState as "rescue session state" {
        /// The way in is being gone.
        Starting = "starting",
        /// The rescue system has proven itself.
        Active = "active",
        /// The server's own system is tried on what was repaired.
        Confirming = "confirming",
        /// The way out is being gone.
        Stopping = "stopping",
        Closed = "closed",
        /// The way in failed; `cause` and `evidence` say why.
        Failed = "failed",
    }
}

impl SessionState {
    /// At most one session per guest is in one of these.
    pub const OPEN: &'static [Self] = &[Self::Starting, Self::Active, Self::Confirming, Self::Stopping];
}

words! {
    /// How far a permission reaches, widest first.
    pub enum Scope as "scope" {
        /// Everything.
        System = "system",
        /// What belongs to the caller's domain.
        Domain = "domain",
        /// What belongs to the caller's project.
        Project = "project",
        /// What belongs to the caller.
        User = "user",
    }
}

words! {
    /// The processor architecture of a guest or of a rescue image, in Debian's kernel words.
    pub enum Arch as "architecture" {
        X86_64 = "x86_64",
        Aarch64 = "aarch64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_round_trip() {
        for status in GuestStatus::ALL {
            assert_eq!(status.as_str().parse::<GuestStatus>().as_ref(), Ok(status));
            assert_eq!(serde_json::from_str::<GuestStatus>(&serde_json::to_string(status).unwrap()).unwrap(), *status);
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_allowed_ones() {
        let error = "RW".parse::<DiskMode>().unwrap_err();
        assert_eq!(error.to_string(), "unknown disk mode 'RW': allowed are rw, ro, overlay");
    }
}
