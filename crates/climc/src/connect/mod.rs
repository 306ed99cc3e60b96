//! Where the service is, and who asks.
//!
//! [`rc`] reads a credentials file; [`resolve`] decides, from options, environment and file, what the client is told.

mod rc;
mod resolve;

use std::path::PathBuf;

use client::{Client, ClientOptions, Credentials};
use types::Secret;

use crate::exit::Exit;
pub use resolve::{Layer, Settings, resolve};

/// Options on every command. A password is none of them: a command line is visible to everybody on the machine.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection (each also as a variable: OS_AUTH_URL for --os-auth-url, ...)")]
pub struct Connection {
    /// Identity service: http://HOST:PORT/v3
    #[arg(long, global = true, value_name = "URL")]
    pub os_auth_url: Option<String>,
    /// User; the password comes from OS_PASSWORD, the credentials file, or `climc login`
    #[arg(long, global = true, value_name = "NAME")]
    pub os_username: Option<String>,
    /// The user's domain [default: Default]
    #[arg(long, global = true, value_name = "NAME")]
    pub os_domain_name: Option<String>,
    /// Project to act in
    #[arg(long, global = true, value_name = "NAME")]
    pub os_project_name: Option<String>,
    /// Region, where the catalog has several
    #[arg(long, global = true, value_name = "NAME")]
    pub os_region_name: Option<String>,
    /// The only certificate authorities to trust, a PEM file
    #[arg(long, global = true, value_name = "FILE")]
    pub os_cacert: Option<PathBuf>,
    /// Compute service, instead of the catalog's (LIFEBOAT_REGION_URL)
    #[arg(long, global = true, value_name = "URL")]
    pub region_url: Option<String>,
    /// Credentials file of KEY=VALUE lines (LIFEBOAT_RC) [default: ~/.config/lifeboat/rc]
    #[arg(long, global = true, value_name = "FILE")]
    pub rc: Option<PathBuf>,
}

/// Every variable that is understood, in the environment and in a credentials file.
pub const VARIABLES: &[&str] = &[
    "OS_AUTH_URL",
    "OS_USERNAME",
    "OS_DOMAIN_NAME",
    "OS_PASSWORD",
    "OS_PROJECT_NAME",
    "OS_REGION_NAME",
    "OS_CACERT",
    "LIFEBOAT_TOKEN",
    "LIFEBOAT_REGION_URL",
];

impl Connection {
    fn layer(&self) -> Layer {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let options = [
            ("OS_AUTH_URL", self.os_auth_url.clone()),
            ("OS_USERNAME", self.os_username.clone()),
            ("OS_DOMAIN_NAME", self.os_domain_name.clone()),
            ("OS_PROJECT_NAME", self.os_project_name.clone()),
            ("OS_REGION_NAME", self.os_region_name.clone()),
            ("OS_CACERT", path(&self.os_cacert)),
            ("LIFEBOAT_REGION_URL", self.region_url.clone()),
        ];
        options.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    /// What options, environment and file say together.
    ///
    /// # Errors
    /// A credentials file that can't be read.
    pub fn settings(&self) -> Result<Settings, Exit> {
        let environment: Layer = VARIABLES
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), std::env::var(key).ok().filter(|v| !v.is_empty())?)))
            .collect();
        let named = self.rc.clone();
        let chosen = named.is_some();
        let by_variable = || std::env::var_os("LIFEBOAT_RC").filter(|v| !v.is_empty()).map(PathBuf::from);
        let file = match named.or_else(by_variable) {
            Some(path) => rc::read(&path)?,
            None => match home_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("rc")) {
                Some(path) if path.exists() => rc::read(&path)?,
                _ => Layer::new(),
            },
        };
        Ok(resolve(self.layer(), environment, file, chosen))
    }

    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// Missing or unusable settings, with what to set.
    pub fn client(&self) -> Result<Client, Exit> {
        self.settings()?.client(None)
    }
}

impl Settings {
    /// `password` instead of that of the settings.
    ///
    /// # Errors
    /// Missing or unusable settings, with what to set.
    pub fn client(self, password: Option<Secret>) -> Result<Client, Exit> {
        let missing = |what: &str| Exit {
            code: crate::exit::ACCESS,
            message: format!("{what}: nobody knows where to connect, or as whom"),
            next: Some(
                "set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, or name a file that does: --rc FILE"
                    .into(),
            ),
        };
        let credentials = match (self.token, self.user) {
            (Some(token), _) => Credentials::Token(token),
            (None, Some(user)) => Credentials::Password {
                user,
                domain: self.domain.unwrap_or_else(|| "Default".into()),
                password: password.or(self.password),
                project: self.project,
            },
            (None, None) => return Err(missing("OS_USERNAME is not set")),
        };
        let token_alone = matches!(credentials, Credentials::Token(_)) && self.region_url.is_some();
        if self.auth_url.is_none() && !token_alone {
            return Err(missing("OS_AUTH_URL is not set"));
        }
        Ok(Client::new(ClientOptions {
            region_url: self.region_url,
            region_name: self.region_name,
            ca: self.ca.map(PathBuf::from),
            token_folder: home_folder("XDG_CACHE_HOME", ".cache"),
            ..ClientOptions::new(self.auth_url, credentials)
        })?)
    }
}

/// `$VARIABLE/lifeboat`, else `~/<default>/lifeboat`.
fn home_folder(variable: &str, default: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // A relative path in such a variable does not count (XDG base directory specification).
    let base = set(variable).filter(|p| p.is_absolute()).or_else(|| set("HOME").map(|home| home.join(default)))?;
    Some(base.join("lifeboat"))
}
