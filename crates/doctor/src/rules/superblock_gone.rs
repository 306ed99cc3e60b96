//! Devices on which nothing is recognised, but where an ext file system's backup superblock lies.

use std::path::Path;

use crate::extfs::{self, Superblock};
use crate::patient::Patient;

/// A device without a superblock, the block of its backup, and what that says.
pub type Lost = (String, u64, Superblock);

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    Ok(lost(patient)
        .into_iter()
        .map(|(device, block, found)| {
            format!(
                "{device}: a backup at block {block} tells of {} blocks of {} bytes",
                found.blocks, found.block_size
            )
        })
        .collect())
}

pub fn lost(patient: &Patient) -> Vec<Lost> {
    let blank = patient.devices.leaves().filter(|device| device.filesystem.is_empty());
    blank
        .filter_map(|device| {
            let path = device.path();
            let gone = extfs::primary(Path::new(&path)).ok()?.is_none();
            let (block, found) = extfs::backup(Path::new(&path)).ok()??;
            // What a smaller file system has left behind further in is no backup of this device's.
            (gone && found.blocks.checked_mul(found.block_size)? <= device.size).then_some((path, block, found))
        })
        .collect()
}
