//! What the rescue system found wrong with a machine, and what a repair did to it.
//!
//! A [`Diagnosis`] is a list of [`Finding`]s; each names the [fixes](FixOffer) that would mend it. A repair is asked for by the codes
//! of fixes, and answers with a [`RepairReport`]: how each fix ended, and which files differ from before. Both are made inside the
//! rescue system, so whoever reads them elsewhere reads the words of a machine that is not to be trusted: texts are shown, never
//! followed. What the codes mean stands in `docs/diagnosis.md`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::words;

/// Version of [`Diagnosis`]. A reader ignores fields that it does not know.
pub const DIAGNOSIS_VERSION: u32 = 1;

/// Everything that was looked at, read-only, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    pub version: u32,
    pub started: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
    pub system: SystemSeen,
    /// The gravest first. Empty: every rule in `checked` is content.
    pub findings: Vec<Finding>,
    /// Codes of the rules that were asked, in order.
    pub checked: Vec<String>,
    /// Rules that could not be asked, and why.
    pub skipped: Vec<Skipped>,
}

/// The machine's own system, as far as it could be read. Empty texts: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemSeen {
    /// `ID` of os-release: `debian`.
    pub os: String,
    /// `PRETTY_NAME` of os-release: `Debian GNU/Linux 12 (bookworm)`.
    pub version: String,
    /// From `/etc/hostname`.
    pub hostname: String,
    /// Device of the root file system, by the name it has in the rescue system: `/dev/vda1`.
    pub root: String,
    /// `ext4`, `xfs`.
    pub root_filesystem: String,
    pub root_uuid: String,
    /// Versions of the kernels that are installed, as in the names of their files in `/boot`.
    pub kernels: Vec<String>,
    /// How the machine starts its own disks.
    pub firmware: Firmware,
    /// `grub`, `systemd-boot`, `extlinux`.
    pub bootloader: String,
}

words! {
    /// How a machine starts from its own disks, as far as they tell.
    pub enum Firmware as "firmware" {
        Unknown = "unknown",
        Bios = "bios",
        Uefi = "uefi",
    }
}

#[allow(clippy::derivable_impls, reason = "the enum is made by a macro that has no place for the attribute")]
impl Default for Firmware {
    fn default() -> Self {
        Self::Unknown
    }
}

words! {
    /// How bad a finding is.
    pub enum Severity as "severity" {
        /// The machine does not boot, or not to a usable state.
        Critical = "critical",
        /// It boots, but something does not work, or soon won't.
        Warning = "warning",
        /// Worth knowing.
        Note = "note",
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// `fstab_missing_device`.
    pub code: String,
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// What was seen: file and line, a program's own words.
    pub evidence: Vec<String>,
    /// What a person would do.
    pub what_to_do: String,
    /// What a repair can do, the gentlest first; empty where nothing but a person can.
    pub fixes: Vec<FixOffer>,
}

/// A repair that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FixOffer {
    /// To be named in a repair: `fstab_comment_out`.
    pub code: String,
    /// Whether an automatic repair may do it without being asked.
    pub safe: bool,
    /// Why it is safe, or why not.
    pub reason: String,
    /// One line: what it does.
    pub title: String,
}

/// A rule that was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Skipped {
    pub code: String,
    pub why: String,
}

/// What a repair did, or, with `dry_run`, would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RepairReport {
    /// In the order in which they ran.
    pub fixes: Vec<FixResult>,
    /// Files that differ from before. In a dry run, those whose change is known before it is made.
    pub changes: Vec<FileChange>,
    pub dry_run: bool,
}

words! {
    /// How a fix ended.
    pub enum FixState as "state of a fix" {
        /// In a dry run: it would be done.
        Done = "done",
        /// What it mends is not broken.
        NothingToDo = "nothing_to_do",
        /// It was begun; what it left behind is among the changes.
        Failed = "failed",
        /// It was not begun, for the reason in the message.
        Refused = "refused",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FixResult {
    /// The fix's code, as asked for.
    pub code: String,
    pub state: FixState,
    pub message: String,
    /// Commands and what they said, lists of what was removed.
    pub log: Vec<String>,
}

words! {
    /// What became of a file.
    pub enum ChangeKind as "kind of change" {
        Added = "added",
        Removed = "removed",
        Changed = "changed",
        /// Its permissions or owner alone.
        Mode = "mode",
    }
}

/// A file of the machine that differs from before the repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileChange {
    /// As the machine itself names it: `/etc/fstab`.
    pub path: String,
    pub kind: ChangeKind,
    /// 64 hex digits; absent where the file was not read before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_sha256: Option<String>,
    /// Unified (`diff -u`), of text files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Why there is no diff (`changed, content not shown`), or what else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What came of booting a machine's own system on what was repaired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trial {
    /// What it was known by to be up: its login prompt. Absent: it did not come so far.
    pub sign: Option<String>,
    /// From its boot to the sign; absent where there was none.
    pub seconds: Option<f64>,
    /// Why it did not come up.
    pub cause: Option<String>,
    /// What it printed last on its serial console, at most 40 lines.
    pub console: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_not_written_and_what_is_unknown_is_ignored() {
        let change = FileChange {
            path: "/etc/fstab".into(),
            kind: ChangeKind::Changed,
            before_sha256: None,
            after_sha256: None,
            diff: None,
            note: None,
        };
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(text, r#"{"path":"/etc/fstab","kind":"changed"}"#);
        let newer = text.replace('}', r#","of the future":1}"#);
        assert_eq!(serde_json::from_str::<FileChange>(&newer).unwrap(), change);
    }

    #[test]
    fn severities_sort_by_gravity() {
        assert_eq!(Severity::ALL, [Severity::Critical, Severity::Warning, Severity::Note]);
        assert_eq!(serde_json::to_string(&FixState::NothingToDo).unwrap(), "\"nothing_to_do\"");
    }
}
