//! All rules: the list below is the order in which they are asked. Each has a file of data (`CODE.toml`) and a probe (`CODE.rs`).

use crate::rule::Rule;

macro_rules! rules {
    ($($code:ident),+ $(,)?) => {
        $(pub mod $code;)+

        /// Every rule, in order.
        #[must_use]
        pub fn all() -> Vec<Rule> {
            vec![$(Rule::new(include_str!(concat!(stringify!($code), ".toml")), $code::probe)),+]
        }

        #[cfg(test)]
        const CODES: &[&str] = &[$(stringify!($code)),+];
    };
}

rules! {
    root_missing,
    superblock_gone,
    luks_header_damaged,
    lvm_volume_missing,
    raid_degraded,
    root_filesystem_errors,
    fstab_bad_syntax,
    fstab_missing_device,
    fstab_wrong_type,
    fstab_bad_option,
    fstab_duplicate_uuid,
    disk_full,
    inodes_full,
    kernel_missing,
    kernel_truncated,
    initramfs_missing,
    initramfs_truncated,
    initramfs_without_root_driver,
    bootloader_config_missing,
    bootloader_points_nowhere,
    esp_missing,
    init_missing,
    library_missing,
    default_target_broken,
    root_locked,
    sshd_config_broken,
    sshd_keys_missing,
    machine_id,
    selinux_relabel,
    network_nic_gone,
    journal_errors,
    last_boot,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixes;

    #[test]
    fn data_and_names_agree_and_every_fix_exists() {
        for (rule, code) in all().iter().zip(CODES) {
            assert_eq!(rule.data.code, *code);
            assert!(!rule.data.title.is_empty() && rule.data.what_to_do.len() > 40, "{code}: say what to do");
            for fix in &rule.data.fixes {
                assert!(fixes::get(&fix.code).is_some(), "{code}: there is no fix {}", fix.code);
                assert!(fix.reason.len() > 20, "{code}: say why {} is safe or not", fix.code);
            }
        }
    }

    #[test]
    fn every_fix_is_offered_by_some_rule() {
        let rules = all();
        for fix in fixes::all() {
            assert!(
                rules.iter().any(|rule| rule.data.fixes.iter().any(|offer| offer.code == fix.code)),
                "{}",
                fix.code
            );
        }
    }
}
