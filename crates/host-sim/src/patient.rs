//! What a simulated rescue system answers: the guest's fstab names a device that is gone, until that is repaired.

use chrono::Utc;
use serde::Serialize;
use types::diagnosis::{
    ChangeKind, DIAGNOSIS_VERSION, Diagnosis, FileChange, Finding, FixOffer, FixResult, FixState, RepairReport,
    Severity, SystemSeen,
};
use types::operation::{Failure, FailureCode, Outcome};
use types::verb::{CredentialsReplaced, NoticeShown, Verb};

use crate::guests::{SimGuest, failed};

/// The fix that mends it.
pub const FIX: &str = "fstab_comment_out";

pub(crate) fn run(guest: &mut SimGuest, verb: &Verb) -> Result<Outcome, Failure> {
    if !guest.ready {
        return failed(FailureCode::WrongState, "the rescue system has not proven itself");
    }
    match verb {
        Verb::Diagnose { .. } => answer(&diagnosis(guest)),
        Verb::Repair { codes, dry_run } => {
            let report = repair(codes, *dry_run, guest.mended);
            guest.mended |= !report.changes.is_empty() && !dry_run;
            answer(&report)
        }
        Verb::Notice { text } => {
            guest.notices.push(text.clone());
            answer(&NoticeShown { terminals: vec!["ttyS0".into()] })
        }
        Verb::Credentials { ssh_keys, password_hash } => answer(&CredentialsReplaced {
            keys: ssh_keys.len(),
            password: password_hash.is_some(),
            ssh_host_key: None,
            ssh_fingerprint: None,
        }),
    }
}

fn answer(what: &impl Serialize) -> Result<Outcome, Failure> {
    Ok(Outcome::RescueRan { answer: serde_json::to_string(what).expect("an answer is plain data") })
}

fn diagnosis(guest: &SimGuest) -> Diagnosis {
    let finding = Finding {
        code: "fstab_missing_device".into(),
        severity: Severity::Critical,
        title: "/etc/fstab names a device that is not there".into(),
        evidence: vec!["/etc/fstab line 3: UUID=0bad".into()],
        what_to_do: "Correct the line, or add nofail".into(),
        fixes: vec![FixOffer {
            code: FIX.into(),
            safe: !guest.unsafe_fix,
            reason: "the line is kept as a comment".into(),
            title: "Comment the line out".into(),
        }],
    };
    Diagnosis {
        version: DIAGNOSIS_VERSION,
        started: Utc::now(),
        seconds: 0.1,
        system: SystemSeen { os: "debian".into(), root: "/dev/vda1".into(), ..SystemSeen::default() },
        findings: if guest.mended { vec![] } else { vec![finding] },
        checked: vec!["fstab_missing_device".into()],
        skipped: vec![],
    }
}

fn repair(codes: &[String], dry_run: bool, mended: bool) -> RepairReport {
    let result = |code: &String| {
        let (state, message) = match (code.as_str(), mended) {
            (FIX, false) => (FixState::Done, "line 3 commented out"),
            (FIX, true) => (FixState::NothingToDo, "every device is there"),
            _ => (FixState::Refused, "there is no such fix"),
        };
        FixResult { code: code.clone(), state, message: message.into(), log: vec![] }
    };
    let change = FileChange {
        path: "/etc/fstab".into(),
        kind: ChangeKind::Changed,
        before_sha256: None,
        after_sha256: None,
        diff: Some("-UUID=0bad /data\n+#UUID=0bad /data\n".into()),
        note: None,
    };
    let fixes: Vec<_> = codes.iter().map(result).collect();
    let changes = if fixes.iter().any(|fix| fix.state == FixState::Done) { vec![change] } else { vec![] };
    RepairReport { fixes, changes, dry_run }
}
