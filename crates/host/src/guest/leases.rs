//! The leases on a guest's disks ([`crate::lease`]): taken before anything reads or writes an image, renewed while QEMU runs, given back
//! when nothing of the guest runs any more.

use types::desc::DiskDesc;
use types::operation::{Failure, FailureCode};

use super::actor::Guest;
use super::failure;
use super::state::Runs;
use crate::lease::{self, LeaseError};

impl Guest {
    /// # Errors
    /// [`FailureCode::Disk`] says who has one of them.
    pub(super) fn take_disks(&self) -> Result<(), Failure> {
        self.disks().try_for_each(|disk| self.take_disk(disk))
    }

    /// # Errors
    /// As [`take_disks`](Self::take_disks).
    pub(super) fn take_disk(&self, disk: &DiskDesc) -> Result<(), Failure> {
        let path = self.paths.disk(disk);
        if !path.exists() {
            return Ok(());
        }
        lease::take(&path, &self.env.holder, self.id).map_err(|error| held(disk, &error))
    }

    /// Whether they could be taken. Changes nothing.
    pub(super) fn look_at_leases(&self) -> Result<(), Failure> {
        self.disks().try_for_each(|disk| {
            lease::look(&self.paths.disk(disk), &self.env.holder, self.id).map(drop).map_err(|error| held(disk, &error))
        })
    }

    /// Shows that they are still in use.
    pub(super) fn renew_leases(&self) {
        if self.runs() == Runs::Nothing {
            return;
        }
        for disk in self.disks() {
            if let Err(failure) = self.take_disk(disk) {
                metrics::counter!("host_leases_lost_total").increment(1);
                tracing::error!(guest = %self.id, error = %failure, "a disk of a running guest is no more ours alone");
            }
        }
    }

    /// Gives them back, unless something runs.
    pub(super) fn release_disks(&self) {
        if self.runs() == Runs::Nothing {
            self.disks().for_each(|disk| lease::release(&self.paths.disk(disk), &self.env.holder, self.id));
        }
    }

    fn disks(&self) -> impl Iterator<Item = &DiskDesc> {
        self.stored.iter().flat_map(|stored| &stored.desc.disks)
    }
}

fn held(disk: &DiskDesc, error: &LeaseError) -> Failure {
    failure(FailureCode::Disk, format!("disk {} is in use elsewhere: {error}", disk.index))
}
