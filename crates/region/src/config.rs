//! Region's configuration. `deploy/config/region.toml` shows every key with its default.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use service::telemetry::{LogConfig, TraceConfig};
use service::tls::TlsConfig;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub http: Http,
    pub web: Web,
    pub grpc: Grpc,
    pub database: Database,
    /// Region's own certificate, and the authority of hosts and agents. Without it gRPC is in clear, and on loopback only.
    pub tls: Option<TlsConfig>,
    pub bootstrap: Bootstrap,
    pub auth: Auth,
    pub rate: Rate,
    pub secrets: Secrets,
    pub tasks: Tasks,
    pub heartbeat: Heartbeat,
    pub stream: Stream,
    pub rescue: Rescue,
    pub console: Console,
    pub log: LogConfig,
    pub trace: TraceConfig,
}

impl Config {
    /// For the log of a start: everything but the password in the database's URL.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = self.clone();
        if let Some((before, rest)) = self.database.url.split_once("://")
            && let Some((_, host)) = rest.rsplit_once('@')
        {
            shown.database.url = format!("{before}://…@{host}");
        }
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

/// The REST API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// IP:PORT; port 0 takes a free one.
    pub listen: String,
    /// The base URL that clients are told. Empty: that of `listen`.
    pub public_url: String,
    /// Addresses and networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed.
    pub trusted_proxies: Vec<String>,
    /// Bytes; a larger body is refused with 413.
    pub body_limit: usize,
    /// At once; further ones wait. Consoles, once they are open, are not counted here: they have a limit of their own.
    pub max_connections: usize,
    /// Seconds for a request's head, and between two requests of one connection.
    pub header_timeout_s: u32,
}

/// The web console, under `/ui/` of the REST API's own address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Off: nothing is at `/ui/`. `--no-web` says the same.
    pub enabled: bool,
    /// A folder to serve it from, as `make web` fills it. Empty: what was compiled in. `--web-root` goes over it.
    pub root: PathBuf,
    /// Origins, as `https://dashboard.example.org`, whose pages may do what region's own may: open consoles with a ticket.
    pub origins: Vec<String>,
}

/// Where hosts and baremetal agents report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpc {
    pub listen: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://USER:PASSWORD@HOST/NAME`. `DATABASE_URL` goes over it.
    pub url: String,
    /// Connections of the API; tasks have as many again.
    pub pool: usize,
    /// What is done at the start about a schema that is behind this program. `--migrate` goes over it.
    pub migrate: Migrate,
}

/// Who brings the database's schema up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Migrate {
    /// This process, before it serves; of several that start at once, one
    #[default]
    Auto,
    /// This process, which then ends
    Only,
    /// Another one: this one waits for it, up to five minutes
    Never,
}

/// The first administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    pub user: String,
    /// Where the password is written (mode 0600) when the first start makes it. One that is there already is taken.
    pub password_file: PathBuf,
}

/// Tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Seconds that a token lives; at least 60.
    pub token_lifetime_s: u32,
    /// Other identity servers whose bearer tokens are taken.
    pub oidc: Vec<Issuer>,
}

/// An OpenID Connect issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Issuer {
    /// Stands before its users' names, with a colon: `corp:ann`.
    pub name: String,
    /// The exact text of a token's `iss`.
    pub issuer: String,
    /// One of these must be in a token's `aud`.
    pub audience: Vec<String>,
    /// Where its keys are (https; http over loopback only). Empty: as `ISSUER/.well-known/openid-configuration` says.
    pub jwks_url: String,
    /// RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA.
    pub algorithms: Vec<String>,
    /// The claim that names the user. A name with dots is a path: `realm_access.roles`.
    pub user_claim: String,
    /// What claims give. Of several projects a request chooses with `X-Project`; else the first that is given counts.
    pub map: Vec<Mapping>,
    /// The claims that hold project (`name` or `domain/name`) and roles themselves, for an issuer that knows ours. Both empty: none do.
    pub project_claim: String,
    pub roles_claim: String,
    /// Seconds that the clocks may differ.
    pub leeway_s: u32,
    /// Seconds after which its keys are fetched again.
    pub refresh_s: u32,
    /// Seconds between two fetches at least, whatever tokens come.
    pub refresh_min_s: u32,
}

/// Whoever has this value in this claim has these roles in this project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Empty: everybody with a token of the issuer.
    pub claim: String,
    /// The claim's text, or one of its texts.
    pub value: String,
    /// `name`, or `domain/name` outside of the domain Default.
    pub project: String,
    pub roles: Vec<String>,
}

/// How often one caller may ask; more is refused with 429 and `Retry-After`. Each replica counts for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Requests a second with one token; 0: any number.
    pub token_per_s: u32,
    /// Requests at once with one token that has rested.
    pub token_burst: u32,
    /// Requests a second from one address without a token, or with one that is no good; 0: any number.
    pub address_per_s: u32,
    pub address_burst: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// The key that encrypts credentials in the database: 64 hex digits, mode 0600, made at first start. All replicas share it.
    pub key_file: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tasks {
    /// Steps at work at once in this process.
    pub workers: usize,
    /// After a crash of a region, or the loss of its connection, its tasks stand still for so many seconds; then another goes on.
    pub lease_s: u32,
    /// Seconds after its end that a task moves to the archive, with its children; 0: never.
    pub archive_after_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// Seconds between heartbeats that hosts and agents are asked for.
    pub interval_s: u32,
    /// Who has been silent for so many seconds is offline.
    pub limit_s: u32,
}

/// `GET /stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// Streams that one token may have open at once at this process.
    pub max_per_token: usize,
    /// Streams that may be open at once at this process.
    pub max_streams: usize,
    /// Seconds between `alive` events while nothing happens, so that nobody takes the connection for dead.
    pub keep_alive_s: u32,
    /// Seconds that changes are kept: a stream that was cut for longer must list again.
    pub kept_s: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rescue {
    /// Minisign public keys: files, or the base64 lines themselves. An image that none of them signed is not offered.
    pub trusted_keys: Vec<String>,
    /// Seconds a rescue system has to prove itself.
    pub ready_timeout_s: u32,
    /// Servers of one project that may be in rescue at once; 0: any number.
    pub max_per_project: u32,
    /// Servers of one host that may be in rescue at once; 0: any number.
    pub max_per_host: u32,
}

/// Consoles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// Consoles, serial or screens, that one user may have open at once at this process.
    pub max_per_user: usize,
    /// Consoles that may be open at once at this process.
    pub max_open: usize,
    /// Which serial ones are recorded: what they show, never what is typed. Whoever opens one is told.
    pub record: Record,
    /// Bytes of all recordings of one rescue together; what comes after is not kept.
    pub record_max_bytes: u64,
    /// Seconds that recordings are kept; 0: for ever.
    pub record_kept_s: u64,
}

/// Which consoles are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    #[default]
    Never,
    /// Those of servers in rescue, for as long as they are.
    Rescue,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8774".into(),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            body_limit: 1024 * 1024,
            max_connections: 8192,
            header_timeout_s: 60,
        }
    }
}
impl Default for Web {
    fn default() -> Self {
        Self { enabled: true, root: PathBuf::new(), origins: Vec::new() }
    }
}
impl Default for Grpc {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8775".into() }
    }
}
impl Default for Database {
    fn default() -> Self {
        Self { url: "postgres://lifeboat@%2Fvar%2Frun%2Fpostgresql/lifeboat".into(), pool: 16, migrate: Migrate::Auto }
    }
}
impl Default for Bootstrap {
    fn default() -> Self {
        Self { user: "admin".into(), password_file: "/etc/lifeboat/admin-password".into() }
    }
}
impl Default for Auth {
    fn default() -> Self {
        Self { token_lifetime_s: 24 * 3600, oidc: Vec::new() }
    }
}
impl Default for Issuer {
    fn default() -> Self {
        Self {
            name: String::new(),
            issuer: String::new(),
            audience: Vec::new(),
            jwks_url: String::new(),
            algorithms: ["RS256", "ES256", "EdDSA"].map(Into::into).into(),
            user_claim: "sub".into(),
            map: Vec::new(),
            project_claim: String::new(),
            roles_claim: String::new(),
            leeway_s: 30,
            refresh_s: 3600,
            refresh_min_s: 10,
        }
    }
}
impl Default for Rate {
    fn default() -> Self {
        Self { token_per_s: 1000, token_burst: 4000, address_per_s: 50, address_burst: 500 }
    }
}
impl Default for Secrets {
    fn default() -> Self {
        Self { key_file: "/etc/lifeboat/region-key".into() }
    }
}
impl Default for Tasks {
    fn default() -> Self {
        Self { workers: 32, lease_s: 15, archive_after_s: 30 * 24 * 3600 }
    }
}
impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval_s: 5, limit_s: 30 }
    }
}
impl Default for Stream {
    fn default() -> Self {
        Self { max_per_token: 16, max_streams: 1000, keep_alive_s: 15, kept_s: 300 }
    }
}
impl Default for Console {
    fn default() -> Self {
        Self {
            max_per_user: 64,
            max_open: 500,
            record: Record::Never,
            record_max_bytes: 64 * 1024 * 1024,
            record_kept_s: 90 * 24 * 3600,
        }
    }
}
impl Default for Rescue {
    fn default() -> Self {
        Self { trusted_keys: Vec::new(), ready_timeout_s: 180, max_per_project: 0, max_per_host: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_is_the_defaults() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/region.toml");
        let config: Config = service::config::load("NOSUCHPREFIX", Some(example.as_ref())).unwrap();
        assert_eq!(
            Config { tls: None, rescue: Rescue { trusted_keys: vec![], ..config.rescue.clone() }, ..config },
            Config::default()
        );
    }
}
