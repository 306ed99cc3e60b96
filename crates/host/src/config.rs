//! The configuration of a host, with its defaults. `deploy/config/host.toml` shows all of it; variables `HOST_<KEY>` go over the
//! file (`HOST_REGION__ENDPOINT`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use service::telemetry::{LogConfig, TraceConfig};
use service::tls::TlsConfig;

use crate::guest::interrupted::Autostart;
use crate::qemu::accel::Wanted;
use crate::qemu::scope::Wanted as Scope;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Unique among region's hosts; the certificate is for `<name>.host.lifeboat`. Empty: the machine's name.
    pub name: String,
    pub zone: String,
    /// Guests, ledger and caches. Guests are in `servers/<id>`.
    pub workspace: PathBuf,
    /// Images that disks are made from, one file each. Empty: `<workspace>/images`.
    pub image_dir: PathBuf,
    /// From where images may come that are named by address and digest (`https://...#sha256=...`): how such addresses may begin.
    /// Empty: from nowhere.
    pub image_sources: Vec<String>,
    /// Boot files of rescue images, by digest. Empty: `<workspace>/store`.
    pub store_dir: PathBuf,
    /// Sockets of guests; a short path, as a socket's has at most 107 bytes. Empty: below `/run/lifeboat` for root, else below
    /// `XDG_RUNTIME_DIR` or `/tmp`.
    pub runtime_dir: PathBuf,
    /// Where the gRPC service listens; port 0: any.
    pub listen: SocketAddr,
    /// Where region reaches it, `https://ADDRESS:PORT`. Empty: the listening address.
    pub advertise: String,
    /// Public keys (minisign) whose signature under a rescue image counts: paths of `.pub` files, or the keys themselves.
    pub trusted_keys: Vec<String>,
    /// Keys that no longer count, in the same forms, and boot files (sha256) that are not booted whoever signed them.
    pub revoked_keys: Vec<String>,
    pub revoked_digests: Vec<String>,
    /// `auto`: KVM if a kernel was seen to run under it, else TCG. `kvm`, `tcg`: that one.
    pub accel: Wanted,
    /// Where QEMU is moved to when it has started, so that it outlives the agent's unit or container.
    pub scope: Scope,
    /// Where the machine's cgroup trees are.
    pub cgroup_root: PathBuf,
    /// Who starts the guests that ran when the machine went down, once it is up again.
    pub autostart: Autostart,
    /// With `autostart` `region`: seconds after which they are started without it. 0: region is waited for, however long.
    pub autostart_after_s: u64,
    /// What tells the machine's starts apart.
    pub boot_id_file: PathBuf,
    pub region: RegionConfig,
    /// Mutual TLS. Without it, only loopback is listened on.
    pub tls: Option<TlsConfig>,
    pub qemu: QemuConfig,
    pub uefi: UefiConfig,
    pub network: NetworkConfig,
    pub limits: Limits,
    pub metrics: MetricsConfig,
    pub log: LogConfig,
    pub trace: TraceConfig,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionConfig {
    /// `https://ADDRESS:PORT`. Empty: this host reports to nobody.
    pub endpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QemuConfig {
    /// Programs; the newest runs what asks for no version. Empty: `qemu-system-x86_64` of the path.
    pub binaries: Vec<PathBuf>,
    pub qemu_img: PathBuf,
    /// A kernel to try KVM with. Empty: one of `/boot`.
    pub probe_kernel: PathBuf,
    /// Who QEMU runs as, if the agent is root. `auto`: the first there is of [`crate::qemu::user::KNOWN`], if it gets to the folders
    /// above; else as the agent. `none`: as the agent. A user's name, or `UID:GID`: that one, or the agent does not start.
    pub user: String,
}

impl Default for QemuConfig {
    fn default() -> Self {
        Self { binaries: Vec::new(), qemu_img: "qemu-img".into(), probe_kernel: PathBuf::new(), user: "auto".into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UefiConfig {
    /// UEFI firmware; guests that want it are refused where it is not installed.
    pub code: PathBuf,
    /// What a guest's variable store begins as.
    pub vars: PathBuf,
}

impl Default for UefiConfig {
    fn default() -> Self {
        Self { code: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(), vars: "/usr/share/OVMF/OVMF_VARS_4M.fd".into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Bridges that guests' taps, and interfaces that their macvtaps may be on. Empty: guests have QEMU's user networking only.
    pub bridges: Vec<String>,
    /// The program of iproute2.
    pub ip: PathBuf,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { bridges: Vec::new(), ip: "ip".into() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Guests on this host.
    pub guests: usize,
    /// Rescue images that are fetched at the same time.
    pub downloads: usize,
    /// MiB of memory and of space that a new guest must leave.
    pub reserved_memory_mib: u64,
    pub reserved_disk_mib: u64,
    /// Days for which the overlays of a rescue whose changes were discarded are kept.
    pub discarded_overlay_days: u64,
    /// Boot files in the store that no rescue used for so many days go, and those used longest ago while all take more MiB than this.
    /// One that a guest's desc names stays.
    pub boot_file_days: u64,
    pub boot_files_mib: u64,
    /// As `boot_file_days` and `boot_files_mib`, for images from elsewhere (`image_sources`). Disks are copies: no guest uses them.
    pub base_image_days: u64,
    pub base_images_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            guests: 256,
            downloads: 4,
            reserved_memory_mib: 128,
            reserved_disk_mib: 64,
            discarded_overlay_days: 3,
            boot_file_days: 30,
            boot_files_mib: 8192,
            base_image_days: 30,
            base_images_mib: 65536,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `/metrics` and `/healthz` are served over HTTP, in clear. Empty: nowhere.
    pub listen: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            zone: "default".into(),
            workspace: "/opt/cloud/workspace".into(),
            image_dir: PathBuf::new(),
            image_sources: Vec::new(),
            store_dir: PathBuf::new(),
            runtime_dir: PathBuf::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8885)),
            advertise: String::new(),
            trusted_keys: Vec::new(),
            revoked_keys: Vec::new(),
            revoked_digests: Vec::new(),
            accel: Wanted::Auto,
            scope: Scope::Auto,
            cgroup_root: "/sys/fs/cgroup".into(),
            autostart: Autostart::Region,
            autostart_after_s: 0,
            boot_id_file: "/proc/sys/kernel/random/boot_id".into(),
            region: RegionConfig::default(),
            tls: None,
            qemu: QemuConfig::default(),
            uefi: UefiConfig::default(),
            network: NetworkConfig::default(),
            limits: Limits::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig::default(),
            trace: TraceConfig::default(),
        }
    }
}

impl Config {
    /// Reads file and environment, and fills in what follows from the rest.
    ///
    /// # Errors
    /// See [`service::config::load`].
    pub fn load(file: Option<&Path>) -> Result<Self, service::config::ConfigError> {
        Self::load_as_written(file).map(Self::completed)
    }

    /// As [`load`](Self::load), with empty values left empty.
    ///
    /// # Errors
    /// See [`service::config::load`].
    pub fn load_as_written(file: Option<&Path>) -> Result<Self, service::config::ConfigError> {
        service::config::load("HOST", file)
    }

    /// With every path absolute and every empty value that has a meaning replaced by it.
    #[must_use]
    pub fn completed(mut self) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.workspace = absolute(&self.workspace);
        let or = |path: &Path, default: &str| {
            if path.as_os_str().is_empty() { self.workspace.join(default) } else { absolute(path) }
        };
        self.image_dir = or(&self.image_dir, "images");
        self.store_dir = or(&self.store_dir, "store");
        if self.runtime_dir.as_os_str().is_empty() {
            self.runtime_dir = crate::guest::paths::default_runtime(&self.workspace);
        }
        if self.name.is_empty() {
            self.name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_is_read_and_shows_the_defaults() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/host.toml");
        let config: Config = service::config::load("NOSUCHPREFIX", Some(&example)).unwrap();
        assert!(config.tls.is_some() && !config.region.endpoint.is_empty() && !config.trusted_keys.is_empty());
        let shown = Config { tls: None, region: RegionConfig::default(), trusted_keys: Vec::new(), ..config };
        assert_eq!(shown, Config::default());
    }

    #[test]
    fn empty_paths_follow_the_workspace() {
        let config = Config { workspace: "/w".into(), ..Config::default() }.completed();
        assert_eq!(config.image_dir, Path::new("/w/images"));
        assert_eq!(config.store_dir, Path::new("/w/store"));
        assert!(!config.name.is_empty() && config.runtime_dir.is_absolute());
    }
}
