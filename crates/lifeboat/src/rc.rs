//! `<state>/rc`: what climc needs to know, as environment variables. Mode 0600.

use anyhow::{Context, Result};
use service::files::read_secret;
use types::Secret;

use crate::state::State;

const FILE: &str = "rc";

pub struct Rc {
    /// Ends in `/v3`.
    pub auth_url: String,
    pub user: String,
    pub password: Secret,
}

impl Rc {
    /// The base URL of the REST service.
    pub fn base(&self) -> &str {
        self.auth_url.strip_suffix("/v3").unwrap_or(&self.auth_url)
    }

    /// Name and value of each variable.
    pub fn variables(&self) -> [(&'static str, &str); 5] {
        [
            ("OS_AUTH_URL", &self.auth_url),
            ("OS_USERNAME", &self.user),
            ("OS_PASSWORD", self.password.expose()),
            ("OS_PROJECT_NAME", "system"),
            ("OS_REGION_NAME", "region0"),
        ]
    }

    /// # Errors
    /// The state folder can't be written.
    pub fn write(&self, state: &State) -> Result<()> {
        let lines: String = self.variables().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        state.write(FILE, &lines, 0o600)
    }

    /// # Errors
    /// The stack has never been up, or others can read the file.
    pub fn read(state: &State) -> Result<Self> {
        let text = read_secret(&state.path(FILE)).context("no credentials yet: start the stack with lifeboat up")?;
        let get = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.map(str::to_owned).with_context(|| format!("{} lacks {name}", state.path(FILE).display()))
        };
        Ok(Self {
            auth_url: get("OS_AUTH_URL")?,
            user: get("OS_USERNAME")?,
            password: Secret::new(get("OS_PASSWORD")?),
        })
    }
}
