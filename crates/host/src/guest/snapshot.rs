//! Snapshots of all disks of a guest at one moment, within their qcow2 images, named by the snapshot's id.
//!
//! Made while the guest runs, by one transaction of QEMU's, else by `qemu-img` one after another: what a crash left half made is made
//! anew. Going back is forward only: once the file [`REVERTING`] is there, all disks go back before anything else is done with them.

use std::path::PathBuf;

use qmp::command::{SnapshotDelete, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::json;
use types::desc::{Desc, DiskFormat};
use types::id::SnapshotId;
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::{Cx, Guest};
use super::paths::gone;
use super::{broken, failure};
use crate::qemu::devices::disk_node;
use crate::qemu::hotplug::refused;

/// In the guest's folder.
const REVERTING: &str = "reverting.json";

#[derive(Debug, Serialize, Deserialize)]
struct Reverting {
    snapshot: SnapshotId,
}

impl Guest {
    pub(super) async fn create_snapshot(&mut self, snapshot: SnapshotId, cx: &Cx) -> Result<Outcome, Failure> {
        let desc = self.own_desc()?;
        if let Some(disk) = desc.disks.iter().find(|disk| disk.format != DiskFormat::Qcow2) {
            let message = format!("disk {} is {}: only qcow2 can have snapshots", disk.index, disk.format);
            return Err(failure(FailureCode::Disk, message));
        }
        self.finish_revert(cx).await?;
        let having = self.having(&desc, snapshot).await?;
        if having.iter().all(|has| *has) {
            return Ok(Outcome::SnapshotDone);
        }
        self.forget(&desc, &having, snapshot).await?;
        cx.progress.say("making snapshots");
        if self.live().is_some() {
            let action = |index| {
                json!({ "type": "blockdev-snapshot-internal-sync",
                        "data": { "device": disk_node(index), "name": snapshot.to_string() } })
            };
            let actions: Vec<_> = desc.disks.iter().map(|disk| action(disk.index)).collect();
            let made = self.machine()?.execute(Transaction(json!({ "actions": actions }))).await;
            made.map_err(|error| refused(FailureCode::Disk, error))?;
            return Ok(Outcome::SnapshotDone);
        }
        let mut made = vec![false; desc.disks.len()];
        for (disk, made_now) in desc.disks.iter().zip(0..) {
            let result = self.env.storage.snapshot("-c", snapshot, &self.paths.disk(disk)).await;
            if let Err(failure) = result {
                self.forget(&desc, &made, snapshot).await?;
                return Err(failure);
            }
            made[made_now] = true;
        }
        Ok(Outcome::SnapshotDone)
    }

    pub(super) async fn revert_snapshot(&mut self, snapshot: SnapshotId, cx: &Cx) -> Result<Outcome, Failure> {
        let desc = self.own_desc()?;
        self.finish_revert(cx).await?;
        let having = self.having(&desc, snapshot).await?;
        if let Some((disk, _)) = desc.disks.iter().zip(having).find(|(_, has)| !has) {
            let message =
                format!("disk {} is not in snapshot {snapshot}: detach it first, or choose another", disk.index);
            return Err(failure(FailureCode::Disk, message));
        }
        let json = serde_json::to_vec(&Reverting { snapshot }).expect("plain data");
        let marker = self.reverting();
        service::files::write_atomic(&marker, &json, 0o600).map_err(broken(marker.display()))?;
        self.finish_revert(cx).await?;
        Ok(Outcome::SnapshotDone)
    }

    pub(super) async fn delete_snapshot(&mut self, snapshot: SnapshotId, cx: &Cx) -> Result<Outcome, Failure> {
        let desc = self.own_desc()?;
        self.finish_revert(cx).await?;
        let having = self.having(&desc, snapshot).await?;
        self.forget(&desc, &having, snapshot).await?;
        Ok(Outcome::SnapshotDone)
    }

    /// Carries a return to a snapshot to its end, if one was begun. Never while the guest runs: it is begun and ended while it is off.
    pub(super) async fn finish_revert(&self, cx: &Cx) -> Result<(), Failure> {
        let marker = self.reverting();
        let bytes = match std::fs::read(&marker) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(broken(marker.display())(error)),
        };
        let damaged = |error| failure(FailureCode::Internal, format!("{}: {error}", marker.display()));
        let Reverting { snapshot } = serde_json::from_slice(&bytes).map_err(damaged)?;
        for disk in &self.own_desc()?.disks {
            cx.progress.say(format!("putting disk {} back", disk.index));
            let path = self.paths.disk(disk);
            self.env.storage.snapshot("-a", snapshot, &path).await?;
            // The desc says how large it is.
            if disk.size_mib << 20 > self.env.storage.info(&path, false).await?.virtual_size {
                self.env.storage.resize(&path, disk.format, disk.size_mib).await?;
            }
        }
        gone(std::fs::remove_file(&marker)).map_err(broken(marker.display()))
    }

    fn reverting(&self) -> PathBuf {
        self.paths.folder.join(REVERTING)
    }

    fn own_desc(&self) -> Result<Desc, Failure> {
        let desc = self.stored.as_ref().map(|stored| stored.desc.clone());
        desc.ok_or_else(|| failure(FailureCode::UnknownGuest, "there is no such guest on this host"))
    }

    /// Which disks have the snapshot.
    async fn having(&self, desc: &Desc, snapshot: SnapshotId) -> Result<Vec<bool>, Failure> {
        let name = snapshot.to_string();
        if self.live().is_some() {
            let nodes = self.machine()?.nodes().await?;
            let has = |index| {
                let node = nodes.iter().find(|it| it.node_name == Some(disk_node(index)));
                node.is_some_and(|node| node.image.snapshots.iter().any(|it| it.name == name))
            };
            return Ok(desc.disks.iter().map(|disk| has(disk.index)).collect());
        }
        let mut having = Vec::new();
        for disk in &desc.disks {
            let info = self.env.storage.info(&self.paths.disk(disk), false).await?;
            having.push(info.snapshots.iter().any(|it| it.name == name));
        }
        Ok(having)
    }

    /// Takes the snapshot out of the disks that have it.
    async fn forget(&self, desc: &Desc, having: &[bool], snapshot: SnapshotId) -> Result<(), Failure> {
        for (disk, _) in desc.disks.iter().zip(having).filter(|(_, has)| **has) {
            if self.live().is_some() {
                let delete = SnapshotDelete { device: disk_node(disk.index), name: snapshot.to_string() };
                self.machine()?.execute(delete).await.map_err(|error| refused(FailureCode::Disk, error))?;
            } else {
                self.env.storage.snapshot("-d", snapshot, &self.paths.disk(disk)).await?;
            }
        }
        Ok(())
    }
}
