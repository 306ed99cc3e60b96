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
