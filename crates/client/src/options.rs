//! Where the service is, and who asks.

use std::path::PathBuf;
use std::time::Duration;

use types::Secret;

/// Who asks.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A token that somebody else got. It can't be renewed.
    Token(Secret),
    Password {
        user: String,
        /// The user's domain, by name.
        domain: String,
        /// `None`: only a token that is in the token folder already can be used.
        password: Option<Secret>,
        /// The project to act in; `None` leaves the choice to the service.
        project: Option<String>,
    },
}

#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The identity service, with or without the final `/v3`. May be absent when a token and `region_url` are given.
    pub auth_url: Option<String>,
    /// The compute service. `None`: taken from the catalog that comes with the token.
    pub region_url: Option<String>,
    /// Which region of the catalog; `None`: the first.
    pub region_name: Option<String>,
    pub credentials: Credentials,
    /// PEM file of the only authorities to trust. `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// Folder that keeps tokens between programs (files of mode 0600). `None`: tokens live as long as the client.
    pub token_folder: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// For one try of one request, answer included.
    pub request_timeout: Duration,
    /// Requests are spans of its trace, and what they cause belongs to it. `None`: nothing is traced.
    pub trace: Option<trace::record::Recorder>,
}

impl ClientOptions {
    /// The defaults: 5 s to connect, 60 s for a request, no token folder.
    #[must_use]
    pub fn new(auth_url: Option<String>, credentials: Credentials) -> Self {
        Self {
            auth_url,
            region_url: None,
            region_name: None,
            credentials,
            ca: None,
            token_folder: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            trace: None,
        }
    }
}
