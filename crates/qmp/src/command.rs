//! The commands in use, each with its arguments and its reply. A reply's unknown members are left out.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One command: the struct is its arguments.
pub trait Command: Serialize + Send {
    /// QEMU's word for it.
    const NAME: &'static str;
    type Reply: DeserializeOwned + Send + 'static;
}

/// The reply of a command that says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Done {}

macro_rules! plain {
    ($($(#[$meta:meta])* $name:ident = $word:literal -> $reply:ty;)+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, Default, Serialize)]
            pub struct $name {}
            impl Command for $name {
                const NAME: &'static str = $word;
                type Reply = $reply;
            }
        )+
    };
}

plain! {
    /// Ends the negotiation; sent by the client itself.
    Capabilities = "qmp_capabilities" -> Done;
    QueryStatus = "query-status" -> Status;
    QueryVersion = "query-version" -> serde_json::Value;
    QueryName = "query-name" -> Name;
    QueryBlock = "query-block" -> Vec<BlockDevice>;
    QueryKvm = "query-kvm" -> Kvm;
    QueryMachines = "query-machines" -> Vec<MachineType>;
    QueryChardev = "query-chardev" -> Vec<Chardev>;
    /// Presses the ACPI power button; the guest may ignore it.
    SystemPowerdown = "system_powerdown" -> Done;
    /// Presses the reset button.
    SystemReset = "system_reset" -> Done;
    /// Ends QEMU at once; the guest's memory is lost.
    Quit = "quit" -> Done;
    /// Pauses the processors.
    Stop = "stop" -> Done;
    /// Lets paused processors go on.
    Continue = "cont" -> Done;
}

macro_rules! with_arguments {
    ($($(#[$meta:meta])* $name:ident = $word:literal -> $reply:ty;)+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Serialize)]
            #[serde(transparent)]
            pub struct $name(pub serde_json::Value);
            impl Command for $name {
                const NAME: &'static str = $word;
                type Reply = $reply;
            }
        )+
    };
}

with_arguments! {
    /// Plugs a device in: `driver`, `id`, and the driver's own properties.
    DeviceAdd = "device_add" -> Done;
    /// Opens an image: `BlockdevOptions` of `qapi/block-core.json`.
    BlockdevAdd = "blockdev-add" -> Done;
    /// Makes a back end of a NIC: `Netdev` of `qapi/net.json`.
    NetdevAdd = "netdev_add" -> Done;
    /// Puts an image into a drive: `id`, `filename`, `format`, `read-only-mode`.
    ChangeMedium = "blockdev-change-medium" -> Done;
    /// All or none of its `actions`.
    Transaction = "transaction" -> Done;
}

macro_rules! with_fields {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty = $key:literal),+ } = $word:literal -> $reply:ty;)+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Serialize)]
            pub struct $name { $(#[serde(rename = $key)] pub $field: $type),+ }
            impl Command for $name {
                const NAME: &'static str = $word;
                type Reply = $reply;
            }
        )+
    };
}

with_fields! {
    /// Asks the guest to let go of a device. `DEVICE_DELETED` follows when it has.
    DeviceDel { id: String = "id" } = "device_del" -> Done;
    /// Closes an image that no device uses.
    BlockdevDel { node_name: String = "node-name" } = "blockdev-del" -> Done;
    NetdevDel { id: String = "id" } = "netdev_del" -> Done;
    /// What is below a place in QEMU's object tree; `/machine/peripheral` has the devices with an id.
    QomList { path: String = "path" } = "qom-list" -> Vec<Property>;
    /// The types that implement another: `device` for what can be plugged in.
    QomTypes { implements: String = "implements", r#abstract: bool = "abstract" } = "qom-list-types" -> Vec<Property>;
    /// Open images. `flat`: without the images below them.
    QueryNodes { flat: bool = "flat" } = "query-named-block-nodes" -> Vec<Node>;
    /// `size` in bytes.
    BlockResize { node_name: String = "node-name", size: u64 = "size" } = "block_resize" -> Done;
    /// Opens the tray and takes out what is in it; `force`: also when the guest has locked it.
    Eject { id: String = "id", force: bool = "force" } = "eject" -> Done;
    /// Forgets an internal snapshot; `device` is a node's name.
    SnapshotDelete { device: String = "device", name: String = "name" }
        = "blockdev-snapshot-delete-internal-sync" -> serde_json::Value;
}

/// A picture of the screen into a file that QEMU writes: `format` is `png` or `ppm`, the latter if absent.
#[derive(Debug, Clone, Serialize)]
pub struct Screendump {
    pub filename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}
impl Command for Screendump {
    const NAME: &'static str = "screendump";
    type Reply = Done;
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Property {
    pub name: String,
}

/// A kind of machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MachineType {
    pub name: String,
    /// Its other name: `q35` of the newest of its kind.
    #[serde(default)]
    pub alias: Option<String>,
}

/// An open image.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Node {
    #[serde(default, rename = "node-name")]
    pub node_name: Option<String>,
    pub file: String,
    pub image: ImageInfo,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ImageInfo {
    /// Bytes that the guest sees.
    #[serde(rename = "virtual-size")]
    pub virtual_size: u64,
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
}

/// An internal snapshot of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    pub running: bool,
    /// `running`, `paused`, `shutdown`, `internal-error`, `io-error`, ...
    pub status: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Name {
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Kvm {
    pub enabled: bool,
    pub present: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Chardev {
    pub label: String,
    pub filename: String,
    #[serde(rename = "frontend-open")]
    pub frontend_open: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BlockDevice {
    pub device: String,
    /// The QOM path or id of the device in the guest.
    #[serde(default)]
    pub qdev: Option<String>,
    #[serde(default)]
    pub inserted: Option<Inserted>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Inserted {
    pub file: String,
    /// Read-only.
    pub ro: bool,
    pub drv: String,
    #[serde(default, rename = "node-name")]
    pub node_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_out_what_is_unknown() {
        let status: Status =
            serde_json::from_str(r#"{"status":"running","running":true,"singlestep":false,"new":[1]}"#).unwrap();
        assert_eq!(status, Status { running: true, status: "running".into() });
        let blocks: Vec<BlockDevice> = serde_json::from_str(
            r#"[{"io-status":"ok","device":"","locked":false,"removable":false,"inserted":{"ro":true,"drv":"qcow2","file":"/d","x":1},
                "qdev":"/machine/peripheral/disk-0/virtio-backend","type":"unknown"},{"device":"cd","type":"unknown"}]"#,
        )
        .unwrap();
        assert!(blocks[0].inserted.as_ref().unwrap().ro);
        assert_eq!(blocks[1].inserted, None);
    }
}
