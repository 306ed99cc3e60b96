//! What a request means in a guest's situation. Pure; its test is the table.

use types::id::SessionId;
use types::operation::FailureCode;

use super::Work;

/// What the desc on disk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Described {
    /// There is no such guest.
    Not,
    Own,
    Rescue(SessionId),
}

/// What QEMU runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    Nothing,
    Own,
    Rescue(SessionId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Act,
    /// What was asked for is so already.
    Already,
    Deny(FailureCode, String),
}

/// Decides.
#[must_use]
pub fn decide(described: Described, runs: Runs, work: &Work) -> Decision {
    use Decision::{Act, Already};
    let unknown = || Decision::Deny(FailureCode::UnknownGuest, "there is no such guest on this host".into());
    match work {
        Work::Create(_) | Work::Prepare { .. } => Act,
        // Also without a desc: a creation that failed may have left files, and a detached disk outlives its guest.
        Work::Delete | Work::DeleteDisk(_) => Act,
        _ if described == Described::Not => unknown(),
        Work::Start => match (described, runs) {
            (Described::Rescue(session), _) | (_, Runs::Rescue(session)) => in_rescue(session),
            (_, Runs::Own) => Already,
            (_, Runs::Nothing) => Act,
        },
        Work::Stop { .. } => match runs {
            Runs::Nothing => Already,
            Runs::Own | Runs::Rescue(_) => Act,
        },
        Work::Preflight { .. } => match described {
            Described::Rescue(session) => in_rescue(session),
            Described::Own | Described::Not => Act,
        },
        Work::WriteDesc(section) => match (described, runs) {
            (Described::Rescue(other), _) if other != section.session => in_rescue(other),
            // Repeated, perhaps after the rescue system was started.
            (Described::Rescue(_), Runs::Nothing | Runs::Rescue(_)) => Act,
            (_, Runs::Nothing) => Act,
            (_, Runs::Own | Runs::Rescue(_)) => deny("the guest is running: stop it first"),
        },
        Work::StartRescue { session, .. } => match (described, runs) {
            (Described::Rescue(other), _) if other != *session => in_rescue(other),
            (Described::Own | Described::Not, _) => deny("the guest's desc has no rescue section: write it first"),
            (_, Runs::Nothing) => Act,
            (_, Runs::Rescue(running)) if running == *session => Already,
            (_, Runs::Own | Runs::Rescue(_)) => deny("the guest is running something else: stop it first"),
        },
        Work::AwaitReady { session, .. } => match described {
            Described::Rescue(other) if other != *session => in_rescue(other),
            Described::Rescue(_) => Act,
            Described::Own | Described::Not => deny("the guest's desc has no rescue section: write it first"),
        },
        Work::RunInRescue(asked) => match (described, runs) {
            (Described::Rescue(other), _) | (_, Runs::Rescue(other)) if other != asked.session => in_rescue(other),
            (_, Runs::Rescue(_)) => Act,
            (_, Runs::Own | Runs::Nothing) => deny("the rescue system of this session does not run"),
        },
        Work::ConfirmBoot { session, .. } => match (described, runs) {
            (Described::Rescue(other), _) | (_, Runs::Rescue(other)) if other != *session => in_rescue(other),
            (Described::Own | Described::Not, _) => deny("the guest is not in this rescue session"),
            (_, Runs::Rescue(_)) => deny("the rescue system is running: stop it first"),
            // Repeated, perhaps after it was started.
            (_, Runs::Nothing | Runs::Own) => Act,
        },
        Work::Restore { session, .. } => match described {
            Described::Rescue(other) if other != *session => Already,
            Described::Rescue(_) | Described::Own | Described::Not => Act,
        },
        Work::Reset | Work::Suspend | Work::Resume => match runs {
            Runs::Nothing => deny("the guest is off: start it first"),
            Runs::Own | Runs::Rescue(_) => Act,
        },
        // A rescue system may still run when the desc is the guest's own again: a way back that was interrupted.
        Work::Change(_) | Work::ResizeDisk { .. } | Work::CreateSnapshot(_) | Work::DeleteSnapshot(_) => {
            match (described, runs) {
                (Described::Rescue(session), _) | (_, Runs::Rescue(session)) => in_rescue(session),
                (_, Runs::Own | Runs::Nothing) => Act,
            }
        }
        Work::RevertSnapshot(_) => match (described, runs) {
            (Described::Rescue(session), _) | (_, Runs::Rescue(session)) => in_rescue(session),
            (_, Runs::Own) => Decision::Deny(
                FailureCode::MustStop,
                "disks are put back only while the guest is off: stop the server first".into(),
            ),
            (_, Runs::Nothing) => Act,
        },
    }
}

fn in_rescue(session: SessionId) -> Decision {
    deny(format!("the guest is in rescue session {session}: end that first"))
}

fn deny(message: impl Into<String>) -> Decision {
    Decision::Deny(FailureCode::WrongState, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::desc::tests::{sample, section};
    use types::id::{DiskId, SnapshotId};
    use types::status::{DiskMode, OverlayEnd};

    #[test]
    fn the_table() {
        let (mine, other) = (SessionId::generate(), SessionId::generate());
        let image = || {
            Box::new(artifact::Wanted {
                name: String::new(),
                version: String::new(),
                serial: 1,
                kernel: section(mine).kernel,
                initramfs: section(mine).initramfs,
                cmdline: String::new(),
                min_memory_mib: 1,
            })
        };
        let works = [
            Work::Create(Box::new(sample())),
            Work::Start,
            Work::Stop { timeout_s: 1, force: false },
            Work::Delete,
            Work::Preflight {
                image: image(),
                disk_mode: DiskMode::Rw,
                qemu_version: None,
                network: types::status::RescueNetwork::Full,
            },
            Work::Prepare { image: image(), endpoints: vec![] },
            Work::WriteDesc(Box::new(section(mine))),
            Work::StartRescue { session: mine, ssh_keys: vec![], password_hash: None, fresh: false },
            Work::AwaitReady { session: mine, timeout_s: 1 },
            Work::Restore { session: mine, overlay: OverlayEnd::Discard },
            Work::Reset,
            Work::Suspend,
            Work::Resume,
            Work::Change(Box::new(sample())),
            Work::ResizeDisk { disk: DiskId::generate(), size_mib: 1 },
            Work::DeleteDisk(DiskId::generate()),
            Work::CreateSnapshot(SnapshotId::generate()),
            Work::RevertSnapshot(SnapshotId::generate()),
            Work::DeleteSnapshot(SnapshotId::generate()),
            Work::ConfirmBoot { session: mine, timeout_s: 1 },
        ];
        // a: act, =: already, u: unknown guest, w: wrong state, s: must stop. Columns as `works`.
        let table = [
            (Described::Not, Runs::Nothing, "auuauauuuu uuuuuauuuu"),
            (Described::Not, Runs::Own, "auuauauuuu uuuuuauuuu"),
            (Described::Own, Runs::Nothing, "aa=aaaawwa wwwaaaaaaw"),
            (Described::Own, Runs::Own, "a=aaaawwwa aaaaaaasaw"),
            (Described::Own, Runs::Rescue(mine), "awaaaawwwa aaawwawwww"),
            (Described::Own, Runs::Rescue(other), "awaaaawwwa aaawwawwww"),
            (Described::Rescue(mine), Runs::Nothing, "aw=awaaaaa wwwwwawwwa"),
            (Described::Rescue(mine), Runs::Own, "awaawawwaa aaawwawwwa"),
            (Described::Rescue(mine), Runs::Rescue(mine), "awaawaa=aa aaawwawwww"),
            (Described::Rescue(mine), Runs::Rescue(other), "awaawaawaa aaawwawwww"),
            (Described::Rescue(other), Runs::Nothing, "aw=awawww= wwwwwawwww"),
            (Described::Rescue(other), Runs::Own, "awaawawww= aaawwawwww"),
            (Described::Rescue(other), Runs::Rescue(other), "awaawawww= aaawwawwww"),
        ];
        for (described, runs, expected) in table {
            let got: String = works
                .iter()
                .map(|work| match decide(described, runs, work) {
                    Decision::Act => 'a',
                    Decision::Already => '=',
                    Decision::Deny(FailureCode::UnknownGuest, _) => 'u',
                    Decision::Deny(FailureCode::MustStop, _) => 's',
                    Decision::Deny(..) => 'w',
                })
                .collect();
            assert_eq!(got, expected.replace(' ', ""), "{described:?} {runs:?}");
        }
    }
}
