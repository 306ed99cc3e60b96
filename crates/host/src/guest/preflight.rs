//! Everything that can be known before a rescue touches the guest. Changes nothing.

use artifact::Wanted;
use types::desc::Firmware;
use types::operation::{Failure, FailureCode, Outcome};
use types::status::{DiskMode, RescueNetwork};

use super::actor::Guest;
use super::failure;
use super::state::Runs;
use crate::qemu::cmdline::needs_overlay;
use crate::system;

impl Guest {
    pub(super) async fn preflight(
        &mut self,
        image: &Wanted,
        disk_mode: DiskMode,
        qemu_version: Option<&str>,
        network: RescueNetwork,
    ) -> Result<Outcome, Failure> {
        let Some(stored) = &self.stored else {
            return Err(failure(FailureCode::UnknownGuest, "there is no such guest on this host"));
        };
        let desc = &stored.desc;
        let version = self.qemu(desc, qemu_version)?.version.clone();
        if desc.memory_mib < image.min_memory_mib {
            let message = format!(
                "the rescue image {} needs {} MiB of memory, the guest has {}",
                image.name, image.min_memory_mib, desc.memory_mib
            );
            return Err(failure(FailureCode::Resource, message));
        }
        // Of what is passed through nobody knows where it leads.
        if network == RescueNetwork::None && desc.has_host_devices() {
            let message = "network none can't be kept: devices of the host are passed through to the guest, which may lead anywhere";
            return Err(failure(FailureCode::WrongState, message));
        }
        let runs = self.runs() != Runs::Nothing;
        self.look_at_leases()?;
        for disk in &desc.disks {
            let path = self.paths.disk(disk);
            if !path.is_file() {
                let message = format!("disk {} is missing: {}", disk.index, path.display());
                return Err(failure(FailureCode::Disk, message));
            }
            // While the guest runs, its disks are in use by itself.
            let info = self.env.storage.info(&path, runs).await?;
            if info.format != disk.format.as_str() && disk.format != types::desc::DiskFormat::Raw {
                let message = format!("disk {} is {}, the desc says {}", disk.index, info.format, disk.format);
                return Err(failure(FailureCode::Disk, message));
            }
        }
        if desc.firmware == Firmware::Uefi && self.env.uefi().is_none() {
            return Err(failure(
                FailureCode::Resource,
                "UEFI firmware is not installed here: install ovmf, or set [uefi]",
            ));
        }
        let reserved = self.env.config.limits.reserved_memory_mib;
        // What the guest has, it gives back when it is stopped.
        let needs = if runs { reserved } else { u64::from(desc.memory_mib) + reserved };
        let has = system::memory_available_mib();
        if has < needs {
            let message =
                format!("the rescue system and the host's reserve need {needs} MiB of memory, {has} are available");
            return Err(failure(FailureCode::Resource, message));
        }
        let overlays = match disk_mode {
            DiskMode::Rw => false,
            DiskMode::Ro => desc.disks.iter().any(|disk| needs_overlay(disk.driver)),
            DiskMode::Overlay => true,
        };
        let reserved = self.env.config.limits.reserved_disk_mib;
        enough_space(&self.paths.folder, if overlays { 2 * reserved } else { reserved })?;
        let files = (image.kernel.size + image.initramfs.size).div_ceil(1 << 20);
        enough_space(&self.env.config.store_dir, files + reserved)?;
        Ok(Outcome::Preflighted {
            qemu_version: version,
            accelerator: self.env.accelerator.as_str().to_owned(),
            notices: self.rescue_notices(desc),
            network: Some(network),
        })
    }
}

fn enough_space(folder: &std::path::Path, needs: u64) -> Result<(), Failure> {
    let has = system::disk_free_mib(folder);
    if has >= needs {
        return Ok(());
    }
    Err(failure(
        FailureCode::Resource,
        format!("{} MiB of space are needed in {}, {has} are free", needs, folder.display()),
    ))
}
