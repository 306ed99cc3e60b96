//! Disks that grow, are put aside, or are deleted.

use qmp::command::BlockResize;
use types::desc::DiskDesc;
use types::id::DiskId;
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::{Cx, Guest};
use super::desc::Stored;
use super::paths::servers;
use super::{broken, failure};
use crate::lease;
use crate::qemu::devices::disk_node;
use crate::qemu::hotplug::refused;
use crate::system;

impl Guest {
    pub(super) async fn resize_disk(&mut self, id: DiskId, size_mib: u64, cx: &Cx) -> Result<Outcome, Failure> {
        self.finish_revert(cx).await?;
        let Some(mut desc) = self.stored.as_ref().map(|stored| stored.desc.clone()) else {
            return Err(failure(FailureCode::UnknownGuest, "there is no such guest on this host"));
        };
        let Some(disk) = desc.disks.iter_mut().find(|disk| disk.id == id) else {
            return Err(failure(FailureCode::Disk, format!("the guest has no disk {id}")));
        };
        self.grow(disk, size_mib).await?;
        disk.size_mib = size_mib;
        self.write_desc(desc)?;
        Ok(Outcome::Resized { desc_sha256: self.stored.as_ref().map(Stored::sha256).unwrap_or_default(), size_mib })
    }

    /// The image alone; to the size that it has already, it changes nothing.
    pub(super) async fn grow(&self, disk: &DiskDesc, size_mib: u64) -> Result<(), Failure> {
        let path = self.paths.disk(disk);
        let has = self.env.storage.info(&path, true).await?.virtual_size.div_ceil(1 << 20);
        if size_mib < has {
            let message = format!("disk {} has {has} MiB: a disk can't be made smaller", disk.index);
            return Err(failure(FailureCode::Disk, message));
        }
        if size_mib > MOST_MIB {
            return Err(failure(FailureCode::Disk, format!("{size_mib} MiB are too many: {MOST_MIB} are the most")));
        }
        // The guest may fill it at once.
        let (needs, free) =
            (size_mib - has + self.env.config.limits.reserved_disk_mib, system::disk_free_mib(&self.paths.folder));
        if free < needs {
            let message =
                format!("a disk of {size_mib} MiB and the host's reserve need {needs} MiB more, {free} are free");
            return Err(failure(FailureCode::Resource, message));
        }
        match self.live() {
            Some(machine) => {
                let resize = BlockResize { node_name: disk_node(disk.index), size: size_mib << 20 };
                let resized = machine.execute(resize).await;
                resized.map(|_| ()).map_err(|error| refused(FailureCode::Disk, error))
            }
            None => self.env.storage.resize(&path, disk.format, size_mib).await,
        }
    }

    /// Images in the guest's folder that its desc does not name go to where detached disks are.
    pub(super) async fn put_aside(&self) -> Result<(), Failure> {
        let Some(stored) = &self.stored else { return Ok(()) };
        for entry in std::fs::read_dir(self.paths.disks()).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(id) = image_id(&path) else { continue };
            if !stored.desc.disks.iter().any(|disk| self.paths.disk(disk) == path) {
                tracing::info!(guest = %self.id, disk = %id, "a disk is detached; its image is kept");
                self.env.storage.put_detached(&path).await?;
                lease::release(&path, &self.env.holder, self.id);
            }
        }
        Ok(())
    }

    /// Also where the guest does not exist any more.
    pub(super) async fn delete_disk(&self, id: DiskId) -> Result<Outcome, Failure> {
        let _still = self.env.storage.moving().await;
        for folder in std::fs::read_dir(servers(&self.env.config.workspace)).into_iter().flatten().flatten() {
            if let Some(guest) = holder(&folder.path(), id)? {
                let message = format!("disk {id} belongs to guest {guest}: detach it first");
                return Err(failure(FailureCode::WrongState, message));
            }
            // Left by a change that was interrupted.
            remove_images(&folder.path().join("disks"), id)?;
        }
        remove_images(&self.env.storage.detached, id)?;
        Ok(Outcome::DiskDeleted)
    }
}

/// MiB; an exabyte less one is what qcow2 can do, a pebibyte is what anybody wants.
const MOST_MIB: u64 = 1 << 30;

/// The guest in this folder, if it has the disk, now or when its rescue ends. A desc that can't be read may name any disk.
fn holder(folder: &std::path::Path, id: DiskId) -> Result<Option<String>, Failure> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name != "desc" && !name.starts_with("source-desc.") {
            continue;
        }
        if let Some(stored) = Stored::read(&entry.path())?
            && stored.desc.disks.iter().any(|disk| disk.id == id)
        {
            return Ok(Some(stored.desc.id.to_string()));
        }
    }
    Ok(None)
}

fn remove_images(folder: &std::path::Path, id: DiskId) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if image_id(&entry.path()) == Some(id) {
            super::paths::gone(std::fs::remove_file(entry.path())).map_err(broken(entry.path().display()))?;
        }
    }
    Ok(())
}

/// `<id>.qcow2`, `<id>.raw`.
fn image_id(path: &std::path::Path) -> Option<DiskId> {
    let known = path.extension().is_some_and(|it| it == "qcow2" || it == "raw");
    path.file_stem().filter(|_| known)?.to_str()?.parse().ok()
}
