//! The verbs of rescue. An unknown key in their bodies is an error: a misspelt `disk_mode` must never become `rw`.

use serde::{Deserialize, Serialize};
use types::status::{OverlayEnd, RescueNetwork};
use types::{DiskMode, Secret, SessionId, words};

use super::{Servers, within};
use crate::action::{Action, ClassAction, Invalid, NoExtra};

/// `POST /servers/{id}/start-rescue`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct StartRescue {
    /// The rescue image by name; else the best one for the server
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue_image: Option<String>,
    /// The QEMU version to run the rescue system with
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu_version: Option<String>,
    /// How the rescue system gets the disks (default rw)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_mode: Option<DiskMode>,
    /// What the rescue system may reach over the server's NICs (default full); with none its consoles are the way in
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<RescueNetwork>,
    /// A public key that may log in as root, in authorized_keys form; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "ssh-key"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// none, generate (shown once in the answer), or a crypt(3) hash (default none)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub password: Option<Password>,
    /// Seconds after which the server leaves rescue by itself (300 to 2592000; default 86400)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// With disk_mode overlay: what becomes of what was written when the ttl ends (default discard)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<OverlayEnd>,
    /// Why, for the log
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds the guest gets to power off before it is quit (1 to 3600; default 60)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// Also rescue a paused server; what is in its memory is lost
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Understood for upstream's sake; has no effect
    #[cfg_attr(feature = "clap", arg(skip))]
    #[serde(default, skip_serializing)]
    pub auto_prepaid: Option<bool>,
}
impl Action for StartRescue {
    type On = Servers;
    type Extra = RescueAccess;
    const NAME: &'static str = "start-rescue";
    const SUMMARY: &'static str = "Boot a server, with its own disks, into the rescue system";
    fn check(&self) -> Result<(), Invalid> {
        self.ttl.map_or(Ok(()), |t| within("ttl", t, 300, 30 * 24 * 3600))?;
        self.stop_timeout.map_or(Ok(()), |t| within("stop_timeout", t, 1, 3600))?;
        if self.on_expiry.is_some() && self.disk_mode != Some(DiskMode::Overlay) {
            return Err(Invalid::new(
                "on_expiry",
                "is for disk_mode overlay: in the others there is nothing to decide",
            ));
        }
        if self.network == Some(RescueNetwork::None) && !self.ssh_keys.is_empty() {
            return Err(Invalid::new(
                "ssh_keys",
                "with network none nobody gets in by ssh: give a password, for the consoles",
            ));
        }
        if self.reason.as_ref().is_some_and(|r| r.len() > 1024) {
            return Err(Invalid::new("reason", "at most 1024 bytes are allowed"));
        }
        if self.ssh_keys.len() > 16 {
            return Err(Invalid::new("ssh_keys", "at most 16 keys are allowed"));
        }
        for key in &self.ssh_keys {
            if !is_ssh_key(key) {
                return Err(Invalid::new(
                    "ssh_keys",
                    "a public key in authorized_keys form is wanted: ssh-ed25519 AAAA... comment",
                ));
            }
        }
        Ok(())
    }
    fn forget_secrets(extra: RescueAccess) -> RescueAccess {
        RescueAccess {
            rescue_session: extra.rescue_session.map(|session| SessionAccess {
                password_shown: session.password_shown || session.password.is_some(),
                password: None,
                ..session
            }),
        }
    }
}

/// A line for `authorized_keys` without options: type, base64, perhaps a comment; no control characters.
fn is_ssh_key(line: &str) -> bool {
    let mut words = line.split(' ');
    let kind = words.next().unwrap_or_default();
    let blob = words.next().unwrap_or_default();
    line.len() <= 8192
        && !line.chars().any(char::is_control)
        && (kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-"))
        && blob.len() >= 32
        && blob.starts_with("AAAA")
        && blob.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// `POST /servers/start-rescue`: many servers at once, under one task with one child for each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchStartRescue {
    /// Servers, by id or name.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Servers that all these filters find, in the language of lists: `name.startswith('web')`.
    #[serde(default)]
    pub filter: Vec<String>,
    /// At most so many at once (1 to 100).
    #[serde(default = "max_parallel")]
    pub max_parallel: u32,
    /// Begin no more once so many have failed; 0: go on whatever happens.
    #[serde(default)]
    pub abort_on_failures: u32,
    /// As for one server. A password can't be generated: there would be nowhere to show it.
    #[serde(default)]
    pub options: StartRescue,
}

fn max_parallel() -> u32 {
    10
}

/// The most servers that one batch takes.
pub const MAX_BATCH: usize = 500;

/// What every batch asks of its body.
fn check_batch(ids: &[String], filter: &[String], max_parallel: u32) -> Result<(), Invalid> {
    if ids.is_empty() && filter.is_empty() {
        return Err(Invalid::new("ids", "ids or a filter are wanted"));
    }
    if ids.len() > MAX_BATCH {
        return Err(Invalid::new("ids", format!("at most {MAX_BATCH} are allowed")));
    }
    within("max_parallel", max_parallel, 1, 100)
}

impl ClassAction for BatchStartRescue {
    type On = Servers;
    const NAME: &'static str = "start-rescue";
    const SUMMARY: &'static str = "Boot many servers into the rescue system, a few at a time";
    fn check(&self) -> Result<(), Invalid> {
        check_batch(&self.ids, &self.filter, self.max_parallel)?;
        if self.options.password == Some(Password::Generate) {
            return Err(Invalid::new("options.password", "can't be generated for many: give ssh_keys, or a hash"));
        }
        self.options.check()
    }
}

/// `POST /servers/rescue-repair`: the morning on which many servers broke in the same way. Each is repaired as with `auto`, under one task
/// with one child for each; a child's `result` is an [`AutoRepaired`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchRescueRepair {
    /// Servers, by id or name.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Servers that all these filters find, in the language of lists: `name.startswith('web')`.
    #[serde(default)]
    pub filter: Vec<String>,
    /// At most so many at once (1 to 100).
    #[serde(default = "max_parallel")]
    pub max_parallel: u32,
    /// Begin no more once so many have failed; 0: go on whatever happens.
    #[serde(default)]
    pub abort_on_failures: u32,
    /// As for one server, with `auto`.
    #[serde(default)]
    pub options: RescueRepair,
}
impl ClassAction for BatchRescueRepair {
    type On = Servers;
    const NAME: &'static str = "rescue-repair";
    const SUMMARY: &'static str = "Repair many servers automatically, a few at a time";
    fn check(&self) -> Result<(), Invalid> {
        check_batch(&self.ids, &self.filter, self.max_parallel)?;
        if !self.options.auto {
            return Err(Invalid::new(
                "options.auto",
                "is wanted: many servers are repaired automatically or not at all",
            ));
        }
        self.options.check()
    }
}

words! {
    /// How an automatic repair ended.
    pub enum AutoEnd as "end of an automatic repair" {
        /// The server asked for a login on what was repaired; that is committed.
        Repaired = "repaired",
        /// Nothing keeps it from booting: it is back as it was, or, if its owner had brought it into rescue, still there.
        Healthy = "healthy",
        /// Something is wrong that no fix marked safe mends; or a fix failed. The server stays in rescue.
        NotRepaired = "not_repaired",
        /// It did not ask for a login on what was repaired. That was discarded, and the server is in rescue again.
        NotConfirmed = "not_confirmed",
        /// The way into rescue, or out of it, failed.
        Failed = "failed",
    }
}

/// The `result` of an automatic repair's task, also of one that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AutoRepaired {
    pub end: AutoEnd,
    /// Codes of what was found first, the gravest first.
    pub found: Vec<String>,
    /// Codes of the fixes that were done.
    pub fixed: Vec<String>,
    /// Codes of what was found last, after the fixes.
    pub left: Vec<String>,
    /// What the server was known by to be up: its login prompt.
    pub sign: Option<String>,
    /// From the server's own boot to that sign, in seconds.
    pub boot_seconds: Option<f64>,
}

/// How root's password in the rescue system comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// No password opens anything.
    None,
    /// The service makes one and shows it once.
    Generate,
    /// A crypt(3) hash: `$6$...` or `$5$...`.
    Hash(Secret),
}
impl std::str::FromStr for Password {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '/' | '=' | ',');
        match text {
            "none" => Ok(Self::None),
            "generate" => Ok(Self::Generate),
            hash if hash.starts_with("$6$") || hash.starts_with("$5$") => {
                if hash.len() < 30 || hash.len() > 256 || !hash.chars().all(legal) {
                    return Err("password: the hash is malformed; make one with: openssl passwd -6".into());
                }
                Ok(Self::Hash(Secret::new(hash)))
            }
            // The text may be a password in clear: it is not repeated in the error.
            _ => Err("password: allowed are none, generate, or a hash made with: openssl passwd -6".into()),
        }
    }
}
impl Serialize for Password {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(match self {
            Self::None => "none",
            Self::Generate => "generate",
            Self::Hash(hash) => hash.expose(),
        })
    }
}
impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What start-rescue answers beside the server and its task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RescueAccess {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue_session: Option<SessionAccess>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionAccess {
    pub id: SessionId,
    /// Root's password in the rescue system. In this answer only; it is kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub password: Option<Secret>,
    /// A password was generated and shown in an earlier answer.
    #[serde(default)]
    pub password_shown: bool,
}

words! {
    /// Whether a server is on after it left rescue.
    pub enum PowerAfter as "power" {
        /// As it was before.
        Previous = "previous",
        On = "on",
        Off = "off",
    }
}

/// `POST /servers/{id}/stop-rescue`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct StopRescue {
    /// Do not wait for the rescue system: quit it at once
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Seconds the rescue system gets to unmount and power off (1 to 3600; default 60)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// With disk mode overlay: merge what was written into the server's disks, or leave them as they were. Must be said there
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<OverlayEnd>,
    /// Whether the server is on afterwards (default previous)
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerAfter>,
    /// Understood for upstream's sake; has no effect
    #[cfg_attr(feature = "clap", arg(skip))]
    #[serde(default, skip_serializing)]
    pub auto_prepaid: Option<bool>,
}
impl Action for StopRescue {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "stop-rescue";
    const SUMMARY: &'static str = "Leave rescue: the server goes back exactly as it was";
    fn check(&self) -> Result<(), Invalid> {
        self.stop_timeout.map_or(Ok(()), |t| within("stop_timeout", t, 1, 3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_of_a_rescue_verb_is_an_error() {
        let error = serde_json::from_str::<StartRescue>(r#"{"disk_mod":"ro"}"#).unwrap_err().to_string();
        assert!(error.contains("disk_mod") && error.contains("disk_mode"), "{error}");
        assert!(serde_json::from_str::<StartRescue>(r#"{"auto_prepaid":true,"qemu_version":"10.0"}"#).is_ok());
    }

    #[test]
    fn a_password_in_clear_is_refused_and_not_repeated() {
        let error = serde_json::from_str::<StartRescue>(r#"{"password":"hunter2"}"#).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && error.contains("generate"), "{error}");
    }

    #[test]
    fn keys_that_could_smuggle_options_or_lines_are_refused() {
        let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB me@there";
        assert!(is_ssh_key(good));
        for bad in [format!("command=\"x\" {good}"), format!("{good}\nssh-rsa AAAA"), "ssh-rsa".into(), String::new()] {
            assert!(!is_ssh_key(&bad), "{bad}");
        }
    }
}

/// `POST /servers/{id}/rescue-diagnose`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct RescueDiagnose {}
impl Action for RescueDiagnose {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "rescue-diagnose";
    const SUMMARY: &'static str =
        "Look, from inside the rescue system and read-only, for what keeps the server from booting";
}

/// Fixes that one repair may name.
pub const MAX_FIXES: usize = 32;

/// `POST /servers/{id}/rescue-repair`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct RescueRepair {
    /// Codes of fixes, as a diagnosis offers them; in this order (1 to 32)
    #[cfg_attr(feature = "clap", arg(long = "fix", value_name = "CODE", num_args = 1.., required_unless_present = "auto"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// Say what would be done, and do nothing
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// All by itself: enter rescue with disk mode overlay if need be, diagnose, do the fixes that are marked safe, boot the server on the
    /// result, and commit once it asks for a login; if it does not, throw the result away and stay in rescue
    #[cfg_attr(feature = "clap", arg(long, conflicts_with_all = ["fix", "dry_run"]))]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto: bool,
    /// With auto: seconds the server gets to ask for a login (30 to 3600; default 300)
    #[cfg_attr(feature = "clap", arg(long, requires = "auto"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait: Option<u32>,
    /// With auto, for a server that is not in rescue yet: the rescue image by name; else the best one for the server
    #[cfg_attr(feature = "clap", arg(long, requires = "auto"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue_image: Option<String>,
    /// With auto, for a server that is not in rescue yet: a public key that may log in as root; may be repeated
    #[cfg_attr(feature = "clap", arg(long = "ssh-key", requires = "auto"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// With auto, for a server that is not in rescue yet: why, for the log
    #[cfg_attr(feature = "clap", arg(long, requires = "auto"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
impl RescueRepair {
    /// How a server that is not in rescue yet enters it: what is written goes beside its disks.
    #[must_use]
    pub fn entry(&self) -> StartRescue {
        StartRescue {
            rescue_image: self.rescue_image.clone(),
            disk_mode: Some(DiskMode::Overlay),
            ssh_keys: self.ssh_keys.clone(),
            reason: self.reason.clone().or_else(|| Some("automatic repair".into())),
            ..StartRescue::default()
        }
    }
}
impl Action for RescueRepair {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "rescue-repair";
    const SUMMARY: &'static str =
        "Repair a server from inside the rescue system, beside its disks; stop-rescue, or auto, commits or discards";
    fn check(&self) -> Result<(), Invalid> {
        if self.auto {
            if !self.fix.is_empty() {
                return Err(Invalid::new("fix", "auto does the fixes that are marked safe: name some, or give auto"));
            }
            if self.dry_run {
                return Err(Invalid::new("dry_run", "auto has none: rescue-diagnose says which fixes are marked safe"));
            }
            self.max_wait.map_or(Ok(()), |seconds| within("max_wait", seconds, 30, 3600))?;
            return self.entry().check();
        }
        let only_auto = [
            ("max_wait", self.max_wait.is_some()),
            ("rescue_image", self.rescue_image.is_some()),
            ("ssh_keys", !self.ssh_keys.is_empty()),
            ("reason", self.reason.is_some()),
        ];
        if let Some((field, _)) = only_auto.iter().find(|(_, given)| *given) {
            return Err(Invalid::new(field, "is for auto alone"));
        }
        if self.fix.is_empty() || self.fix.len() > MAX_FIXES {
            return Err(Invalid::new("fix", format!("1 to {MAX_FIXES} codes are wanted, as a diagnosis offers them")));
        }
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        match self.fix.iter().find(|code| code.is_empty() || code.len() > 64 || !code.chars().all(word)) {
            Some(code) => {
                Err(Invalid::new("fix", format!("'{code}' is no code of a fix: one like fstab_comment_out is wanted")))
            }
            None => Ok(()),
        }
    }
}
