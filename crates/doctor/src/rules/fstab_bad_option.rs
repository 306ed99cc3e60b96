//! Options in /etc/fstab that mount(8) or the kernel refuses. Judged only for file systems whose options are all known here.

use crate::fstab::Line;
use crate::patient::Patient;

/// mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS", and what belongs to mount and systemd themselves.
const GENERAL: &str = "async atime auto context dev diratime dirsync defaults defcontext exec fscontext group iversion lazytime loop \
    mand _netdev noatime noauto nodev nodiratime noexec nofail noiversion nolazytime nomand norelatime nostrictatime nosuid \
    nosymfollow nouser offset owner relatime remount ro rootcontext rw seclabel silent sizelimit loud strictatime suid sync user users \
    comment helper uhelper pri bind rbind move private shared slave rprivate rshared rslave unbindable encoding verity";
/// ext4(5), and kernel: Documentation/admin-guide/ext4.rst.
const EXT: &str = "abort acl auto_da_alloc barrier bh block_validity bsddf bsdgroups check commit data data_err dax debug \
    debug_want_extra_isize delalloc dioread_lock dioread_nolock discard dump_after errors fc_debug_force fc_debug_max_replay grpid grpjquota grpquota i_version \
    init_itable inlinecrypt inode_readahead_blks journal_async_commit journal_checksum journal_dev journal_ioprio journal_path jqfmt \
    lazytime max_batch_time max_dir_size_kb mb_optimize_scan mblk_io_submit min_batch_time minixdf nbh no_mbcache nobarrier \
    noacl noauto_da_alloc noblock_validity nocheck nodelalloc nodiscard nodioread_nolock noinit_itable noload nolazytime nombcache nomblk_io_submit \
    noquota norecovery no_prefetch_block_bitmaps prefetch_block_bitmaps nouid32 nouser_xattr nowarn_on_error oldalloc orlov prjquota quota resgid resuid sb stripe \
    sysvgroups test_dummy_encryption user_xattr usrjquota usrquota warn_on_error noreservation reservation ignore";
/// xfs(5).
const XFS: &str = "allocsize attr2 noattr2 barrier nobarrier biosize dax discard nodiscard filestreams gqnoenforce gquota grpid bsdgroups \
    grpquota ihashsize ikeep noikeep inode32 inode64 largeio nolargeio logbsize logbufs logdev lifetime max_atomic_write max_open_zones \
    noalign noquota norecovery nouuid osyncisdsync pqnoenforce pquota prjquota qnoenforce quota rtdev sunit swalloc swidth sysvgroups \
    nogrpid uqnoenforce uquota usrquota wsync noattr2";
/// kernel: Documentation/filesystems/vfat.rst.
const VFAT: &str = "uid gid umask dmask fmask allow_utime codepage iocharset utf8 uni_xlate nonumtail nostale_ro check time_offset tz \
    showexec debug fat quiet sys_immutable flush rodir errors discard nfs shortname dos1xfloppy dotsOK conv usefree nodots dots posix \
    blocksize";
/// tmpfs(5).
const TMPFS: &str = "size nr_blocks nr_inodes mode gid uid huge mpol inode32 inode64 noswap nr_inodes usrquota grpquota \
    usrquota_block_hardlimit usrquota_inode_hardlimit grpquota_block_hardlimit grpquota_inode_hardlimit casefold strict_encoding";

pub fn probe(patient: &Patient) -> Result<Vec<String>, String> {
    patient.system()?;
    Ok(lines(patient).into_iter().map(|(line, option)| format!("{}: option '{option}'", line.shown())).collect())
}

/// Lines with the first option that is refused.
pub fn lines(patient: &Patient) -> Vec<(Line, String)> {
    let required =
        patient.fstab().into_iter().filter(|line| line.fault().is_none() && !line.has("nofail") && !line.has("noauto"));
    required.filter_map(|line| unknown(&line).map(|option| (line, option))).collect()
}

fn unknown(line: &Line) -> Option<String> {
    let own = match line.kind.as_str() {
        "ext2" | "ext3" | "ext4" => EXT,
        "xfs" => XFS,
        "vfat" => VFAT,
        "tmpfs" => TMPFS,
        _ => return None,
    };
    let known = |option: &&str| {
        let name = option.split_once('=').map_or(*option, |(name, _)| name);
        let lower = name.to_ascii_lowercase();
        // Comments for programs, and for systemd.
        lower.starts_with("x-")
            || GENERAL.split_ascii_whitespace().chain(own.split_ascii_whitespace()).any(|word| word == name)
    };
    line.options.split(',').filter(|option| !option.is_empty()).find(|option| !known(option)).map(crate::tools::clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Folder;

    #[test]
    fn an_unknown_option_is_named_and_usual_ones_are_not() {
        let folder = Folder::new();
        folder.put(
            "etc/fstab",
            "LABEL=root / ext4 errors=remount-ro,noatime,discard,x-systemd.growfs 0 1\nLABEL=root /b xfs defaults,nobarier 0 0\n\
             UUID=1 /boot/efi vfat umask=0077,shortname=winnt 0 1\ntmpfs /tmp tmpfs size=1g,mode=1777 0 0\nx /n zfs zfsutil,anything 0 0\n\
             LABEL=root /c ext4 nofail,whatever 0 0\n",
        );
        assert_eq!(
            probe(&folder.patient()).unwrap(),
            ["/etc/fstab line 2: LABEL=root /b xfs defaults,nobarier 0 0: option 'nobarier'"]
        );
    }
}
