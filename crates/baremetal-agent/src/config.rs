//! What can be set. The shipped example, `deploy/config/baremetal-agent.toml`, names every key with its default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use artifact::{Digest, Trust};
use serde::{Deserialize, Serialize};
use service::telemetry::{LogConfig, TraceConfig};
use service::tls::TlsConfig;

use crate::script::Mac;

/// Begins the environment variables that go over the file.
pub const ENVIRONMENT: &str = "BAREMETAL_AGENT";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this agent is: the certificate's DNS name is `<name>.agent.lifeboat`.
    pub name: String,
    /// Hosts of the same zone fetch from here.
    pub zone: String,
    /// The folder that is served: `images/<name>/` with signed images, and any other boot files.
    pub root: PathBuf,
    /// Minisign public keys: the line that begins with RW, or a file. Only images that one of them signed are served.
    pub trusted_keys: Vec<String>,
    /// Keys that no longer count, though they are trusted.
    pub revoked_keys: Vec<String>,
    /// SHA-256 digests of manifests, kernels and initramfs that are no longer served.
    pub revoked_digests: Vec<Digest>,
    /// Seconds between two checks of all images.
    pub check_interval_s: u64,
    /// Seconds that transfers at work are given when the process is asked to end.
    pub drain_s: u64,
    pub http: Http,
    pub tftp: Tftp,
    pub boot: Boot,
    pub advertise: Advertise,
    pub region: Region,
    /// Mutual TLS with region. Without it region must be on loopback.
    pub tls: Option<TlsConfig>,
    pub log: LogConfig,
    pub trace: TraceConfig,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at once; further ones wait.
    pub max_connections: usize,
    /// Connections at once from one IP address; further ones are closed.
    pub max_connections_per_client: usize,
    /// Seconds for a request's head, and for a TLS handshake.
    pub header_timeout_s: u64,
    /// Seconds between two requests of a connection.
    pub idle_timeout_s: u64,
    /// Seconds in which a client must take 64 KiB of an answer, or the rest of it.
    pub write_timeout_s: u64,
    /// HTTPS instead of HTTP. Hosts check digests and signatures either way, and fetch by HTTPS only where they know the authority.
    pub tls: Option<HttpTls>,
}

/// Two PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTls {
    /// The certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// Mode 0600.
    pub key: PathBuf,
}

/// Boot scripts for machines that boot from the network.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Boot {
    /// The image that a machine boots which is not named below. Empty: none, and there is no script for it.
    pub image: String,
    /// MAC address, `52:54:00:12:34:56`, to image.
    pub machines: BTreeMap<String, String>,
}

impl Boot {
    /// The image for a machine.
    #[must_use]
    pub fn image_for(&self, mac: Option<Mac>) -> Option<&str> {
        let named = self.machines.iter().find(|(text, _)| mac.is_some() && Mac::parse(text, ':') == mac);
        let image = named.map_or(&self.image, |(_, image)| image);
        (!image.is_empty()).then_some(image.as_str())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tftp {
    /// Port 0 takes a free one; machines that boot from the network expect 69.
    pub listen: SocketAddr,
    pub max_transfers: usize,
    pub max_transfers_per_client: usize,
    /// The largest block that is granted, in bytes: 8 to 65464.
    pub max_blksize: u16,
    /// The largest window that is granted, in blocks.
    pub max_windowsize: u16,
    /// No block is granted that would be cut up on its way to the client.
    pub blksize_within_mtu: bool,
}

/// How hosts reach this agent. Empty: at the address that is listened on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Advertise {
    /// Base URL: `http://10.0.0.5:8080`.
    pub http: String,
    /// `10.0.0.5:69`.
    pub tftp: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Region {
    /// Region's gRPC endpoint, `https://IP:PORT`. Empty: files are served, and nobody is told.
    pub endpoint: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "agent1".into(),
            zone: "default".into(),
            root: "/var/lib/lifeboat/boot".into(),
            trusted_keys: Vec::new(),
            revoked_keys: Vec::new(),
            revoked_digests: Vec::new(),
            check_interval_s: 60,
            drain_s: 10,
            http: Http::default(),
            tftp: Tftp::default(),
            boot: Boot::default(),
            advertise: Advertise::default(),
            region: Region::default(),
            tls: None,
            log: LogConfig::default(),
            trace: TraceConfig::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            max_connections: 1024,
            max_connections_per_client: 256,
            header_timeout_s: 10,
            idle_timeout_s: 60,
            write_timeout_s: 30,
            tls: None,
        }
    }
}

impl Default for Tftp {
    fn default() -> Self {
        let config = tftp::Config::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            max_transfers: config.max_transfers,
            max_transfers_per_client: config.max_transfers_per_client,
            max_blksize: config.caps.blksize,
            max_windowsize: config.caps.windowsize,
            blksize_within_mtu: config.blksize_within_mtu,
        }
    }
}

/// The configuration does not make sense. Names the key and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct Wrong(String);

impl Config {
    /// What the types can't say.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn check(&self) -> Result<(), Wrong> {
        let must = |right: bool, text: String| if right { Ok(()) } else { Err(Wrong(text)) };
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let name = &self.name;
        let is_label =
            (1..=63).contains(&name.len()) && name.bytes().all(label) && !name.starts_with('-') && !name.ends_with('-');
        must(is_label, format!("name '{name}' must be a DNS label: 1 to 63 of a-z, 0-9 and '-'"))?;
        must(!self.zone.is_empty(), "zone must not be empty".into())?;
        must(self.check_interval_s > 0, "check_interval_s must be more than 0".into())?;
        let tftp = &self.tftp;
        must(
            tftp.max_transfers > 0 && tftp.max_transfers_per_client > 0,
            "tftp.max_transfers and max_transfers_per_client must be more than 0".into(),
        )?;
        must((8..=65464).contains(&tftp.max_blksize), "tftp.max_blksize must be 8 to 65464".into())?;
        must(tftp.max_windowsize > 0, "tftp.max_windowsize must be more than 0".into())?;
        let http = &self.http;
        must(
            http.max_connections > 0 && http.max_connections_per_client > 0,
            "http.max_connections and max_connections_per_client must be more than 0".into(),
        )?;
        must(
            http.header_timeout_s > 0 && http.idle_timeout_s > 0 && http.write_timeout_s > 0,
            "http.header_timeout_s, idle_timeout_s and write_timeout_s must be more than 0".into(),
        )?;
        for mac in self.boot.machines.keys() {
            must(
                Mac::parse(mac, ':').is_some(),
                format!("boot.machines: '{mac}' must be a MAC address like 52:54:00:12:34:56"),
            )?;
        }
        for (key, listen, advertised) in
            [("http", self.http.listen, &self.advertise.http), ("tftp", tftp.listen, &self.advertise.tftp)]
        {
            let reachable = !listen.ip().is_unspecified() || !advertised.is_empty();
            must(
                reachable,
                format!("{key}.listen is {listen}: set advertise.{key} to the address at which hosts reach it"),
            )?;
        }
        let advertised = &self.advertise.http;
        let is_url = advertised.is_empty() || advertised.starts_with("http://") || advertised.starts_with("https://");
        must(is_url, format!("advertise.http '{advertised}' must be a URL: http://IP:PORT"))?;
        let clear = !self.region.endpoint.is_empty() && self.tls.is_none() && !is_loopback(&self.region.endpoint);
        must(
            !clear,
            format!("region.endpoint {} is not on loopback: set tls.ca, tls.cert and tls.key", self.region.endpoint),
        )
    }

    /// # Errors
    /// [`Wrong`] names the key that can't be read.
    pub fn trust(&self) -> Result<Trust, Wrong> {
        Trust::new(&self.trusted_keys, &self.revoked_keys, &self.revoked_digests)
            .map_err(|e| Wrong(format!("trusted_keys or revoked_keys: {e}")))
    }

    #[must_use]
    pub fn tftp_server(&self) -> tftp::Config {
        let mut config = tftp::Config {
            max_transfers: self.tftp.max_transfers,
            max_transfers_per_client: self.tftp.max_transfers_per_client,
            drain: self.drain(),
            blksize_within_mtu: self.tftp.blksize_within_mtu,
            ..tftp::Config::default()
        };
        config.caps.blksize = self.tftp.max_blksize;
        config.caps.windowsize = self.tftp.max_windowsize;
        config
    }

    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<hyper::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_shipped_example_says_the_defaults() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/baremetal-agent.toml");
        let example: Config = service::config::load("NOSUCHPREFIX", Some(&file)).unwrap();
        example.check().unwrap();
        let tls = example.tls.clone().expect("the example shows mutual TLS");
        assert_eq!(tls.key, Path::new("/etc/lifeboat/tls/tls.key"));
        // What has no sensible default is shown with a value; everything else is the default.
        let rest = Config { tls: None, trusted_keys: vec![], region: Region::default(), ..example };
        assert_eq!(serde_json::to_value(&rest).unwrap(), serde_json::to_value(Config::default()).unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        let keys = serde_json::to_value(Config::default()).unwrap();
        for (key, value) in keys.as_object().unwrap() {
            assert!(text.contains(key.as_str()), "{key} is missing");
            for inner in value.as_object().into_iter().flatten() {
                assert!(text.contains(inner.0.as_str()), "{key}.{} is missing", inner.0);
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
        type Change = fn(&mut Config, SocketAddr);
        let cases: [(Change, &str); 12] = [
            (|c, _| c.name = "A.b".into(), "name 'A.b'"),
            (|c, _| c.zone = String::new(), "zone"),
            (|c, _| c.check_interval_s = 0, "check_interval_s"),
            (|c, _| c.tftp.max_transfers = 0, "tftp.max_transfers"),
            (|c, _| c.tftp.max_blksize = 7, "tftp.max_blksize"),
            (|c, _| c.http.max_connections = 0, "http.max_connections"),
            (|c, _| c.http.write_timeout_s = 0, "write_timeout_s"),
            (|c, _| drop(c.boot.machines.insert("52-54-00-12-34-56".into(), "small".into())), "boot.machines"),
            (|c, any| c.http.listen = any, "advertise.http"),
            (|c, any| c.tftp.listen = any, "advertise.tftp"),
            (|c, _| c.advertise.http = "10.0.0.1:80".into(), "http://IP:PORT"),
            (|c, _| c.region.endpoint = "http://10.0.0.1:8775".into(), "tls.ca"),
        ];
        for (change, want) in cases {
            let mut config = Config::default();
            change(&mut config, any);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(want), "{error} should name {want}");
        }
        for endpoint in ["", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            let config = Config { region: Region { endpoint: endpoint.into() }, ..Config::default() };
            config.check().unwrap();
        }
        let error = Config { trusted_keys: vec!["nonsense".into()], ..Config::default() }.trust().unwrap_err();
        assert!(error.to_string().contains("trusted_keys"));
    }
}
