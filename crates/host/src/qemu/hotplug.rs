//! Devices that come and go while QEMU runs. Each of these may be repeated after it was interrupted anywhere: it looks at what is there
//! first, and what is half there is taken out again.

use std::path::Path;
use std::time::{Duration, Instant};

use qmp::QmpError;
use qmp::command::{
    BlockdevAdd, BlockdevDel, ChangeMedium, DeviceAdd, DeviceDel, Eject, NetdevAdd, NetdevDel, Node, QomList,
    QueryNodes,
};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use types::desc::{self, DiskDesc, NicDesc};
use types::id::GuestId;
use types::operation::{Failure, FailureCode};

use super::cmdline::DiskFile;
use super::devices::{self, cdrom_id, disk_id, disk_node, netdev_id, nic_id};
use super::machine::Machine;

/// A guest lets go of a device when its kernel gets to it; one that never does has no driver for it, or has not booted.
const UNPLUG_LIMIT: Duration = Duration::from_secs(90);
/// A request that came before the guest listens is lost, so it is made again.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks, where no event comes.
const LOOK: Duration = Duration::from_secs(1);
/// A device that is gone for the guest may take a moment to give its image back.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

impl Machine {
    /// # Errors
    /// [`FailureCode::MustStop`]: this machine has no place for it. [`FailureCode::Disk`]: the image can't be opened.
    pub async fn plug_disk(&self, disk: &DiskDesc, machine: desc::Machine, file: &DiskFile) -> Result<(), Failure> {
        let node = disk_node(disk.index);
        let open = self.nodes().await?.into_iter().find(|it| it.node_name.as_ref() == Some(&node));
        let there = self.has_device(&disk_id(disk.index)).await?;
        match open {
            Some(open) if there && Path::new(&open.file) == file.path => return Ok(()),
            Some(_) => self.unplug_disk(disk.index).await?,
            None => {}
        }
        let blockdev = devices::blockdev(disk, file, false);
        self.execute(BlockdevAdd(blockdev)).await.map_err(|error| refused(FailureCode::Disk, error))?;
        let plugged = self.execute(DeviceAdd(devices::disk(disk, machine).arguments())).await;
        if let Err(error) = plugged {
            self.close(&node).await?;
            return Err(no_place(error));
        }
        Ok(())
    }

    /// # Errors
    /// [`FailureCode::MustStop`]: the guest does not let go of it.
    pub async fn unplug_disk(&self, index: u32) -> Result<(), Failure> {
        self.unplug(&disk_id(index)).await?;
        self.close(&disk_node(index)).await
    }

    /// # Errors
    /// As [`plug_disk`](Self::plug_disk); [`FailureCode::Resource`]: a forwarded port is taken.
    pub async fn plug_nic(&self, nic: &NicDesc, guest: GuestId, machine: desc::Machine) -> Result<(), Failure> {
        // Without a word of what was forwarded: what is there is taken out.
        self.unplug_nic(nic.index).await?;
        let netdev = self.execute(NetdevAdd(devices::netdev(nic, guest))).await;
        netdev.map_err(|error| refused(FailureCode::Resource, error))?;
        if let Err(error) = self.execute(DeviceAdd(devices::nic(nic, machine).arguments())).await {
            self.remove_netdev(nic.index).await?;
            return Err(no_place(error));
        }
        Ok(())
    }

    /// # Errors
    /// As [`unplug_disk`](Self::unplug_disk).
    pub async fn unplug_nic(&self, index: u32) -> Result<(), Failure> {
        self.unplug(&nic_id(index)).await?;
        self.remove_netdev(index).await
    }

    /// Puts an image into a drive, or takes out what is there, also when the guest has locked the tray.
    ///
    /// # Errors
    /// [`FailureCode::Disk`]: the image can't be opened.
    pub async fn medium(&self, index: u32, iso: Option<&Path>) -> Result<(), Failure> {
        let failed = |error| refused(FailureCode::Disk, error);
        self.execute(Eject { id: cdrom_id(index), force: true }).await.map_err(failed)?;
        let Some(iso) = iso else { return Ok(()) };
        let arguments = json!({
            "id": cdrom_id(index), "filename": iso.to_string_lossy(), "format": "raw", "read-only-mode": "read-only",
        });
        self.execute(ChangeMedium(arguments)).await.map(|_| ()).map_err(failed)
    }

    /// The open images.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub async fn nodes(&self) -> Result<Vec<Node>, Failure> {
        self.execute(QueryNodes { flat: true }).await.map_err(|error| refused(FailureCode::Qemu, error))
    }

    async fn has_device(&self, id: &str) -> Result<bool, Failure> {
        let listing = self.execute(QomList { path: "/machine/peripheral".into() }).await;
        let listing = listing.map_err(|error| refused(FailureCode::Qemu, error))?;
        Ok(listing.iter().any(|it| it.name == id))
    }

    /// Until the guest has let go of the device.
    async fn unplug(&self, id: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + UNPLUG_LIMIT;
        let mut events = self.events();
        let mut asked: Option<Instant> = None;
        while self.has_device(id).await? {
            if Instant::now() >= deadline {
                let message = format!(
                    "the guest did not let go of {id} within {UNPLUG_LIMIT:?}: try again when it has booted, or stop the server first"
                );
                return Err(Failure { code: FailureCode::MustStop, message, evidence: Vec::new() });
            }
            if asked.is_none_or(|asked| asked.elapsed() >= AGAIN) {
                asked = Some(Instant::now());
                // A repeat while the guest is at it is refused, and one after it has let go finds nothing: both are seen above.
                if let Err(error) = self.execute(DeviceDel { id: id.to_owned() }).await {
                    tracing::debug!(pid = self.process.pid, id, %error, "device_del");
                }
            }
            let deleted = async {
                loop {
                    match events.recv().await {
                        Ok(event) if event.data.get("device").is_some_and(|it| it == id) => return,
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            let _ = tokio::time::timeout(LOOK, deleted).await;
        }
        Ok(())
    }

    /// Closes an image, if it is open.
    async fn close(&self, node: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + CLOSE_LIMIT;
        loop {
            let Err(error) = self.execute(BlockdevDel { node_name: node.to_owned() }).await else { return Ok(()) };
            if !self.nodes().await?.iter().any(|it| it.node_name.as_deref() == Some(node)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(refused(FailureCode::Qemu, error));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn remove_netdev(&self, index: u32) -> Result<(), Failure> {
        match self.execute(NetdevDel { id: netdev_id(index) }).await {
            // There is none.
            Ok(_) | Err(QmpError::Refused { .. }) => Ok(()),
            Err(error) => Err(refused(FailureCode::Qemu, error)),
        }
    }
}

/// A machine that was started without the bus that a device wants.
fn no_place(error: QmpError) -> Failure {
    match &error {
        QmpError::Refused { desc, .. } if desc.contains("Bus '") => {
            let message = format!("the running guest has no place for it ({desc}): stop the server first");
            Failure { code: FailureCode::MustStop, message, evidence: Vec::new() }
        }
        _ => refused(FailureCode::Qemu, error),
    }
}

/// The failure for an error: `code` where QEMU refused.
#[must_use]
pub fn refused(code: FailureCode, error: QmpError) -> Failure {
    let (code, message) = match &error {
        QmpError::Refused { .. } => (code, error.to_string()),
        QmpError::Closed => (FailureCode::Qemu, "QEMU's control socket does not answer; a repeat may find it".into()),
        other => (FailureCode::Qemu, other.to_string()),
    };
    Failure { code, message, evidence: Vec::new() }
}
