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
    StartRescueFailed,
    StopRescueFailed,
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
    AwaitReady, CreateGuest, DeleteGuest, PreflightRescue, PrepareRescue, RestoreDesc, StartGuest, StartRescue,
    StopGuest, WriteRescueDesc,
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
    match status {
        CreateFailed | DeleteFailed => &[DELETE],
        Ready => &[START, RESCUE, DELETE],
        Running => &[STOP, RESCUE],
        StartFailed | StopFailed => &[START, STOP, DELETE],
        Rescue => &[LEAVE],
        StartRescueFailed => &[RESCUE, LEAVE, START, STOP],
        StopRescueFailed => &[LEAVE, RESCUE, STOP],
        // A task is at work; such a status ends by itself.
        Creating | Starting | Stopping | Restarting | Suspending | Resuming | ChangeConfig | AttachDisk | DetachDisk
        | DiskResize | Snapshot | SnapshotDelete | DiskReset | StartRescue | StopRescue | Deleting => &[],
    }
}
