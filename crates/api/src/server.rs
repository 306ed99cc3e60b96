//! Servers: virtual machines, and the verbs that act on them.
//!
//! Here: what a server is, and how it is made, changed by name, and deleted. The other verbs by ability: [`power`], [`hardware`], [`edit`], [`console`], [`rescue`].

pub mod console;
pub mod edit;
pub mod hardware;
pub mod power;
pub mod rescue;

pub use console::*;
pub use edit::*;
pub use hardware::*;
pub use power::*;
pub use rescue::*;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use types::desc::{DiskDesc, DiskDriver, DiskFormat, Firmware, Machine, NicModel, PortForward};
use types::status::Arch;
use types::{GuestId, GuestStatus, HostId, PowerState, SessionId};

use crate::action::{Action, Invalid, NoExtra, Resource};
use crate::task::TaskBrief;

#[derive(Debug)]
pub enum Servers {}
impl Resource for Servers {
    const WORD: &'static str = "server";
    const PLURAL: &'static str = "servers";
    type View = Server;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Server {
    pub id: GuestId,
    pub name: String,
    /// The lifecycle, owned by the compute service.
    pub status: GuestStatus,
    /// Why the status is what it is, where that needs words.
    pub status_reason: Option<String>,
    /// What the host observes.
    pub power_state: PowerState,
    pub hypervisor: String,
    pub host_id: HostId,
    pub host: String,
    pub arch: Arch,
    pub machine: Machine,
    pub firmware: Firmware,
    pub vcpu_count: u32,
    /// Memory in MiB.
    pub vmem_size: u32,
    pub disks: Vec<ServerDisk>,
    pub nics: Vec<ServerNic>,
    /// Drives for ISO images, and what is in them.
    #[serde(default)]
    pub cdroms: Vec<ServerCdrom>,
    /// Whether it has a screen that VNC shows.
    #[serde(default)]
    pub vnc: bool,
    /// The version of QEMU it runs with; null: its host's newest.
    #[serde(default)]
    pub qemu_version: Option<String>,
    /// True in every status that belongs to a rescue.
    pub rescue_mode: bool,
    pub rescue_session_id: Option<SessionId>,
    /// The task at work on it, if any.
    pub task: Option<TaskBrief>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// For people.
    #[serde(default)]
    pub description: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Rises with every change.
    pub update_version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerDisk {
    pub id: types::id::DiskId,
    pub index: u32,
    /// MiB; 0: as large as its image.
    pub size: u64,
    pub driver: DiskDriver,
    pub format: DiskFormat,
    pub image: Option<String>,
    /// What the guest reads as the disk's serial number.
    pub serial: String,
}

impl From<DiskDesc> for ServerDisk {
    fn from(disk: DiskDesc) -> Self {
        Self {
            id: disk.id,
            index: disk.index,
            size: disk.size_mib,
            driver: disk.driver,
            format: disk.format,
            image: disk.image,
            serial: disk.serial,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerNic {
    pub index: u32,
    pub mac: String,
    pub model: NicModel,
    pub forwards: Vec<PortForward>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerCdrom {
    pub index: u32,
    /// The name of an ISO image in the host's image folder; null: the drive is empty.
    pub iso: Option<String>,
}

/// `POST /servers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerCreate {
    /// 1 to 63 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    pub name: String,
    #[serde(default = "one")]
    pub vcpu_count: u32,
    /// Memory in MiB.
    #[serde(default = "default_memory")]
    pub vmem_size: u32,
    pub disks: Vec<DiskCreate>,
    #[serde(default)]
    pub nets: Vec<NetCreate>,
    #[serde(default = "kvm")]
    pub hypervisor: String,
    /// Start it once it exists.
    #[serde(default)]
    pub auto_start: bool,
    /// The host, by id or name; else the one with most free memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// For people; at most 1024 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A screen that VNC shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vnc: bool,
    /// The version of QEMU to run it with; else the host's newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu_version: Option<String>,
    /// How many to make (1 to 100). From 2 on they are called `NAME-1`, `NAME-2` and so on, and the answer has one row for each:
    /// `{"servers": [{"status": 200, "body": {...}}]}`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
}

/// The most servers that one `POST /servers` makes.
pub const MAX_COUNT: u32 = 100;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

fn one() -> u32 {
    1
}
fn default_memory() -> u32 {
    512
}
fn kvm() -> String {
    "kvm".into()
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskCreate {
    /// The name of an image in the host's image folder; absent for an empty disk.
    #[serde(default, alias = "image_id", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// MiB; 0 or absent: as large as the image.
    #[serde(default)]
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<DiskDriver>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DiskFormat>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetCreate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<NicModel>,
    /// TCP ports on the host's loopback that lead into the guest.
    #[serde(default)]
    pub forwards: Vec<PortForward>,
}

/// Whether a name may name a server.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=63).contains(&name.len())
        && name.chars().all(ok)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.parse::<GuestId>().is_err()
}

impl ServerCreate {
    /// As the contract has it where nothing else is said: one CPU, 512 MiB, off, no NIC.
    #[must_use]
    pub fn new(name: &str, disks: Vec<DiskCreate>) -> Self {
        Self {
            name: name.into(),
            vcpu_count: one(),
            vmem_size: default_memory(),
            disks,
            nets: Vec::new(),
            hypervisor: kvm(),
            auto_start: false,
            prefer_host: None,
            machine: None,
            firmware: None,
            metadata: BTreeMap::new(),
            description: String::new(),
            vnc: false,
            qemu_version: None,
            count: one(),
        }
    }

    /// Checks what the types can't.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        edit::check_description(&self.description)?;
        if self.hypervisor != "kvm" {
            return Err(Invalid::new(
                "hypervisor",
                format!("unknown hypervisor '{}': allowed are kvm", self.hypervisor),
            ));
        }
        within("vcpu_count", self.vcpu_count, 1, 256)?;
        within("vmem_size", self.vmem_size, 64, 4 * 1024 * 1024)?;
        if self.disks.is_empty() || self.disks.len() > 16 {
            return Err(Invalid::new("disks", "1 to 16 disks are wanted"));
        }
        if self.nets.len() > 8 {
            return Err(Invalid::new("nets", "at most 8 networks are allowed"));
        }
        self.disks.iter().try_for_each(DiskCreate::check)?;
        self.nets.iter().try_for_each(NetCreate::check)?;
        check_metadata(&self.metadata)?;
        within("count", self.count, 1, MAX_COUNT)?;
        if self.count > 1 {
            if !is_name(&self.nth(self.count - 1).name) {
                return Err(Invalid::new("name", "is too long to have a number added"));
            }
            if self.nets.iter().any(|net| net.mac.is_some() || !net.forwards.is_empty()) {
                return Err(Invalid::new(
                    "nets",
                    "mac and forwards can be of one server only: leave them out, or count",
                ));
            }
        }
        Ok(())
    }

    /// The one of several with this number, from 0 on.
    #[must_use]
    pub fn nth(&self, n: u32) -> Self {
        Self { name: format!("{}-{}", self.name, n + 1), count: 1, ..self.clone() }
    }
}

impl DiskCreate {
    /// # Errors
    /// [`Invalid`].
    pub fn check(&self) -> Result<(), Invalid> {
        if self.image.is_none() && self.size == 0 {
            return Err(Invalid::new("disks", "a disk needs an image or a size in MiB"));
        }
        if self.size > MAX_DISK_MIB {
            return Err(Invalid::new("disks", "a disk has at most 64 TiB (67108864 MiB)"));
        }
        if self.image.as_deref().is_some_and(|image| !is_file_name(image)) {
            return Err(Invalid::new("disks", "image: the name of a file in the host's image folder is wanted"));
        }
        Ok(())
    }
}

impl NetCreate {
    /// # Errors
    /// [`Invalid`].
    pub fn check(&self) -> Result<(), Invalid> {
        match &self.mac {
            Some(mac) if !is_mac(mac) => {
                Err(Invalid::new("nets", format!("mac: '{mac}' is not like 52:54:00:12:34:56")))
            }
            _ => Ok(()),
        }
    }
}

/// 64 TiB.
pub const MAX_DISK_MIB: u64 = 64 * 1024 * 1024;

/// The name of a file in a host's image folder.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\0']) && name != "." && name != ".."
}

pub(crate) fn check_name(name: &str) -> Result<(), Invalid> {
    if is_name(name) {
        return Ok(());
    }
    Err(Invalid::new(
        "name",
        "1 to 63 letters, digits, '-', '_' and '.' are wanted, beginning with a letter or digit, and not a UUID",
    ))
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Invalid> {
    let fits = |(k, v): (&String, &String)| !k.is_empty() && k.len() <= 128 && v.len() <= 4096;
    if metadata.len() <= 64 && metadata.iter().all(fits) {
        return Ok(());
    }
    Err(Invalid::new("metadata", "at most 64 entries of 1 to 128 and 4096 bytes are allowed"))
}

fn is_mac(mac: &str) -> bool {
    let octets: Vec<&str> = mac.split(':').collect();
    octets.len() == 6 && octets.iter().all(|o| o.len() == 2 && o.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(crate) fn within(field: &'static str, value: u32, low: u32, high: u32) -> Result<(), Invalid> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(field, format!("{value} is out of range: {low} to {high} are allowed")))
}

/// `DELETE /servers/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct Delete {}
impl Action for Delete {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "delete";
    const SUMMARY: &'static str = "Delete a server and its disks";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_name("web1") && is_name("a.b-c_d"));
        for bad in ["", "-a", "a b", "ä", &"a".repeat(64), "0198c7a6-0000-7000-8000-000000000000"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
