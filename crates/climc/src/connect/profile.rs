//! Named profiles in a configuration file: `~/.config/lifeboat/climc.toml`. `deploy/config/climc.toml` shows every key.
//!
//! A profile says what the variables say, under their names in small letters and without `os_`: `auth_url` is `OS_AUTH_URL`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use types::Secret;

use super::Layer;
use crate::exit::Exit;
use crate::lang::say;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// The profile that counts when none is named.
    pub default: Option<String>,
    #[serde(default)]
    pub profile: BTreeMap<String, Profile>,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub auth_url: Option<String>,
    pub username: Option<String>,
    pub domain_name: Option<String>,
    pub project_name: Option<String>,
    pub region_name: Option<String>,
    /// In place of the catalog's.
    pub region_url: Option<String>,
    pub cacert: Option<String>,
    password: Option<Secret>,
    token: Option<Secret>,
}

impl Profile {
    pub fn layer(&self) -> Layer {
        let secret = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
        let pairs = [
            ("OS_AUTH_URL", self.auth_url.clone()),
            ("OS_USERNAME", self.username.clone()),
            ("OS_DOMAIN_NAME", self.domain_name.clone()),
            ("OS_PROJECT_NAME", self.project_name.clone()),
            ("OS_REGION_NAME", self.region_name.clone()),
            ("LIFEBOAT_REGION_URL", self.region_url.clone()),
            ("OS_CACERT", self.cacert.clone()),
            ("OS_PASSWORD", secret(&self.password)),
            ("LIFEBOAT_TOKEN", secret(&self.token)),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

impl Profiles {
    /// Where they are: named, else in the configuration folder.
    pub fn place(named: Option<&Path>) -> Option<PathBuf> {
        let variable = || std::env::var_os("LIFEBOAT_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
        let usual = || super::home_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("climc.toml"));
        named.map(Path::to_owned).or_else(variable).or_else(|| usual().filter(|path| path.exists()))
    }

    /// Reads the file; none is as an empty one.
    ///
    /// # Errors
    /// It can't be read, or says what nobody understands.
    pub fn read(named: Option<&Path>) -> Result<Self, Exit> {
        let Some(path) = Self::place(named) else { return Ok(Self::default()) };
        let unusable = |why: String| Exit {
            next: Some(say!("mend it; deploy/config/climc.toml shows all it may hold")),
            ..Exit::usage(say!("configuration {path}: {why}", path = path.display(), why = why))
        };
        let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let mut profiles = Self::parse(&text).map_err(unusable)?;
        let secret = profiles.profile.values().any(|profile| profile.password.is_some() || profile.token.is_some());
        super::rc::warn_if_open(&path, secret);
        profiles.path = path;
        Ok(profiles)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            // Its own display repeats the line, which may hold a secret.
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let why = error.message().lines().next().unwrap_or_default().to_owned();
            say!("line {line}: {why}", line = line, why = why)
        })
    }

    /// The profile of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&Profile, Exit> {
        self.profile.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.profile.keys().map(String::as_str).collect();
            let next = match known.is_empty() {
                true => say!("write ~/.config/lifeboat/climc.toml; deploy/config/climc.toml is an example"),
                false => say!("there are: {names}", names = known.join(", ")),
            };
            Exit { next: Some(next), ..Exit::usage(say!("there is no profile '{name}'", name = name)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_is_understood() {
        let text = include_str!("../../../../deploy/config/climc.toml");
        let profiles = Profiles::parse(text).unwrap();
        assert_eq!(profiles.default.as_deref(), Some("local"));
        let keys: std::collections::BTreeSet<String> =
            profiles.profile.values().flat_map(|p| p.layer().into_keys()).collect();
        // What is left out to keep secrets out of files stands there as a comment.
        for key in super::super::VARIABLES {
            let small = key.trim_start_matches("OS_").trim_start_matches("LIFEBOAT_").to_lowercase();
            assert!(keys.contains(*key) || text.contains(&format!("# {small} =")), "{key} is not shown");
        }
    }

    #[test]
    fn what_nobody_understands_is_named_and_secrets_are_not() {
        let error = Profiles::parse("default = 'a'\n[profile.a]\npasword = 'hunter2'\n").unwrap_err();
        assert!(error.contains("line 3") && error.contains("pasword") && !error.contains("hunter2"), "{error}");
        let error = Profiles::parse("[profile.a]\npassword = 7 'hunter2'\n").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!format!("{:?}", Profiles::parse("[profile.a]\npassword='hunter2'").unwrap()).contains("hunter2"));
    }
}
