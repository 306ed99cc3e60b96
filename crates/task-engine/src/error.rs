//! What a step can fail with. It is saved as the task's cause, so it is data: words for people, a code for programs.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DbError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the engine does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Keeps stage and operation; comes back after a while until the stage's deadline.
    Transient,
    /// The way back begins.
    Permanent,
    /// The stage's time is over. Made by the engine; permanent.
    DeadlineExceeded,
    /// Somebody asked to cancel and the stage honours it. Made by the engine; permanent, the task ends as `cancelled`.
    Cancelled,
    /// The step panicked. Made by the engine; permanent.
    Panicked,
}

/// The failure of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    kind: ErrorKind,
    /// For programs, such as `busy` or `digest_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    message: String,
    /// Evidence: lines of a console, what a host answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
    #[serde(skip)]
    after: Option<Duration>,
}

impl StepError {
    fn new(kind: ErrorKind, message: impl std::fmt::Display) -> Self {
        // Postgres can't store NUL in text, and an error that can't be saved could not be told to anybody.
        let message = message.to_string().replace('\0', "\u{fffd}");
        Self { kind, code: None, message, detail: None, after: None }
    }

    /// Worth trying again: the host is unreachable, a deadline of one request passed, two transactions met.
    pub fn transient(message: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Transient, message)
    }

    /// Trying again would not help.
    pub fn permanent(message: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Permanent, message)
    }

    /// Permanent, with the message of `error` and of all its sources.
    pub fn because(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::permanent(chain(error))
    }

    pub(crate) fn deadline_exceeded(stage: &str, last: Option<&StepError>) -> Self {
        match last {
            Some(last) => Self {
                detail: last.detail.clone(),
                code: last.code.clone(),
                ..Self::new(
                    ErrorKind::DeadlineExceeded,
                    format_args!("stage {stage} did not end in time; its last error: {last}"),
                )
            },
            None => Self::new(ErrorKind::DeadlineExceeded, format_args!("stage {stage} did not end in time")),
        }
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled on request")
    }

    pub(crate) fn panicked(what: &str) -> Self {
        Self::new(ErrorKind::Panicked, format_args!("the step panicked: {what}"))
    }

    /// Adds a word for programs.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds evidence.
    pub fn with_detail(mut self, mut detail: Value) -> Self {
        crate::json::without_nul(&mut detail);
        self.detail = Some(detail);
        self
    }

    /// Of a transient error: come back after this time rather than after the usual back-off.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }
    pub fn is_cancelled(&self) -> bool {
        self.kind == ErrorKind::Cancelled
    }
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
    pub fn message(&self) -> &str {
        &self.message
    }
    pub fn detail(&self) -> Option<&Value> {
        self.detail.as_ref()
    }
    pub(crate) fn after(&self) -> Option<Duration> {
        self.after
    }
}

/// An error and its sources, joined by colons.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text.push_str(": ");
        text.push_str(&next.to_string());
        source = next.source();
    }
    text
}

/// What Postgres says of a statement that no other day makes right. Its words are English since the connection asks for no other language.
const HOPELESS: &[&str] = &[
    "syntax error",
    "does not exist",
    "violates",
    "invalid input",
    "invalid byte sequence",
    "too long",
    "out of range",
    "permission denied",
    "must be",
    "division by zero",
    "unsupported Unicode",
];

/// Whether the same statement may succeed when sent again. What is not known counts as such: a wrong guess then costs some tries until the
/// stage's deadline, where the other one would begin a way back because a disk was full for a moment.
#[must_use]
pub fn is_transient(error: &DbError) -> bool {
    match error {
        DbError::DatabaseError(kind, info) => match kind {
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation => false,
            // Deadlocks, shutdowns, full disks and cancelled statements have no kind of their own.
            _ => !HOPELESS.iter().any(|part| info.message().contains(part)),
        },
        DbError::BrokenTransactionManager | DbError::RollbackErrorOnCommit { .. } => true,
        _ => false,
    }
}

impl From<DbError> for StepError {
    fn from(error: DbError) -> Self {
        if is_transient(&error) {
            Self::transient(format_args!("database: {error}"))
        } else {
            Self::permanent(format_args!("database: {error}"))
        }
    }
}

impl From<diesel_async::pooled_connection::deadpool::PoolError> for StepError {
    fn from(error: diesel_async::pooled_connection::deadpool::PoolError) -> Self {
        Self::transient(format_args!("no database connection: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(kind: DatabaseErrorKind, words: &str) -> DbError {
        DbError::DatabaseError(kind, Box::new(words.to_owned()))
    }

    #[test]
    fn what_another_moment_may_make_right_is_tried_again() {
        for words in [
            "could not extend file \"base/16384/16710\": No space left on device",
            "deadlock detected",
            "terminating connection due to administrator command",
            "the database system is in recovery mode",
            "sorry, too many clients already",
            "canceling statement due to lock timeout",
            "out of memory",
            "could not write to file \"pg_wal/xlogtemp.1\": No space left on device",
        ] {
            assert!(is_transient(&says(DatabaseErrorKind::Unknown, words)), "{words}");
        }
        assert!(is_transient(&says(DatabaseErrorKind::SerializationFailure, "could not serialize access")));
        for words in [
            "syntax error at or near \"x\"",
            "relation \"nothing\" does not exist",
            "integer out of range",
            "value too long for type character varying(1)",
        ] {
            assert!(!is_transient(&says(DatabaseErrorKind::Unknown, words)), "{words}");
        }
        assert!(!is_transient(&says(DatabaseErrorKind::UniqueViolation, "duplicate key value")));
        assert!(!is_transient(&DbError::NotFound));
    }
}
