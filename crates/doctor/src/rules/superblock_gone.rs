//! Devices on which nothing is recognised, but where another superblock of an ext file system or of xfs lies further in.

use std::path::Path;

use crate::patient::Patient;
use crate::{extfs, xfs};

/// What once was on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Was {
    Ext(extfs::Superblock),
    Xfs(xfs::Superblock),
}

/// A device without a superblock, and where its backup lies: of ext the block, of xfs the byte.
pub type Lost = (String, u64, Was);

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    Ok(lost(patient)
        .into_iter()
        .map(|(device, place, was)| match was {
            Was::Ext(found) => {
                format!(
                    "{device}: a backup at block {place} tells of ext with {} blocks of {} bytes",
                    found.blocks, found.block_size
                )
            }
            Was::Xfs(found) => {
                format!(
                    "{device}: a copy at byte {place} tells of xfs with {} blocks of {} bytes",
                    found.blocks, found.block_size
                )
            }
        })
        .collect())
}

pub fn lost(patient: &Patient) -> Vec<Lost> {
    let blank = patient.devices.leaves().filter(|device| device.is_blank());
    blank
        .filter_map(|device| {
            let name = device.path();
            let path = Path::new(&name);
            // What a smaller file system has left behind further in is no backup of this device's.
            let fits = |blocks: u64, size: u64| blocks.checked_mul(size).is_some_and(|bytes| bytes <= device.size);
            // Whatever blkid says: where a superblock is, a copy of another one further in is of what was there before.
            if extfs::primary(path).ok()?.is_some() || xfs::has_primary(path).ok()? {
                return None;
            }
            if let Some((block, found)) = extfs::backup(path).ok()?
                && fits(found.blocks, found.block_size)
            {
                return Some((name, block, Was::Ext(found)));
            }
            let (place, found) = xfs::second(path, device.size).ok()??;
            fits(found.blocks, found.block_size).then_some((name, place, Was::Xfs(found)))
        })
        .collect()
}
