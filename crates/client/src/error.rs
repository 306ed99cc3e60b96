//! What can go wrong.

use api::ErrorClass;

/// The service said no: its error body, and the status it came with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{details} ({class})")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// As sent: a newer service may know more classes than [`ErrorClass`].
    pub class: String,
    pub details: String,
    pub request_id: Option<String>,
}

impl ApiError {
    /// The class, where this program knows it.
    #[must_use]
    pub fn known_class(&self) -> Option<ErrorClass> {
        self.class.parse().ok()
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Api(Box<ApiError>),
    /// No connection came about: the request was not carried out.
    #[error("cannot connect to {url}: {cause}")]
    Connect { url: String, cause: String },
    /// The connection was lost, or no answer came in time: the request may have been carried out.
    #[error("no answer from {url}: {cause}")]
    Lost { url: String, cause: String },
    /// An answer that is not what the contract says: not JSON, or of another shape.
    #[error("the answer of {url} (status {status}) is not one of this service: {problem}")]
    Foreign { url: String, status: u16, problem: String },
    /// Options or ids that can't be used.
    #[error("{0}")]
    Input(String),
    /// There is neither a token nor a password.
    #[error("not logged in: {0}")]
    NoCredentials(String),
    /// The serial console's connection.
    #[error("serial console: {0}")]
    Console(String),
}

impl Error {
    /// The HTTP status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(api) => Some(api.status),
            Self::Foreign { status, .. } => Some(*status),
            Self::Connect { .. } | Self::Lost { .. } | Self::Input(_) | Self::NoCredentials(_) | Self::Console(_) => {
                None
            }
        }
    }

    /// The class of the error body.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Api(api) => api.known_class(),
            _ => None,
        }
    }

    /// Quote it to whoever runs the service.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Api(api) => api.request_id.as_deref(),
            _ => None,
        }
    }

    /// There is no such thing (and not: no such verb).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class() == Some(ErrorClass::ResourceNotFound)
    }

    /// The service could not be reached, or does not know who asks.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Lost { .. } | Self::NoCredentials(_)) || self.status() == Some(401)
    }

    /// It may pass by itself: the service restarts, or has too much to do.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Lost { .. }) || matches!(self.status(), Some(429 | 502 | 503 | 504))
    }
}
