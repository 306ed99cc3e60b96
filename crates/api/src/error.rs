//! The error body, flat as upstream's: `{"code", "class", "details", "time", "request_id"}`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::words;

words! {
    /// What went wrong, for programs. Each class has one HTTP status.
    pub enum ErrorClass as "error class" {
        InputParameter = "InputParameterError",
        Unauthorized = "UnauthorizedError",
        Forbidden = "ForbiddenError",
        ResourceNotFound = "ResourceNotFoundError",
        ActionNotFound = "ActionNotFoundError",
        MethodNotAllowed = "MethodNotAllowedError",
        InvalidStatus = "InvalidStatusError",
        DuplicateResource = "DuplicateResourceError",
        Conflict = "ConflictError",
        PreconditionFailed = "PreconditionFailedError",
        PayloadTooLarge = "PayloadTooLargeError",
        UnsupportedMediaType = "UnsupportedMediaTypeError",
        TooManyRequests = "TooManyRequestsError",
        InternalServer = "InternalServerError",
        ServiceUnavailable = "ServiceUnavailableError",
        OutOfResource = "OutOfResource",
    }
}

impl ErrorClass {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InputParameter => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::ResourceNotFound | Self::ActionNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::InvalidStatus | Self::DuplicateResource | Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::TooManyRequests => 429,
            Self::InternalServer => 500,
            Self::ServiceUnavailable => 503,
            Self::OutOfResource => 507,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The HTTP status again.
    pub code: u16,
    pub class: ErrorClass,
    /// For people: what was wrong, and what would be right.
    pub details: String,
    pub time: DateTime<Utc>,
    /// Quote it to whoever runs the service.
    pub request_id: String,
}
