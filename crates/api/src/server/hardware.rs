//! Verbs that change what a server is made of: processors, memory, disks, networks, media.

use serde::{Deserialize, Serialize};
use types::desc::{DiskDriver, DiskFormat, NicModel, PortForward};

use super::{DiskCreate, MAX_DISK_MIB, NetCreate, Servers, is_file_name, within};
use crate::action::{Action, Invalid, NoExtra};

/// `POST /servers/{id}/change-config`: what is absent stays. Processors and memory change only while the server is off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct ChangeConfig {
    /// Virtual processors (1 to 256)
    #[cfg_attr(feature = "clap", arg(long = "ncpu", visible_alias = "vcpu-count", value_name = "N"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpu_count: Option<u32>,
    /// Memory in MiB (64 to 4194304)
    #[cfg_attr(feature = "clap", arg(long = "mem", visible_alias = "vmem-size", value_name = "MIB"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmem_size: Option<u32>,
    /// Whether it has a screen that VNC shows; a running server gets it with its next start
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vnc: Option<bool>,
    /// The version of QEMU to run it with, from the next start on; empty: its host's newest
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu_version: Option<String>,
}
impl Action for ChangeConfig {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "change-config";
    const SUMMARY: &'static str = "Give a server other processors, memory, screen or QEMU";
    fn check(&self) -> Result<(), Invalid> {
        if *self == Self::default() {
            return Err(Invalid::new("vcpu_count", "one of vcpu_count, vmem_size, vnc, qemu_version is wanted"));
        }
        self.vcpu_count.map_or(Ok(()), |n| within("vcpu_count", n, 1, 256))?;
        self.vmem_size.map_or(Ok(()), |n| within("vmem_size", n, 64, 4 * 1024 * 1024))
    }
}

/// `POST /servers/{id}/attach-disk`: a detached disk, or a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct AttachDisk {
    /// A detached disk on the server's host, by id or serial number; else a new one is made
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_id: Option<String>,
    /// Of a new one: its size in MiB
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "disk_id", value_name = "MIB"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Of a new one: the image in the host's image folder to copy; it is empty without
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "disk_id"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How it is attached (default virtio, or as the detached disk was). A running server takes virtio and scsi
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<DiskDriver>,
    /// Of a new one: the format of its image (default qcow2)
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "disk_id"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DiskFormat>,
}
impl AttachDisk {
    /// The new disk that is meant, where none is named.
    #[must_use]
    pub fn new_disk(&self) -> DiskCreate {
        let Self { size, image, driver, format, .. } = self.clone();
        DiskCreate { image, size: size.unwrap_or(0), driver, format }
    }
}
impl Action for AttachDisk {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "attach-disk";
    const SUMMARY: &'static str = "Give a server a detached disk, or a new one";
    fn check(&self) -> Result<(), Invalid> {
        match &self.disk_id {
            Some(_) if self.size.is_some() || self.image.is_some() || self.format.is_some() => {
                Err(Invalid::new("disk_id", "size, image and format are of a new disk: leave them out, or disk_id"))
            }
            Some(_) => Ok(()),
            None => self.new_disk().check().map_err(|e| match e.problem.as_str() {
                "a disk needs an image or a size in MiB" => {
                    Invalid::new("disk_id", "a detached disk is wanted, or size or image of a new one")
                }
                _ => e,
            }),
        }
    }
}

/// `POST /servers/{id}/detach-disk`: the disk keeps what is on it, and can be attached again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DetachDisk {
    /// The disk, by id or serial number
    #[cfg_attr(feature = "clap", arg(long, required = true))]
    pub disk_id: String,
}
impl Action for DetachDisk {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "detach-disk";
    const SUMMARY: &'static str = "Take a disk from a server; what is on it stays";
}

/// `POST /servers/{id}/resize-disk`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct ResizeDisk {
    /// The disk, by id or serial number
    #[cfg_attr(feature = "clap", arg(long, required = true))]
    pub disk_id: String,
    /// Its new size in MiB; a disk never becomes smaller
    #[cfg_attr(feature = "clap", arg(long, value_name = "MIB"))]
    pub size: u64,
}
impl Action for ResizeDisk {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "resize-disk";
    const SUMMARY: &'static str = "Make one of a server's disks larger";
    fn check(&self) -> Result<(), Invalid> {
        if (1..=MAX_DISK_MIB).contains(&self.size) {
            return Ok(());
        }
        Err(Invalid::new("size", format!("{} is out of range: 1 to {MAX_DISK_MIB} MiB are allowed", self.size)))
    }
}

/// `POST /servers/{id}/attach-network`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachNetwork {
    /// Six octets, `52:54:00:12:34:56`; one is made if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<NicModel>,
    /// TCP ports on the host's loopback that lead into the guest.
    #[serde(default)]
    pub forwards: Vec<PortForward>,
}
impl AttachNetwork {
    /// The network as it is in the body of `POST /servers`.
    #[must_use]
    pub fn net(&self) -> NetCreate {
        let Self { mac, model, forwards } = self.clone();
        NetCreate { mac, model, forwards }
    }
}
impl Action for AttachNetwork {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "attach-network";
    const SUMMARY: &'static str = "Give a server another network card";
    fn check(&self) -> Result<(), Invalid> {
        self.net().check().map_err(|e| Invalid::new("mac", e.problem))
    }
}

/// `POST /servers/{id}/detach-network`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct DetachNetwork {
    /// The card by its index
    #[cfg_attr(feature = "clap", arg(long, required_unless_present = "mac"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The card by its MAC address
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "index"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}
impl Action for DetachNetwork {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "detach-network";
    const SUMMARY: &'static str = "Take a network card from a server";
    fn check(&self) -> Result<(), Invalid> {
        match (self.index, &self.mac) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) | (Some(_), Some(_)) => Err(Invalid::new("index", "index or mac is wanted, one of them")),
        }
    }
}

/// `POST /servers/{id}/insert-iso`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct InsertIso {
    /// The name of an ISO image in the image folder of the server's host
    #[cfg_attr(feature = "clap", arg(long, required = true))]
    #[serde(alias = "image_id")]
    pub iso: String,
    /// The drive, 0 or 1 (default 0). A server that is off gets the drive if it lacks it
    #[cfg_attr(feature = "clap", arg(long, default_value_t = 0))]
    #[serde(default)]
    pub cdrom: u32,
}
impl Action for InsertIso {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "insert-iso";
    const SUMMARY: &'static str = "Put an ISO image into a server's drive";
    fn check(&self) -> Result<(), Invalid> {
        if !is_file_name(&self.iso) {
            return Err(Invalid::new("iso", "the name of a file in the host's image folder is wanted"));
        }
        within("cdrom", self.cdrom, 0, 1)
    }
}

/// `POST /servers/{id}/eject-iso`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::Args))]
pub struct EjectIso {
    /// The drive, 0 or 1 (default 0)
    #[cfg_attr(feature = "clap", arg(long, default_value_t = 0))]
    #[serde(default)]
    pub cdrom: u32,
}
impl Action for EjectIso {
    type On = Servers;
    type Extra = NoExtra;
    const NAME: &'static str = "eject-iso";
    const SUMMARY: &'static str = "Take the ISO image out of a server's drive";
    fn check(&self) -> Result<(), Invalid> {
        within("cdrom", self.cdrom, 0, 1)
    }
}
