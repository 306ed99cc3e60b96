//! The table: where a server is, what is asked of it, what its host does for it in which order, and how it ends.

use api::task::TaskState;
use host_sim::Verb;
use types::{GuestStatus, SessionState};

/// Where a story finds its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Nowhere,
    Off,
    On,
    /// In rescue; it was on before.
    InRescue,
    /// The same, in disk mode overlay.
    InOverlay,
    StartRescueFailed,
    StopRescueFailed,
    Suspended,
    /// Off, with a snapshot that is called as the server is.
    Snapshotted,
    /// On, with a disk that was taken from it.
    Detached,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Create,
    Start,
    Stop,
    Delete,
    StartRescue,
    StopRescue,
    /// Of one server, under a parent.
    BatchStartRescue,
    AutoRepair,
    /// Of one server, under a parent.
    BatchAutoRepair,
    ForceStop,
    Restart,
    Reset,
    Suspend,
    Resume,
    SyncStatus,
    AttachDisk,
    ResizeDisk,
    CreateSnapshot,
    RevertSnapshot,
    DeleteSnapshot,
    DeleteDisk,
}

pub struct Story {
    pub name: &'static str,
    pub begin: Begin,
    pub ask: Ask,
    /// The host fails the next of each of these.
    pub fails: &'static [Verb],
    /// What the host carries out, in order, each once.
    pub host: &'static [Verb],
    pub task: TaskState,
    /// None: the server is gone.
    pub status: Option<GuestStatus>,
    /// Of the session that was opened last.
    pub session: Option<SessionState>,
}

use Verb::{
    AwaitReady, ChangeGuest, ConfirmBoot, CreateGuest, CreateSnapshot, DeleteDisk, DeleteGuest, DeleteSnapshot,
    PreflightRescue, PrepareRescue, ResetGuest, ResizeDisk, RestoreDesc, ResumeGuest, RevertSnapshot, RunInRescue,
    StartGuest, StartRescue, StopGuest, SuspendGuest, WriteRescueDesc,
};

pub const CREATE: Story = Story {
    name: "create",
    begin: Begin::Nowhere,
    ask: Ask::Create,
    fails: &[],
    host: &[CreateGuest, StartGuest],
    task: TaskState::Succeeded,
    status: Some(GuestStatus::Running),
    session: None,
};
pub const START: Story = Story { name: "start", begin: Begin::Off, ask: Ask::Start, host: &[StartGuest], ..CREATE };
pub const STOP: Story = Story {
    name: "stop",
    begin: Begin::On,
    ask: Ask::Stop,
    host: &[StopGuest],
    status: Some(GuestStatus::Ready),
    ..CREATE
};
pub const DELETE: Story =
    Story { name: "delete", begin: Begin::Off, ask: Ask::Delete, host: &[DeleteGuest], status: None, ..CREATE };
pub const START_RESCUE: Story = Story {
    name: "start-rescue",
    begin: Begin::On,
    ask: Ask::StartRescue,
    host: &[PreflightRescue, PrepareRescue, StopGuest, WriteRescueDesc, StartRescue, AwaitReady],
    status: Some(GuestStatus::Rescue),
    session: Some(SessionState::Active),
    ..CREATE
};
/// The whole way back.
pub const NOT_READY: Story = Story {
    name: "start-rescue that is never ready",
    fails: &[AwaitReady],
    host: &[
        PreflightRescue,
        PrepareRescue,
        StopGuest,
        WriteRescueDesc,
        StartRescue,
        AwaitReady,
        RestoreDesc,
        StartGuest,
    ],
    task: TaskState::Failed,
    status: Some(GuestStatus::Running),
    session: Some(SessionState::Failed),
    ..START_RESCUE
};
/// A way back that first finishes the stop.
pub const NOT_STOPPED: Story = Story {
    name: "start-rescue whose stop fails",
    fails: &[StopGuest],
    host: &[PreflightRescue, PrepareRescue, StopGuest, StopGuest, RestoreDesc, StartGuest],
    ..NOT_READY
};
/// A way back that fails too.
pub const NOT_RESTORED: Story = Story {
    name: "start-rescue whose way back fails",
    fails: &[AwaitReady, RestoreDesc],
    host: &[PreflightRescue, PrepareRescue, StopGuest, WriteRescueDesc, StartRescue, AwaitReady, RestoreDesc],
    status: Some(GuestStatus::StartRescueFailed),
    ..NOT_READY
};
pub const RESCUE_AGAIN: Story = Story {
    name: "start-rescue out of a failed one",
    begin: Begin::StartRescueFailed,
    // What the earlier one left is put right before anything new is looked at.
    host: &[
        StopGuest,
        RestoreDesc,
        PreflightRescue,
        PrepareRescue,
        StopGuest,
        WriteRescueDesc,
        StartRescue,
        AwaitReady,
    ],
    ..START_RESCUE
};
pub const START_AFTER_FAILURE: Story = Story {
    name: "start out of a failed start-rescue",
    begin: Begin::StartRescueFailed,
    ask: Ask::Start,
    host: &[RestoreDesc, StartGuest],
    session: Some(SessionState::Failed),
    ..CREATE
};
pub const STOP_AFTER_FAILURE: Story = Story {
    name: "stop out of a failed start-rescue",
    begin: Begin::StartRescueFailed,
    ask: Ask::Stop,
    host: &[StopGuest, RestoreDesc],
    status: Some(GuestStatus::Ready),
    session: Some(SessionState::Failed),
    ..CREATE
};
pub const STOP_RESCUE: Story = Story {
    name: "stop-rescue",
    begin: Begin::InRescue,
    ask: Ask::StopRescue,
    host: &[StopGuest, RestoreDesc, StartGuest],
    session: Some(SessionState::Closed),
    ..CREATE
};
pub const NOT_LEFT: Story = Story {
    name: "stop-rescue whose desc can't be restored",
    fails: &[RestoreDesc],
    host: &[StopGuest, RestoreDesc],
    task: TaskState::Failed,
    status: Some(GuestStatus::StopRescueFailed),
    session: Some(SessionState::Stopping),
    ..STOP_RESCUE
};
pub const LEAVE_AGAIN: Story =
    Story { name: "stop-rescue out of a failed one", begin: Begin::StopRescueFailed, ..STOP_RESCUE };

/// The parent begins its child, and ends when the child has.
pub const BATCH: Story = Story { name: "start-rescue of many", ask: Ask::BatchStartRescue, ..START_RESCUE };
/// Into rescue, diagnosis, repair, another diagnosis, a boot on the result, and out of rescue, which commits.
pub const AUTO: Story = Story {
    name: "automatic repair",
    ask: Ask::AutoRepair,
    host: &[
        PreflightRescue,
        PrepareRescue,
        StopGuest,
        WriteRescueDesc,
        StartRescue,
        AwaitReady,
        RunInRescue,
        RunInRescue,
        RunInRescue,
        StopGuest,
        ConfirmBoot,
        StopGuest,
        RestoreDesc,
        StartGuest,
    ],
    status: Some(GuestStatus::Running),
    session: Some(SessionState::Closed),
    ..START_RESCUE
};
pub const AUTO_OF_MANY: Story = Story { name: "automatic repair of many", ask: Ask::BatchAutoRepair, ..AUTO };
/// What was written goes, and the rescue system comes again.
pub const NOT_CONFIRMED: Story = Story {
    name: "automatic repair that does not help",
    begin: Begin::InOverlay,
    fails: &[ConfirmBoot],
    host: &[RunInRescue, RunInRescue, RunInRescue, StopGuest, ConfirmBoot, StopGuest, StartRescue, AwaitReady],
    task: TaskState::Failed,
    status: Some(GuestStatus::Rescue),
    session: Some(SessionState::Active),
    ..AUTO
};
pub const NOT_RETURNED: Story = Story {
    name: "automatic repair whose way back fails",
    fails: &[ConfirmBoot, StartRescue],
    host: &[RunInRescue, RunInRescue, RunInRescue, StopGuest, ConfirmBoot, StopGuest, StartRescue],
    status: Some(GuestStatus::StopRescueFailed),
    session: Some(SessionState::Stopping),
    ..NOT_CONFIRMED
};
pub const RESTART: Story =
    Story { name: "restart", begin: Begin::On, ask: Ask::Restart, host: &[StopGuest, StartGuest], ..CREATE };
pub const RESTART_RESCUE: Story = Story {
    name: "restart in rescue",
    begin: Begin::InRescue,
    ask: Ask::Restart,
    host: &[StopGuest, StartRescue, AwaitReady],
    status: Some(GuestStatus::Rescue),
    session: Some(SessionState::Active),
    ..CREATE
};
pub const RESET: Story = Story { name: "reset", begin: Begin::On, ask: Ask::Reset, host: &[ResetGuest], ..CREATE };
pub const SUSPEND: Story = Story {
    name: "suspend",
    begin: Begin::On,
    ask: Ask::Suspend,
    host: &[SuspendGuest],
    status: Some(GuestStatus::Suspended),
    ..CREATE
};
/// The way back of every task that is one request: the host is asked how the server is.
pub const NOT_SUSPENDED: Story = Story {
    name: "suspend that fails",
    fails: &[SuspendGuest],
    host: &[SuspendGuest, RestoreDesc],
    task: TaskState::Failed,
    status: Some(GuestStatus::Running),
    ..SUSPEND
};
/// And the host does not say.
pub const NOT_TOLD: Story = Story {
    name: "suspend that fails, of a host that does not say",
    fails: &[SuspendGuest, RestoreDesc],
    status: Some(GuestStatus::SuspendFailed),
    ..NOT_SUSPENDED
};
pub const RESUME: Story =
    Story { name: "resume", begin: Begin::Suspended, ask: Ask::Resume, host: &[ResumeGuest], ..CREATE };
/// The request that changes nothing keeps late ones out.
pub const SYNC: Story =
    Story { name: "syncstatus", begin: Begin::On, ask: Ask::SyncStatus, host: &[RestoreDesc], ..CREATE };
pub const ATTACH: Story =
    Story { name: "attach-disk", begin: Begin::On, ask: Ask::AttachDisk, host: &[ChangeGuest], ..CREATE };
pub const RESIZE: Story =
    Story { name: "resize-disk", begin: Begin::On, ask: Ask::ResizeDisk, host: &[ResizeDisk], ..CREATE };
pub const SNAPSHOT: Story =
    Story { name: "create-snapshot", begin: Begin::On, ask: Ask::CreateSnapshot, host: &[CreateSnapshot], ..CREATE };
pub const REVERT: Story = Story {
    name: "revert-snapshot",
    begin: Begin::Snapshotted,
    ask: Ask::RevertSnapshot,
    host: &[RevertSnapshot],
    status: Some(GuestStatus::Ready),
    ..CREATE
};
pub const FORGET: Story =
    Story { name: "delete of a snapshot", ask: Ask::DeleteSnapshot, host: &[DeleteSnapshot], ..REVERT };
pub const DISK_DELETE: Story =
    Story { name: "delete of a disk", begin: Begin::Detached, ask: Ask::DeleteDisk, host: &[DeleteDisk], ..CREATE };

/// Statuses that a task may leave when one of its stages fails; each has ways out.
pub fn after_failure(ask: Ask) -> &'static [GuestStatus] {
    use GuestStatus::*;
    match ask {
        Ask::Create => &[CreateFailed, StartFailed],
        Ask::Start => &[StartFailed, StartRescueFailed],
        Ask::Stop => &[StopFailed, StartRescueFailed, StopRescueFailed],
        Ask::Delete => &[DeleteFailed],
        Ask::StartRescue => &[Running, Ready, StartRescueFailed, StopRescueFailed],
        Ask::StopRescue => &[StopRescueFailed],
        // The child of a parent that fails goes on by itself.
        Ask::BatchStartRescue => &[Running, Ready, Rescue, StartRescueFailed],
        Ask::AutoRepair | Ask::BatchAutoRepair => &[Running, Rescue, StopRescueFailed, StartRescueFailed],
        Ask::ForceStop => &[StopFailed],
        Ask::Restart => &[StopFailed, StartFailed, Rescue],
        Ask::Reset | Ask::SyncStatus | Ask::DeleteDisk => &[Running],
        Ask::Suspend => &[Running, Suspended, SuspendFailed],
        Ask::Resume => &[Suspended, Running, ResumeFailed],
        Ask::AttachDisk => &[Running, AttachDiskFailed],
        Ask::ResizeDisk => &[Running, DiskResizeFailed],
        Ask::CreateSnapshot => &[Running, SnapshotFailed],
        Ask::RevertSnapshot => &[Ready, DiskResetFailed],
        Ask::DeleteSnapshot => &[Ready, SnapshotFailed],
    }
}

/// What leads out of a status, and where to; `None` is gone.
pub fn ways_out(status: GuestStatus) -> &'static [(Ask, Option<GuestStatus>)] {
    use GuestStatus::*;
    const DELETE: (Ask, Option<GuestStatus>) = (Ask::Delete, None);
    const START: (Ask, Option<GuestStatus>) = (Ask::Start, Some(Running));
    const STOP: (Ask, Option<GuestStatus>) = (Ask::Stop, Some(Ready));
    const RESCUE: (Ask, Option<GuestStatus>) = (Ask::StartRescue, Some(Rescue));
    const LEAVE: (Ask, Option<GuestStatus>) = (Ask::StopRescue, Some(Running));
    const RESUME: (Ask, Option<GuestStatus>) = (Ask::Resume, Some(Running));
    const FORCE: (Ask, Option<GuestStatus>) = (Ask::ForceStop, Some(Ready));
    match status {
        CreateFailed | DeleteFailed => &[DELETE],
        Ready => &[START, RESCUE, DELETE],
        Running => &[STOP, RESCUE],
        StartFailed | StopFailed => &[START, STOP, DELETE],
        Suspended | SuspendFailed | ResumeFailed => &[RESUME, FORCE],
        // Asking the host again leads out too: `tests/verbs` takes that way.
        ChangeConfigFailed | AttachDiskFailed | DetachDiskFailed | DiskResizeFailed | SnapshotFailed
        | DiskResetFailed => &[DELETE],
        Rescue => &[LEAVE],
        StartRescueFailed => &[RESCUE, LEAVE, START, STOP],
        StopRescueFailed => &[LEAVE, RESCUE, STOP],
        // A task is at work; such a status ends by itself.
        Creating | Starting | Stopping | Restarting | Suspending | Resuming | ChangeConfig | AttachDisk
        | DetachDisk | DiskResize | Snapshot | SnapshotDelete | DiskReset | StartRescue | StopRescue | Deleting => &[],
    }
}
