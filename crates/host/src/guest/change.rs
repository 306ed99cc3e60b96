//! Making a guest be as a desc says. While it runs, the desc on disk follows step by step, so that it is true wherever the agent is killed,
//! and a repeat goes on from there.

use types::desc::{Desc, DiskDesc};
use types::operation::{Failure, FailureCode, Outcome};

use super::actor::{Cx, Guest};
use super::desc::Stored;
use super::failure;
use super::plan::{Plan, plan};
use super::recover;
use super::state::Runs;
use crate::qemu::cmdline::DiskFile;

impl Guest {
    pub(super) async fn change(&mut self, wanted: &Desc, cx: &Cx) -> Result<Outcome, Failure> {
        let Some(current) = self.stored.as_ref().map(|stored| stored.desc.clone()) else {
            return Err(failure(FailureCode::UnknownGuest, "there is no such guest on this host"));
        };
        let plan = plan(&current, wanted).map_err(|problem| failure(FailureCode::WrongState, problem))?;
        let runs = self.runs() != Runs::Nothing;
        self.finish_revert(cx).await?;
        if let Some(why) = plan.must_stop.as_ref().filter(|_| runs) {
            return Err(failure(FailureCode::MustStop, format!("{why}: stop the server first")));
        }
        self.admit(wanted, &plan.add_disks).await?;
        let fresh: Vec<_> = plan.add_disks.iter().filter(|disk| !self.has_image(disk)).collect();
        let changed =
            if runs { self.change_live(current, wanted, &plan, cx).await } else { self.images(&plan, cx).await };
        if let Err(failure) = changed {
            // What was made for nothing; what had content before is kept.
            let described =
                self.stored.iter().flat_map(|stored| &stored.desc.disks).map(|disk| disk.id).collect::<Vec<_>>();
            for disk in fresh.into_iter().filter(|disk| !described.contains(&disk.id)) {
                let _ = std::fs::remove_file(self.paths.disk(disk));
            }
            return Err(failure);
        }
        for disk in &plan.grow {
            self.grow(disk, disk.size_mib).await?;
        }
        self.write_desc(wanted.clone())?;
        self.put_aside().await?;
        let desc_sha256 = self.stored.as_ref().map(Stored::sha256).unwrap_or_default();
        Ok(Outcome::Changed { desc_sha256, live_pending: if runs { plan.pending } else { Vec::new() } })
    }

    async fn change_live(&mut self, mut now: Desc, wanted: &Desc, plan: &Plan, cx: &Cx) -> Result<(), Failure> {
        for nic in &plan.drop_nics {
            cx.progress.say(format!("waiting for the guest to let go of NIC {}", nic.index));
            cx.unless_overtaken(self.machine()?.unplug_nic(nic.index)).await??;
            self.env.network.down(self.id, nic);
            now.nics.retain(|it| it != nic);
            self.write_desc(now.clone())?;
        }
        for disk in &plan.drop_disks {
            cx.progress.say(format!("waiting for the guest to let go of disk {}", disk.index));
            cx.unless_overtaken(self.machine()?.unplug_disk(disk.index)).await??;
            now.disks.retain(|it| it.id != disk.id);
            self.write_desc(now.clone())?;
            self.put_aside().await?;
        }
        for disk in &plan.add_disks {
            cx.progress.say(format!("making disk {}", disk.index));
            self.bring_image(disk, cx).await?;
            let file = DiskFile { path: self.paths.disk(disk), overlay: None };
            self.take_disk(disk)?;
            self.give_qemu(&file.path)?;
            self.machine()?.plug_disk(disk, wanted.machine, &file).await?;
            now.disks.push(disk.clone());
            self.write_desc(now.clone())?;
        }
        for nic in &plan.add_nics {
            cx.progress.say(format!("plugging in NIC {}", nic.index));
            self.qemu_taps(std::slice::from_ref(nic))?;
            self.env.network.up(self.id, nic)?;
            self.machine()?.plug_nic(nic, self.id, wanted.machine).await?;
            now.nics.push(nic.clone());
            self.write_desc(now.clone())?;
        }
        for drive in &plan.media {
            let iso = drive.iso.as_deref().map(|name| self.env.storage.image(name)).transpose()?;
            iso.iter().try_for_each(|iso| self.qemu_reads(iso))?;
            self.machine()?.medium(drive.index, iso.as_deref()).await?;
        }
        Ok(())
    }

    async fn images(&self, plan: &Plan, cx: &Cx) -> Result<(), Failure> {
        for disk in &plan.add_disks {
            cx.progress.say(format!("making disk {}", disk.index));
            self.bring_image(disk, cx).await?;
        }
        Ok(())
    }

    /// Whether there is one, here or detached.
    fn has_image(&self, disk: &DiskDesc) -> bool {
        let path = self.paths.disk(disk);
        path.exists() || path.file_name().is_some_and(|name| self.env.storage.detached.join(name).exists())
    }

    /// The disk's image, in the guest's own folder: the one that is there, a detached one, a new one.
    async fn bring_image(&self, disk: &DiskDesc, cx: &Cx) -> Result<(), Failure> {
        let path = self.paths.disk(disk);
        self.env.storage.take_detached(disk.id, &path).await?;
        let fresh = !path.exists();
        cx.unless_overtaken(self.env.storage.create(disk, &path, |text| cx.progress.say(text))).await??;
        if !fresh && disk.size_mib != 0 {
            let has = self.env.storage.info(&path, true).await?.virtual_size;
            if disk.size_mib << 20 > has {
                self.env.storage.resize(&path, disk.format, disk.size_mib).await?;
            }
        }
        Ok(())
    }

    pub(super) fn write_desc(&mut self, desc: Desc) -> Result<(), Failure> {
        let next = Stored::new(desc);
        recover::keep(&self.paths, &next)?;
        self.stored = Some(next);
        Ok(())
    }
}
