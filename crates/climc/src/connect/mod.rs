//! Where the service is, and who asks.
//!
//! [`profile`] reads named profiles, [`rc`] a credentials file; [`resolve`] decides, from options, environment and file, what the client is
//! told. The order is documented in `deploy/config/climc.toml`.

pub mod profile;
mod rc;
mod resolve;

use std::path::{Path, PathBuf};

use client::{Client, ClientOptions, Credentials};
use types::Secret;

use crate::exit::Exit;
use crate::lang::say;
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
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "profile")]
    pub rc: Option<PathBuf>,
    /// Profile of the configuration file (LIFEBOAT_PROFILE); named here, it comes before variables
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Configuration file with profiles (LIFEBOAT_CONFIG) [default: ~/.config/lifeboat/climc.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What other tools call the same: of an environment and of a credentials file, where the first name is not set.
const ALSO: &[(&str, &[&str])] = &[
    ("LIFEBOAT_TOKEN", &["OS_AUTH_TOKEN", "OS_TOKEN"]),
    ("OS_DOMAIN_NAME", &["OS_USER_DOMAIN_NAME"]),
    ("OS_PROJECT_NAME", &["OS_TENANT_NAME"]),
];

/// Every name of a variable, and which of ours it is.
fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let ours = VARIABLES.iter().map(|name| (*name, *name));
    ours.chain(ALSO.iter().flat_map(|(ours, others)| others.iter().map(|other| (*other, *ours))))
}

/// What some source says, under our names.
fn layer_of(value: impl Fn(&str) -> Option<String>) -> Layer {
    let mut layer = Layer::new();
    for (name, ours) in names() {
        if let Some(value) = value(name).filter(|value| !value.is_empty()) {
            layer.entry(ours.to_owned()).or_insert(value);
        }
    }
    layer
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
        let environment = layer_of(|name| std::env::var(name).ok());
        let chosen = self.rc.is_some() || self.profile.is_some();
        Ok(resolve(self.layer(), environment, self.file()?, chosen))
    }

    /// What the one file says that counts: named, else by variable, else the usual one.
    fn file(&self) -> Result<Layer, Exit> {
        let by_variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let profile = || by_variable("LIFEBOAT_PROFILE").map(|name| name.to_string_lossy().into_owned());
        let profiles = || profile::Profiles::read(self.config.as_deref());
        if let Some(path) = &self.rc {
            return rc::read(path);
        }
        if let Some(name) = self.profile.clone().or_else(profile) {
            return Ok(profiles()?.get(&name)?.layer());
        }
        if let Some(path) = by_variable("LIFEBOAT_RC") {
            return rc::read(Path::new(&path));
        }
        match home_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("rc")) {
            Some(path) if path.exists() && self.config.is_none() => rc::read(&path),
            _ => {
                let profiles = profiles()?;
                match &profiles.default {
                    Some(name) => Ok(profiles.get(name)?.layer()),
                    None => Ok(Layer::new()),
                }
            }
        }
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
        let missing = |variable: &str| Exit {
            code: crate::exit::ACCESS,
            message: say!("{variable} is not set: nobody knows where to connect, or as whom", variable = variable),
            next: Some(say!(
                "set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, or name what does: --profile NAME, --rc FILE"
            )),
        };
        let credentials = match (self.token, self.user) {
            (Some(token), _) => Credentials::Token(token),
            (None, Some(user)) => Credentials::Password {
                user,
                domain: self.domain.unwrap_or_else(|| "Default".into()),
                password: password.or(self.password),
                project: self.project,
            },
            (None, None) => return Err(missing("OS_USERNAME")),
        };
        let token_alone = matches!(credentials, Credentials::Token(_)) && self.region_url.is_some();
        if self.auth_url.is_none() && !token_alone {
            return Err(missing("OS_AUTH_URL"));
        }
        Ok(Client::new(ClientOptions {
            region_url: self.region_url,
            region_name: self.region_name,
            ca: self.ca.map(PathBuf::from),
            token_folder: home_folder("XDG_CACHE_HOME", ".cache"),
            trace: crate::traced::recorder(),
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
