//! Making a guest, and removing it. The desc comes last and goes first: a guest without one does not exist.

use types::desc::{Desc, DiskDesc};
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::{Cx, Guest};
use super::desc::Stored;
use super::paths::{gone, private_folder, servers};
use super::recover;
use super::{broken, failure};
use crate::base_image::Source;
use crate::system;

impl Guest {
    /// Repeating it with the same desc changes nothing; with another, it is refused.
    pub(super) async fn create(&mut self, desc: &Desc, cx: &Cx) -> Result<Outcome, Failure> {
        let wanted = Stored::new(desc.clone());
        if let Some(stored) = &self.stored {
            let existing = stored.desc == wanted.desc;
            let message = "a guest of this id exists already and is described otherwise";
            return if existing { Ok(created(stored)) } else { Err(failure(FailureCode::WrongState, message)) };
        }
        self.admit(desc, &desc.disks).await?;
        private_folder(&servers(&self.env.config.workspace)).map_err(broken("the folder of guests"))?;
        self.paths.make().map_err(broken("the guest's folder"))?;
        private_folder(&self.paths.disks()).map_err(broken("the folder of disks"))?;
        for disk in &desc.disks {
            cx.progress.say(format!("making disk {} of {}", disk.index + 1, desc.disks.len()));
            let path = self.paths.disk(disk);
            let made = cx
                .unless_overtaken(self.env.storage.create(disk, &path, |text| cx.progress.say(text)))
                .await
                .and_then(|made| made);
            if let Err(failure) = made {
                // Whatever was made has no owner. What can't be removed now is removed by a delete.
                let _ = std::fs::remove_dir_all(&self.paths.folder);
                return Err(failure);
            }
        }
        recover::keep(&self.paths, &wanted)?;
        let outcome = created(&wanted);
        self.stored = Some(wanted);
        Ok(outcome)
    }

    /// Refuses what this host can't run, before anything is made. `disks`: those that are new.
    pub(super) async fn admit(&self, desc: &Desc, disks: &[DiskDesc]) -> Result<(), Failure> {
        if desc.firmware == types::desc::Firmware::Uefi && self.env.uefi().is_none() {
            let message = "UEFI firmware is not installed here: install ovmf, or set [uefi]";
            return Err(failure(FailureCode::Resource, message));
        }
        let limit = self.env.config.limits.guests;
        let others = std::fs::read_dir(servers(&self.env.config.workspace)).map_or(0, Iterator::count);
        if others >= limit && !self.paths.folder.exists() {
            return Err(failure(FailureCode::Resource, format!("this host has {others} guests, and may have {limit}")));
        }
        let total = system::memory_mib().saturating_sub(self.env.config.limits.reserved_memory_mib);
        if u64::from(desc.memory_mib) > total {
            let message = format!("the guest wants {} MiB of memory, this host has {total} to give", desc.memory_mib);
            return Err(failure(FailureCode::Resource, message));
        }
        self.qemu(desc, None)?;
        self.env.network.allowed(desc)?;
        for name in desc.cdroms.iter().filter_map(|drive| drive.iso.as_deref()) {
            self.env.storage.image(name)?;
        }
        // Copies of images take their space at once; empty disks do not.
        let mut bytes = 0;
        for name in disks.iter().filter_map(|disk| disk.image.as_deref()) {
            // How large one from elsewhere is, its server says when it is fetched.
            let Ok(Source::Named(name)) = name.parse() else { continue };
            let image = self.env.storage.image(&name)?;
            bytes += std::fs::metadata(&image).map_err(broken(image.display()))?.len();
        }
        let needs = (bytes >> 20) + self.env.config.limits.reserved_disk_mib;
        let has = system::disk_free_mib(&self.env.config.workspace);
        if has < needs {
            let message = format!("the guest's disks need {needs} MiB of space, {has} are free");
            return Err(failure(FailureCode::Resource, message));
        }
        Ok(())
    }

    /// Stops it at once and removes all of it.
    pub(super) async fn delete(&mut self, cx: &Cx) -> Result<Outcome, Failure> {
        cx.progress.say("ending QEMU and removing the guest's files");
        self.end_now().await?;
        self.clear_end();
        if self.running.is_some() {
            return Err(failure(FailureCode::Stop, "QEMU is still running"));
        }
        // A change that was interrupted may have left a disk here that is the guest's no more.
        self.put_aside().await?;
        // First the desc: a crash from here on leaves files, but no guest.
        gone(std::fs::remove_file(self.paths.desc())).map_err(broken("the desc"))?;
        self.stored = None;
        gone(std::fs::remove_dir_all(&self.paths.folder)).map_err(broken("the guest's folder"))?;
        if let Ok(folder) = std::fs::File::open(servers(&self.env.config.workspace)) {
            folder.sync_all().map_err(broken("the folder of guests"))?;
        }
        Ok(Outcome::Deleted)
    }
}

fn created(stored: &Stored) -> Outcome {
    Outcome::Created { desc_sha256: stored.sha256() }
}
