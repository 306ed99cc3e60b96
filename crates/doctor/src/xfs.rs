//! Superblocks of xfs, read from the device itself (XFS Algorithms & Data Structures, "Superblocks", "AG Free Space Management").

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The parts of a superblock that matter here. Each allocation group begins with a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Bytes.
    pub block_size: u64,
    pub blocks: u64,
    /// Blocks of an allocation group.
    pub group_blocks: u64,
}

const SUPERBLOCK: &[u8; 4] = b"XFSB";
const FREE_SPACE: &[u8; 4] = b"XAGF";

/// The second group's superblock, and the byte where it lies. Where that is, the first group's own header tells, one sector behind
/// the superblock; else the place is where mkfs.xfs puts it by default: four groups up to 4 TiB, groups of 1 TiB above.
///
/// # Errors
/// When the device can't be read.
pub fn second(device: &Path, size: u64) -> io::Result<Option<(u64, Superblock)>> {
    let file = File::open(device)?;
    let mut places = Vec::new();
    for sector in [512, 4096] {
        let mut header = [0; 16];
        if read(&file, &mut header, sector)? && header[..4] == *FREE_SPACE {
            let blocks = u64::from(u32_at(&header, 12));
            places.extend([4096, 1024, 2048, 512, 65536].map(|block_size| blocks * block_size));
        }
    }
    for block_size in [4096, 1024, 2048, 512, 65536] {
        places.push((size / block_size).div_ceil(4) * block_size);
    }
    places.push(1 << 40);
    for place in places {
        if let Some(found) = at(&file, place)?.filter(|found| found.group_blocks * found.block_size == place) {
            return Ok(Some((place, found)));
        }
    }
    Ok(None)
}

/// Whether the primary superblock is there.
///
/// # Errors
/// When the device can't be read.
pub fn has_primary(device: &Path) -> io::Result<bool> {
    Ok(at(&File::open(device)?, 0)?.is_some())
}

fn at(file: &File, offset: u64) -> io::Result<Option<Superblock>> {
    let mut bytes = [0; 92];
    if !read(file, &mut bytes, offset)? || bytes[..4] != *SUPERBLOCK {
        return Ok(None);
    }
    let blocks = u64::from(u32_at(&bytes, 8)) << 32 | u64::from(u32_at(&bytes, 12));
    let found =
        Superblock { block_size: u64::from(u32_at(&bytes, 4)), blocks, group_blocks: u64::from(u32_at(&bytes, 84)) };
    Ok((found.block_size.is_power_of_two() && (512..=65536).contains(&found.block_size) && blocks > 0).then_some(found))
}

fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 300 << 20;

    /// Two superblocks and the first group's header, as mkfs.xfs lays them out with groups of that many blocks.
    fn image(group_blocks: u32) -> tempfile::NamedTempFile {
        let image = tempfile::NamedTempFile::new().unwrap();
        let file = image.as_file();
        file.set_len(SIZE).unwrap();
        let mut sb = [0; 92];
        sb[..4].copy_from_slice(SUPERBLOCK);
        sb[4..8].copy_from_slice(&4096_u32.to_be_bytes());
        sb[8..16].copy_from_slice(&(SIZE / 4096).to_be_bytes());
        sb[84..88].copy_from_slice(&group_blocks.to_be_bytes());
        let mut header = [0; 16];
        header[..4].copy_from_slice(FREE_SPACE);
        header[12..16].copy_from_slice(&group_blocks.to_be_bytes());
        for (bytes, place) in [(&sb[..], 0), (&header[..], 512), (&sb[..], u64::from(group_blocks) * 4096)] {
            file.write_all_at(bytes, place).unwrap();
        }
        image
    }

    #[test]
    fn the_second_one_is_found_by_the_first_groups_header() {
        let image = image(9999);
        assert!(has_primary(image.path()).unwrap());
        image.as_file().write_all_at(&[0; 512], 0).unwrap();
        assert!(!has_primary(image.path()).unwrap());
        let (place, found) = second(image.path(), SIZE).unwrap().unwrap();
        assert_eq!((place, found.blocks * found.block_size), (9999 * 4096, SIZE));
    }

    #[test]
    fn and_where_mkfs_puts_it_when_all_before_is_gone() {
        let image = image(19200);
        image.as_file().write_all_at(&[0; 1 << 20], 0).unwrap();
        assert_eq!(second(image.path(), SIZE).unwrap().unwrap().0, 19200 * 4096);
        image.as_file().write_all_at(&[0; 4096], 19200 * 4096).unwrap();
        assert_eq!(second(image.path(), SIZE).unwrap(), None);
    }
}
