//! What a test can make a simulated host do.

use std::time::Duration;

use types::id::GuestId;
use types::operation::Failure;

/// The operations of the host service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    CreateGuest,
    StartGuest,
    StopGuest,
    DeleteGuest,
    PreflightRescue,
    PrepareRescue,
    WriteRescueDesc,
    StartRescue,
    AwaitReady,
    RunInRescue,
    ConfirmBoot,
    RestoreDesc,
    ResetGuest,
    SuspendGuest,
    ResumeGuest,
    ChangeGuest,
    ResizeDisk,
    DeleteDisk,
    CreateSnapshot,
    RevertSnapshot,
    DeleteSnapshot,
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// How an operation goes. The default is a host that works: the reply is `pending`, the outcome is reported once.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    pub pace: Pace,
    /// End in this, and leave the guest as it was.
    pub fail: Option<Failure>,
    pub reply: Reply,
    pub reports: Reports,
    /// What a pending reply says of a download: bytes that are there, bytes in all.
    pub bytes: Option<(u64, u64)>,
}

impl Behaviour {
    /// Fails with this.
    #[must_use]
    pub fn failing(failure: Failure) -> Self {
        Self { fail: Some(failure), ..Self::default() }
    }
    #[must_use]
    pub fn pace(pace: Pace) -> Self {
        Self { pace, ..Self::default() }
    }
    #[must_use]
    pub fn reply(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }
    #[must_use]
    pub fn reports(reports: Reports) -> Self {
        Self { reports, ..Self::default() }
    }
}

/// When the operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Before the reply, which then is the outcome. It is reported as well, as a real host does.
    Inline,
    /// The reply is `pending`; carried out this much later.
    After(Duration),
    /// Written to the ledger, not carried out until [`release`](crate::SimHandle::release).
    HeldBefore,
    /// Carried out, but its end is not recorded until [`release`](crate::SimHandle::release): a crash here makes it run again.
    HeldAfter,
}

impl Default for Pace {
    fn default() -> Self {
        Self::After(Duration::ZERO)
    }
}

/// What becomes of the reply to the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reply {
    #[default]
    Normal,
    /// The request is accepted, and answered with UNAVAILABLE.
    Lost,
    /// Only when the operation has ended, and then it is the outcome: with a pace that holds, a request that is not answered.
    AtEnd,
    /// Nothing is done, nothing is recorded.
    Refuse(tonic::Code),
}

/// What becomes of the report to region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reports {
    #[default]
    Once,
    /// Sent again after region has acknowledged it.
    Twice,
    /// Not sent until [`release_report`](crate::SimHandle::release_report).
    Held,
    /// Region must ask.
    Never,
}

/// A behaviour and what it is for. The rule added last wins.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub verb: Option<Verb>,
    pub guest: Option<GuestId>,
    /// How many requests it is yet to be used for; None: no limit.
    pub left: Option<u32>,
    pub behaviour: Behaviour,
}

impl Rule {
    pub fn fits(&self, verb: Verb, guest: GuestId) -> bool {
        self.left != Some(0)
            && self.verb.is_none_or(|wanted| wanted == verb)
            && self.guest.is_none_or(|wanted| wanted == guest)
    }
}
