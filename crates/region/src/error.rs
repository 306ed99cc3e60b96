//! What a request can fail with: one class of the contract, and words for the person who asked. `http::error` makes the answer.

use std::time::Duration;

use api::{ErrorBody, ErrorClass, Invalid};
use chrono::Utc;

#[derive(Debug)]
pub struct Error {
    pub class: ErrorClass,
    /// What was wrong and what would be right. Shown to the caller.
    pub details: String,
    /// What lies under it. Logged, never shown.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// When it may be worth trying again.
    pub retry_after: Option<Duration>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(class: ErrorClass, details: impl Into<String>) -> Self {
        Self { class, details: details.into(), source: None, retry_after: None }
    }
    /// Says when it may be worth trying again.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }
    pub fn input(details: impl Into<String>) -> Self {
        Self::new(ErrorClass::InputParameter, details)
    }
    pub fn not_found(word: &str, ident: &str) -> Self {
        let ident: String = ident.chars().take(80).collect();
        Self::new(
            ErrorClass::ResourceNotFound,
            format!("{word} '{ident}' not found: give the id or the name of one that exists"),
        )
    }
    pub fn status(details: impl Into<String>) -> Self {
        Self::new(ErrorClass::InvalidStatus, details)
    }
    pub fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            class: ErrorClass::InternalServer,
            details: "an internal error; quote the request id to whoever runs this service".into(),
            source: Some(Box::new(source)),
            retry_after: None,
        }
    }
    /// As an answer's body.
    #[must_use]
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            code: self.class.status(),
            class: self.class,
            details: self.details.clone(),
            time: Utc::now(),
            request_id: request_id.to_owned(),
        }
    }
    fn unavailable(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            class: ErrorClass::ServiceUnavailable,
            details: "the database does not answer; try again in a moment".into(),
            source: Some(Box::new(source)),
            retry_after: None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.details)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        // The database is away, or full, or two transactions met; nothing was changed.
        if task_engine::is_transient(&error) { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<db::pool::PoolError> for Error {
    fn from(error: db::pool::PoolError) -> Self {
        Self::unavailable(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::input(invalid.to_string())
    }
}

impl From<task_engine::SpawnError> for Error {
    fn from(error: task_engine::SpawnError) -> Self {
        match error {
            task_engine::SpawnError::Busy(busy) => Self::new(
                ErrorClass::Conflict,
                format!(
                    "busy with {} (stage {}, task {}): wait for it, or cancel it",
                    busy.name, busy.stage, busy.task
                ),
            ),
            task_engine::SpawnError::Database(error) => error.into(),
            error @ task_engine::SpawnError::Encode(_) => Self::internal(error),
        }
    }
}
