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
    /// From these `start-rescue` may begin.
    pub const MAY_START_RESCUE: &'static [Self] =
        &[Self::Ready, Self::Running, Self::StartRescueFailed, Self::StopRescueFailed];
    /// From these `stop-rescue` may begin.
    pub const MAY_STOP_RESCUE: &'static [Self] = &[Self::Rescue, Self::StartRescueFailed, Self::StopRescueFailed];
    /// A power state seen by a host moves the status only between these two.
    pub const FOLLOWS_POWER: &'static [Self] = &[Self::Ready, Self::Running];
    /// A task is at work; the status ends by itself.
    pub const IN_TRANSITION: &'static [Self] =
        &[Self::Creating, Self::Starting, Self::Stopping, Self::StartRescue, Self::StopRescue, Self::Deleting];
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
    /// How a rescue system gets the guest's disks.
    pub enum DiskMode as "disk mode" {
        /// Written in place.
        Rw = "rw",
        /// The image can't be written, whatever the guest tries.
        Ro = "ro",
    }
}

words! {
    /// The life of one rescue session.
    pub enum SessionState as "rescue session state" {
        /// The way in is being gone.
        Starting = "starting",
        /// The rescue system has proven itself.
        Active = "active",
        /// The way out is being gone.
        Stopping = "stopping",
        Closed = "closed",
        /// The way in failed; `cause` and `evidence` say why.
        Failed = "failed",
    }
}

impl SessionState {
    /// At most one session per guest is in one of these.
    pub const OPEN: &'static [Self] = &[Self::Starting, Self::Active, Self::Stopping];
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
        assert_eq!(error.to_string(), "unknown disk mode 'RW': allowed are rw, ro");
    }
}
