//! Superblocks of ext2, ext3 and ext4, read from the device itself (kernel: Documentation/filesystems/ext4/super.rst).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The parts of a superblock that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Bytes.
    pub block_size: u64,
    pub blocks: u64,
    /// The number of the block group it lies in: 0 for the first, the primary one.
    pub group: u16,
    /// The kernel or a check has noted errors.
    pub errors: bool,
    /// The journal holds changes that are not in place yet.
    pub needs_recovery: bool,
}

const SIZE: usize = 1024;
const MAGIC: [u8; 2] = [0x53, 0xef];

/// The primary superblock, at byte 1024.
///
/// # Errors
/// When the device can't be read.
pub fn primary(device: &Path) -> io::Result<Option<Superblock>> {
    at(&File::open(device)?, 1024)
}

/// The first backup that makes sense, and the number of its block, as `e2fsck -b` wants it. Backups lie at the beginning of block
/// group 1, whose blocks are eight times the block size in number.
///
/// # Errors
/// When the device can't be read.
pub fn backup(device: &Path) -> io::Result<Option<(u64, Superblock)>> {
    let file = File::open(device)?;
    for block_size in [4096, 1024, 2048, 16384, 65536] {
        // With blocks of 1 KiB the first block is a boot sector's, and all groups begin one later.
        let block = block_size * 8 + u64::from(block_size == 1024);
        let found = at(&file, block * block_size)?;
        if let Some(found) = found.filter(|sb| sb.group == 1 && sb.block_size == block_size) {
            return Ok(Some((block, found)));
        }
    }
    Ok(None)
}

fn at(file: &File, offset: u64) -> io::Result<Option<Superblock>> {
    let mut bytes = [0; SIZE];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(bytes: &[u8; SIZE]) -> Option<Superblock> {
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes[0x38..0x3a] != MAGIC {
        return None;
    }
    let log = u32_at(0x18);
    let blocks = u64::from(u32_at(0x4)) | u64::from(u32_at(0x150)) << 32;
    (log <= 6 && blocks > 0).then(|| Superblock {
        block_size: 1024 << log,
        blocks,
        group: u16_at(0x5a),
        errors: u16_at(0x3a) & 2 != 0,
        needs_recovery: u32_at(0x60) & 4 != 0,
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::tools;
    use std::time::Duration;

    /// An image with a file system of this size, or None where there is no mke2fs (then the test that wants one says so).
    pub fn image(folder: &Path, mebibytes: u64, block_size: u32) -> std::path::PathBuf {
        let path = folder.join("part.img");
        File::create(&path).unwrap().set_len(mebibytes << 20).unwrap();
        let size = block_size.to_string();
        let args = ["-q", "-F", "-t", "ext4", "-b", &size, path.to_str().unwrap()];
        let made = tools::run("mke2fs", &args, Duration::from_secs(60)).unwrap();
        assert!(made.success(), "{}", made.text);
        path
    }

    #[test]
    fn the_primary_and_its_backup_are_found() {
        for (mebibytes, block_size, block) in [(160, 4096, 32768), (16, 1024, 8193)] {
            let folder = tempfile::tempdir().unwrap();
            let path = image(folder.path(), mebibytes, block_size);
            let first = primary(&path).unwrap().unwrap();
            assert_eq!((first.group, first.errors, first.needs_recovery), (0, false, false));
            assert_eq!(first.blocks * first.block_size, mebibytes << 20);
            let file = File::options().write(true).open(&path).unwrap();
            file.write_all_at(&[0; 1024], 1024).unwrap();
            assert_eq!(primary(&path).unwrap(), None);
            let (number, second) = backup(&path).unwrap().unwrap();
            assert_eq!((number, second.blocks), (block, first.blocks));
        }
    }

    #[test]
    fn an_empty_device_has_neither() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!((primary(file.path()).unwrap(), backup(file.path()).unwrap()), (None, None));
    }
}
