//! Messages to `types` and back. Going out can't fail; coming in fails with [`Malformed`], which names the field.

use types::desc::{BootFile, Desc};
use types::operation::{Failure, GuestReport, OperationHeader, Outcome, StopStep, UefiVars};

use crate::host::v1 as pb;
use crate::host::v1::outcome::Result as PbResult;

/// A message could not be read. `Display` names the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Malformed {
    pub field: &'static str,
    pub problem: String,
}

impl Malformed {
    fn missing(field: &'static str) -> Self {
        Self { field, problem: "is missing".into() }
    }
    fn wrong(field: &'static str, problem: impl ToString) -> Self {
        Self { field, problem: problem.to_string() }
    }
}

impl From<Malformed> for tonic::Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

/// Reads a text field as an id or a word.
///
/// # Errors
/// [`Malformed`] with the field's name.
pub fn parse<T>(field: &'static str, text: &str) -> Result<T, Malformed>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|e| Malformed::wrong(field, e))
}

/// As [`parse`]; an empty text is `None`.
///
/// # Errors
/// [`Malformed`] with the field's name.
pub fn parse_optional<T>(field: &'static str, text: &str) -> Result<Option<T>, Malformed>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

/// An empty text is `None`.
#[must_use]
pub fn optional(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl From<OperationHeader> for pb::Operation {
    fn from(header: OperationHeader) -> Self {
        Self {
            id: header.id.to_string(),
            guest_id: header.guest.to_string(),
            sequence: header.sequence,
            task_id: header.task.to_string(),
            request_id: header.request_id,
        }
    }
}

impl TryFrom<Option<pb::Operation>> for Header {
    type Error = Malformed;
    fn try_from(message: Option<pb::Operation>) -> Result<Self, Malformed> {
        let message = message.ok_or_else(|| Malformed::missing("operation"))?;
        Ok(Self(OperationHeader {
            id: parse("operation.id", &message.id)?,
            guest: parse("operation.guest_id", &message.guest_id)?,
            sequence: message.sequence,
            task: parse("operation.task_id", &message.task_id)?,
            request_id: message.request_id,
        }))
    }
}

/// Lets a field that must be there be read in one step: `Header::try_from(request.operation)?.0`.
pub struct Header(pub OperationHeader);

impl From<Outcome> for pb::Outcome {
    fn from(outcome: Outcome) -> Self {
        let result = match outcome {
            Outcome::Created { desc_sha256 } => PbResult::Created(pb::Created { desc_sha256 }),
            Outcome::Started => PbResult::Started(pb::Started {}),
            Outcome::Stopped { how, seconds, steps } => {
                let step = |it: StopStep| pb::StopStep { how: it.how.to_string(), seconds: it.seconds };
                let steps = steps.into_iter().map(step).collect();
                PbResult::Stopped(pb::Stopped { how: how.to_string(), seconds, steps })
            }
            Outcome::Deleted => PbResult::Deleted(pb::Deleted {}),
            Outcome::Preflighted { qemu_version, accelerator, notices, network } => {
                let network = network.map(|it| it.to_string()).unwrap_or_default();
                PbResult::Preflighted(pb::Preflighted { qemu_version, accelerator, notices, network })
            }
            Outcome::Prepared { bytes_downloaded, from } => {
                PbResult::Prepared(pb::Prepared { bytes_downloaded, from: from.unwrap_or_default() })
            }
            Outcome::DescWritten { source_sha256 } => PbResult::DescWritten(pb::DescWritten { source_sha256 }),
            Outcome::RescueStarted { boot, ssh_host_key } => {
                PbResult::RescueStarted(pb::RescueStarted { boot, ssh_host_key: ssh_host_key.unwrap_or_default() })
            }
            Outcome::Ready { ready, seconds, notices } => PbResult::Ready(pb::Ready {
                report_json: serde_json::to_string(&ready).expect("a ready report is plain data"),
                seconds,
                notices,
            }),
            Outcome::Restored { desc_sha256, uefi_vars } => {
                let (uefi_vars_before_sha256, uefi_vars_after_sha256) =
                    uefi_vars.map(|vars| (vars.before, vars.after)).unwrap_or_default();
                PbResult::Restored(pb::Restored { desc_sha256, uefi_vars_before_sha256, uefi_vars_after_sha256 })
            }
            Outcome::ResetDone => PbResult::ResetDone(pb::ResetDone {}),
            Outcome::Suspended => PbResult::Suspended(pb::Suspended {}),
            Outcome::Resumed => PbResult::Resumed(pb::Resumed {}),
            Outcome::Changed { desc_sha256, live_pending } => {
                PbResult::Changed(pb::Changed { desc_sha256, live_pending })
            }
            Outcome::Resized { desc_sha256, size_mib } => PbResult::Resized(pb::Resized { desc_sha256, size_mib }),
            Outcome::DiskDeleted => PbResult::DiskDeleted(pb::DiskDeleted {}),
            Outcome::SnapshotDone => PbResult::SnapshotDone(pb::SnapshotDone {}),
            Outcome::RescueRan { answer } => PbResult::RescueRan(pb::RescueRan { answer_json: answer }),
            Outcome::Confirmed { sign, seconds, console } => {
                PbResult::Confirmed(pb::Confirmed { sign, seconds, console })
            }
            Outcome::Failed { failure } => PbResult::Failure(pb::Failure {
                code: failure.code.to_string(),
                message: failure.message,
                evidence: failure.evidence,
            }),
        };
        Self { result: Some(result) }
    }
}

impl TryFrom<pb::Outcome> for Outcome {
    type Error = Malformed;
    fn try_from(message: pb::Outcome) -> Result<Self, Malformed> {
        Ok(match message.result.ok_or_else(|| Malformed::missing("outcome.result"))? {
            PbResult::Created(it) => Self::Created { desc_sha256: it.desc_sha256 },
            PbResult::Started(_) => Self::Started,
            PbResult::Stopped(it) => Self::Stopped {
                how: parse("outcome.stopped.how", &it.how)?,
                seconds: it.seconds,
                steps: it
                    .steps
                    .into_iter()
                    .map(|step| {
                        let how = parse("outcome.stopped.steps.how", &step.how)?;
                        Ok(StopStep { how, seconds: step.seconds })
                    })
                    .collect::<Result<_, Malformed>>()?,
            },
            PbResult::Deleted(_) => Self::Deleted,
            PbResult::Preflighted(it) => {
                let network = parse_optional("outcome.preflighted.network", &it.network)?;
                let (qemu_version, accelerator) = (it.qemu_version, it.accelerator);
                Self::Preflighted { qemu_version, accelerator, notices: it.notices, network }
            }
            PbResult::Prepared(it) => {
                Self::Prepared { bytes_downloaded: it.bytes_downloaded, from: Some(it.from).filter(|f| !f.is_empty()) }
            }
            PbResult::DescWritten(it) => Self::DescWritten { source_sha256: it.source_sha256 },
            PbResult::RescueStarted(it) => {
                Self::RescueStarted { boot: it.boot, ssh_host_key: optional(&it.ssh_host_key) }
            }
            PbResult::Ready(it) => Self::Ready {
                ready: serde_json::from_str(&it.report_json)
                    .map_err(|e| Malformed::wrong("outcome.ready.report_json", e))?,
                seconds: it.seconds,
                notices: it.notices,
            },
            PbResult::Restored(it) => Self::Restored {
                desc_sha256: it.desc_sha256,
                uefi_vars: Some(UefiVars { before: it.uefi_vars_before_sha256, after: it.uefi_vars_after_sha256 })
                    .filter(|vars| !vars.before.is_empty()),
            },
            PbResult::ResetDone(_) => Self::ResetDone,
            PbResult::Suspended(_) => Self::Suspended,
            PbResult::Resumed(_) => Self::Resumed,
            PbResult::Changed(it) => Self::Changed { desc_sha256: it.desc_sha256, live_pending: it.live_pending },
            PbResult::Resized(it) => Self::Resized { desc_sha256: it.desc_sha256, size_mib: it.size_mib },
            PbResult::DiskDeleted(_) => Self::DiskDeleted,
            PbResult::SnapshotDone(_) => Self::SnapshotDone,
            PbResult::RescueRan(it) => Self::RescueRan { answer: it.answer_json },
            PbResult::Confirmed(it) => Self::Confirmed { sign: it.sign, seconds: it.seconds, console: it.console },
            PbResult::Failure(it) => Self::Failed {
                failure: Failure {
                    code: parse("outcome.failure.code", &it.code)?,
                    message: it.message,
                    evidence: it.evidence,
                },
            },
        })
    }
}

impl From<GuestReport> for pb::GuestState {
    fn from(report: GuestReport) -> Self {
        Self {
            guest_id: report.guest.to_string(),
            power: report.power.to_string(),
            rescue_session: report.rescue_session.map(|s| s.to_string()).unwrap_or_default(),
            rescue_boot: report.rescue_boot,
            rescue_ready: report.rescue_ready,
            interrupted: report.interrupted,
        }
    }
}

impl TryFrom<pb::GuestState> for GuestReport {
    type Error = Malformed;
    fn try_from(message: pb::GuestState) -> Result<Self, Malformed> {
        Ok(Self {
            guest: parse("guest.guest_id", &message.guest_id)?,
            power: parse("guest.power", &message.power)?,
            rescue_session: parse_optional("guest.rescue_session", &message.rescue_session)?,
            rescue_boot: message.rescue_boot,
            rescue_ready: message.rescue_ready,
            interrupted: message.interrupted,
        })
    }
}

impl From<BootFile> for pb::BootFile {
    fn from(file: BootFile) -> Self {
        Self { sha256: file.sha256, size: file.size }
    }
}

/// # Errors
/// [`Malformed`] when the file is absent or its digest is not 64 lower case hex digits.
pub fn boot_file(field: &'static str, message: Option<pb::BootFile>) -> Result<BootFile, Malformed> {
    let message = message.ok_or_else(|| Malformed::missing(field))?;
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if message.sha256.len() != 64 || !message.sha256.bytes().all(hex) {
        return Err(Malformed::wrong(field, "sha256 must be 64 lower case hex digits"));
    }
    Ok(BootFile { sha256: message.sha256, size: message.size })
}

/// # Errors
/// [`Malformed`] when the text is not a desc of a version known here.
pub fn desc(desc_json: &str) -> Result<Desc, Malformed> {
    let desc: Desc = serde_json::from_str(desc_json).map_err(|e| Malformed::wrong("desc_json", e))?;
    if desc.version > types::desc::DESC_VERSION {
        return Err(Malformed::wrong("desc_json", format_args!("version {} is newer than this program", desc.version)));
    }
    Ok(desc)
}

/// The reply to an operation that has ended.
#[must_use]
pub fn ended(outcome: Outcome) -> pb::OperationReply {
    pb::OperationReply { state: Some(pb::operation_reply::State::Outcome(outcome.into())) }
}

/// The reply to an operation that is at work; of a download, with the bytes that are there and those in all.
#[must_use]
pub fn pending(progress: impl Into<String>, bytes: Option<(u64, u64)>) -> pb::OperationReply {
    let (bytes, bytes_total) = bytes.unwrap_or_default();
    let pending = pb::Pending { progress: progress.into(), bytes, bytes_total };
    pb::OperationReply { state: Some(pb::operation_reply::State::Pending(pending)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::operation::{FailureCode, StopHow};

    #[test]
    fn outcomes_survive_a_round_trip() {
        let outcomes = [
            Outcome::Created { desc_sha256: "d".into() },
            Outcome::Started,
            Outcome::Stopped {
                how: StopHow::GuestAgent,
                seconds: 2.5,
                steps: vec![
                    StopStep { how: StopHow::Acpi, seconds: 1.5 },
                    StopStep { how: StopHow::GuestAgent, seconds: 1.0 },
                ],
            },
            Outcome::Deleted,
            Outcome::Preflighted {
                qemu_version: "10.0.2".into(),
                accelerator: "tcg".into(),
                notices: vec!["n".into()],
                network: Some(types::status::RescueNetwork::None),
            },
            Outcome::Prepared { bytes_downloaded: 7, from: None },
            Outcome::DescWritten { source_sha256: "d".into() },
            Outcome::RescueStarted { boot: 1, ssh_host_key: None },
            Outcome::RescueStarted { boot: 2, ssh_host_key: Some("ssh-ed25519 AAAA".into()) },
            Outcome::Restored { desc_sha256: "d".into(), uefi_vars: None },
            Outcome::Restored {
                desc_sha256: "d".into(),
                uefi_vars: Some(UefiVars { before: "v".into(), after: "v".into() }),
            },
            Outcome::ResetDone,
            Outcome::Suspended,
            Outcome::Resumed,
            Outcome::Changed { desc_sha256: "d".into(), live_pending: vec!["vnc".into()] },
            Outcome::Resized { desc_sha256: "d".into(), size_mib: 9 },
            Outcome::DiskDeleted,
            Outcome::SnapshotDone,
            Outcome::RescueRan { answer: "{}".into() },
            Outcome::Confirmed { sign: "a login:".into(), seconds: 1.5, console: vec!["c".into()] },
            Outcome::Failed {
                failure: Failure { code: FailureCode::Panic, message: "m".into(), evidence: vec!["e".into()] },
            },
        ];
        for outcome in outcomes {
            assert_eq!(Outcome::try_from(pb::Outcome::from(outcome.clone())), Ok(outcome));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = Header::try_from(Some(pb::Operation { id: "x".into(), ..Default::default() })).err().unwrap();
        assert_eq!(error.to_string(), "operation.id: 'x' is not the id of a operation: a UUID is wanted");
        assert_eq!(Outcome::try_from(pb::Outcome { result: None }), Err(Malformed::missing("outcome.result")));
    }
}
